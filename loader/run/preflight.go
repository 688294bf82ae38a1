package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"leaklab/loader/load"
	"leaklab/loader/memory"
	"leaklab/loader/shell"
	"leaklab/loader/subject"
)

// reservedFiles is how many files this program has open besides the connections of the load, at most: its own, and those of
// two servers that are watched.
const reservedFiles = 32 + 2*memory.MostPrograms

// check tells what is wrong with the settings on this machine, before anything is started: with the files, the folder
// and the programs that they name, and with the number of connections. Settings that are wrong in themselves are zero.
func (p *plan) check() error {
	_, err := p.request.read(false, func(file io.Closer) { _ = file.Close() })
	wrong := []error{err}
	if info, err := os.Stat(p.results); err == nil && !info.IsDir() {
		wrong = append(wrong, fmt.Errorf("RESULTS=%q: expected a folder, or the name of one that is not there yet", p.results))
	}
	if p.baseline != nil && p.baseline.target.Command != nil {
		if _, err := exec.LookPath(p.baseline.target.Command[0]); err != nil {
			wrong = append(wrong, fmt.Errorf("BASELINE=%.200q: expected a program that can be run: %w", shell.QuoteAll(p.baseline.command), err))
		}
	}
	if chosen := p.server.target.MetricsMemory; !chosen.IsZero() && p.server.target.Command != nil {
		wrong = append(wrong, fmt.Errorf("METRICS_MEMORY=%q: expected none for a server that the loader starts: its processes are read", chosen.String()))
	}
	if p.tool == nil {
		return errors.Join(append(wrong, p.checkWorkers())...)
	}
	if _, err := exec.LookPath(p.tool.Words[0]); err != nil {
		wrong = append(wrong, fmt.Errorf("LOAD_COMMAND: expected a program that can be run: %w", err))
	}
	return errors.Join(wrong...)
}

// checkWorkers fails if this program may not have as many files open as the connections of the load need.
func (p *plan) checkWorkers() error {
	var limit syscall.Rlimit // the runtime has raised it as far as it may
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return nil // the limit is unknown
	}
	workers := p.server.load.Workers
	if workers == 0 { // it is wrong in itself
		return nil
	}
	for _, shape := range p.shapes {
		burst := load.Plan{Workers: workers, Behaviour: load.NewBehaviour(load.ShapeNamed(shape), load.Request{}, "")}
		needed := uint64(burst.Connections())
		if needed+reservedFiles > limit.Cur {
			most := (max(limit.Cur, reservedFiles) - reservedFiles) * uint64(workers) / needed
			return fmt.Errorf("WORKERS=\"%d\": expected at most %d with SHAPE=%s, since this program may have %d files open (ulimit -n)",
				workers, most, strings.Join(p.shapes, ","), limit.Cur)
		}
	}
	return nil
}

// preflight tells what stands in the way of a run at this moment: strangers that would be loaded, ports that are taken,
// a command whose server another process would start, and a server whose memory cannot be read. Nothing is sent or started. It warns on notes of strangers that may be
// loaded.
func (p *plan) preflight(ctx context.Context, notes io.Writer) error {
	var strangers error
	for _, s := range p.sides() {
		strangers = errors.Join(strangers, s.checkNear(ctx))
	}
	if strangers != nil && !p.allowRemote {
		return strangers
	} else if strangers != nil {
		fmt.Fprintf(notes, "loader: ALLOW_REMOTE=true: %v\n", strangers)
	}
	if p.command == nil && p.baseline != nil && p.baseline.target.Command != nil {
		return fmt.Errorf("BASELINE=%q: expected a command for the server as well, as in ./test-me.sh COMMAND: the loader starts both", shell.QuoteAll(p.baseline.command))
	}
	for _, s := range p.sides() {
		setting := "COMMAND"
		if s == p.baseline {
			setting = "BASELINE"
		}
		if err := subject.CheckCommand(setting, s.target.Command); err != nil {
			return err
		}
		if s.target.Command != nil && subject.Listening(s.target.Address) {
			return fmt.Errorf("%s=\"%d\": %s listens on %s already", s.portName, s.target.Port, subject.ListenerName(ctx, s.target.Address), s.target.Address)
		}
	}
	t := p.server.target
	if t.Command == nil && t.PID == 0 && !t.Shared && t.MetricsURL == "" && !subject.IsLocal(ctx, t.Host) {
		return fmt.Errorf("HOST=%q: expected an address of this machine, whose memory can be read; or a METRICS_URL that tells the server's", t.Host)
	}
	return nil
}

// checkServerRuns fails if there is no server to measure now: none was named, and nothing listens. A baseline without a
// server is for preflight.
func (p *plan) checkServerRuns(ctx context.Context) error {
	t := p.server.target
	if p.baseline != nil || t.PID != 0 || t.Shared || t.MetricsURL != "" || !subject.IsLocal(ctx, t.Host) || subject.Listening(t.Address) {
		return nil
	}
	return fmt.Errorf("PORT=\"%d\": expected a server on %s, but nothing listens there; start one, name its process in SERVER_PID, "+
		"let the loader start it (loader -- COMMAND ARG...), or wait for it (loader attach)", t.Port, t.Address)
}

// sides are the server, and the baseline if there is one.
func (p *plan) sides() []*side {
	if p.baseline == nil {
		return []*side{&p.server}
	}
	return []*side{&p.server, p.baseline}
}

// checkNear fails if the host is neither of this machine nor of a private network. Nothing is sent to it.
func (s *side) checkNear(ctx context.Context) error {
	strangers := subject.NearTo(s.target.Host).Strangers(ctx, s.target.Host)
	if len(strangers) == 0 {
		return nil
	}
	return fmt.Errorf("%s=%q: expected this machine, a private network or a Compose service, but it is %s; only load it if you may, with ALLOW_REMOTE=true",
		s.hostName, s.target.Host, strings.Trim(fmt.Sprint(strangers), "[]"))
}
