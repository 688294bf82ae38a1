package target

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"leaklab/loader/memory"
	"leaklab/loader/subject"
)

// attach measures a process that runs already.
func attach(ctx context.Context, pid, port int) (*Target, error) {
	if pid == os.Getpid() {
		return nil, fmt.Errorf("process %d is this program itself", pid)
	}
	read := memory.OfTree(pid)
	if _, err := read(context.Background()); err != nil {
		return nil, err
	}
	t := watched(ctx, pid, port, read)
	t.Command = subject.CommandLine(pid)
	t.Description = fmt.Sprintf("process %d, running for %s: %s", pid, subject.Uptime(pid), t.Command)
	return t, nil
}

// attachToListener measures the process that listens on plan.Address, and waits for one.
func attachToListener(ctx context.Context, plan Plan, notes io.Writer) (*Target, error) {
	var t *Target
	find := func(ctx context.Context) error {
		pid, err := findListener(ctx, plan.Address)
		if err == nil {
			t, err = attach(ctx, pid, plan.Port)
		}
		return err
	}
	err := find(ctx)
	if errors.Is(err, subject.ErrNoListener) {
		fmt.Fprintf(notes, "loader: waiting for a server that listens on %s\n", plan.Address)
		err = subject.WaitReady(ctx, plan.StartTimeout, plan.Who, find)
	}
	if err != nil {
		return nil, fmt.Errorf("PORT=\"%d\": expected a server on %s: %w", plan.Port, plan.Address, err)
	}
	return t, nil
}

// findListener is subject.FindListener, but fails if what listens only passes connections on, or if something answers
// though nothing listens in this network namespace.
func findListener(ctx context.Context, address string) (int, error) {
	pid, err := subject.FindListener(ctx, address)
	if err == nil {
		return pid, subject.CheckForwarder(pid)
	}
	if errors.Is(err, subject.ErrNoListener) && subject.Listening(address) {
		if pid, err = subject.FindListener(ctx, address); errors.Is(err, subject.ErrNoListener) { // it has not come meanwhile
			err = elsewhere(address)
		}
	}
	return pid, err
}
