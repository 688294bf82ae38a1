package target

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"leaklab/loader/memory"
	"leaklab/loader/subject"
)

// Processes returns a function that lists the processes whose memory is read. There has to be a PID.
func (t *Target) Processes() func() ([]int, error) { return memory.Processes(t.PID, t.adopted...) }

// Confirm makes sure that a server that was started here, and answers by now, is the one that listens at its address. One
// that has put itself into the background is measured as well, and stopped in the end. It fails if what listens does not
// descend from the server's command. If that process is not visible it is nil.
func (t *Target) Confirm(ctx context.Context) error {
	if t.process == nil || !subject.IsLocal(ctx, t.host) {
		return nil
	}
	holders, err := subject.Holders(ctx, t.address)
	if errors.Is(err, subject.ErrNoListener) {
		return t.confirmElsewhere(ctx)
	}
	if err != nil {
		return nil
	}
	if err := t.process.Adopt(); err != nil {
		return err
	}
	measured, err := t.Processes()()
	if err != nil {
		if _, ended := t.read(ctx); ended != nil { // which says how
			return ended
		}
		return err
	}
	found := false
	var forwards error
	for _, pid := range holders {
		if err := subject.CheckForwarder(pid); err != nil {
			forwards = fmt.Errorf("%s: %w", t.address, err)
			continue
		}
		if slices.Contains(measured, pid) {
			found = true
			continue
		}
		followed, err := t.process.Follow(pid)
		if err != nil {
			return err
		}
		found = found || followed
	}
	switch {
	case found:
		return nil
	case forwards != nil:
		return forwards
	default:
		return notStarted(holders[0], t.address)
	}
}

// followAll is Confirm for the end: whatever listens by now is stopped with the server, if it descends from it.
func (t *Target) followAll() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	holders, _ := subject.Holders(ctx, t.address)
	measured, _ := t.Processes()()
	for _, pid := range holders {
		if !slices.Contains(measured, pid) {
			_, _ = t.process.Follow(pid)
		}
	}
}

// confirmElsewhere fails unless the server listens in another network namespace. Only Linux has these.
func (t *Target) confirmElsewhere(ctx context.Context) error {
	if runtime.GOOS != "linux" {
		return nil
	}
	var reading memory.Reading
	for _, complete := range t.complete {
		complete(ctx, &reading)
	}
	if slices.ContainsFunc(reading.Members, func(m memory.Member) bool { return m.Listens }) {
		return nil
	}
	return elsewhere(t.address)
}

// elsewhere is the error if address answers, and no process that listens on it can be seen.
func elsewhere(address string) error {
	return fmt.Errorf("%s answers, but no process listens on it in the network namespace of the loader, "+
		"as with a port that a container publishes; set SERVER_PID to the server's process", address)
}

// notStarted is the error if process pid listens at address, and was not started by the command of the server.
func notStarted(pid int, address string) error {
	if err := subject.CheckForwarder(pid); err != nil {
		return fmt.Errorf("%s: %w", address, err)
	}
	return fmt.Errorf("%s listens on %s, but does not descend from the command: start the server in the foreground (gradle --no-daemon), "+
		"or start it yourself and use loader attach", subject.Describe(pid), address)
}
