// Package external runs a load tool of somebody else, such as hey, wrk, k6 or oha, as the load of an iteration, and
// reads from what it prints how many requests it made. It knows nothing of memory, nor of how requests are counted if
// the tool does not tell.
package external

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"leaklab/loader/load"
)

const (
	// mostOutput is how much of the end of a tool's output is looked at, in bytes.
	mostOutput = 1 << 20
	lastLines  = 10 // shown when the tool fails
)

// gate is a shell that becomes the tool when it gets a line, and ends if the loader does before.
const gate = `read -r _ || exit; exec "$@" </dev/null`

// Command is a load tool, which runs once an iteration.
type Command struct {
	Words []string // the program and its arguments
	Log   *os.File // gets what the tool prints, with a header for each iteration
	// Guard, if it is not nil, is told the tool's process group before the tool starts, and stops it should the loader
	// be killed, until dismiss is called. It takes a shell.
	Guard func(group int) (dismiss func(), err error)

	told bool // the tool has told its requests in an iteration before
}

// Run runs the tool until it ends, and counts into meter what it tells. If it does not tell, the result is Uncounted.
// Nothing that it has started in its process group is left on return. It fails when the tool cannot be started or
// fails itself, when ctx ends before, and when the tool tells its requests no more.
func (c *Command) Run(ctx context.Context, iteration int, meter *load.Meter) (load.Result, error) {
	start := time.Now()
	if _, err := fmt.Fprintf(c.Log, "== iteration %d, %s\n", iteration, start.UTC().Format(time.RFC3339)); err != nil {
		return load.Result{}, err
	}
	from, err := c.Log.Seek(0, io.SeekEnd)
	if err != nil {
		return load.Result{}, err
	}
	err = c.run(ctx)
	elapsed := time.Since(start)
	if ctx.Err() != nil {
		return load.Result{}, context.Cause(ctx)
	}
	output, readErr := c.output(from)
	if err != nil {
		return load.Result{}, &Failure{fmt.Errorf("LOAD_COMMAND %w", err), output}
	}
	if readErr != nil {
		return load.Result{}, readErr
	}
	counts, told := Count(output)
	if c.told && !told {
		return load.Result{}, &Failure{errors.New("LOAD_COMMAND does not tell its requests any more"), output}
	}
	c.told = told
	totals := meter.Add(counts.Codes, counts.Errors)
	return load.Result{Totals: totals, StartedAt: start, Elapsed: elapsed, Uncounted: !told}, nil
}

// run runs the tool in a process group of its own, and ends what is left of the group.
func (c *Command) run(ctx context.Context) error {
	cmd := exec.Command(c.Words[0], c.Words[1:]...)
	var input io.Writer
	if c.Guard != nil {
		cmd = exec.Command("sh", append([]string{"-c", gate, "sh"}, c.Words...)...)
		var err error
		if input, err = cmd.StdinPipe(); err != nil {
			return err
		}
	}
	cmd.Stdout, cmd.Stderr = c.Log, c.Log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("cannot be started: %w", err)
	}
	kill := func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	defer kill()
	if c.Guard != nil {
		dismiss, err := c.Guard(cmd.Process.Pid)
		if err == nil {
			defer dismiss()
			_, err = fmt.Fprintln(input)
		}
		if err != nil {
			kill()
			return errors.Join(err, cmd.Wait())
		}
	}
	stop := context.AfterFunc(ctx, kill)
	defer stop()
	err := cmd.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return fmt.Errorf("was killed (%s)", status.Signal())
	}
	return fmt.Errorf("failed with exit code %d", exit.ExitCode())
}

// output returns what was printed from an offset of the log on, or the end of it.
func (c *Command) output(from int64) (string, error) {
	end, err := c.Log.Seek(0, io.SeekEnd)
	if err != nil {
		return "", err
	}
	from = max(from, end-mostOutput)
	text := make([]byte, end-from)
	n, err := c.Log.ReadAt(text, from)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return string(text[:n]), err
}

// Failure is an error of a tool. It does not repeat what the tool printed, which may hold what is secret in its arguments.
type Failure struct {
	error
	output string
}

// Unwrap returns what went wrong.
func (f *Failure) Unwrap() error { return f.error }

// Ending tells the end of what the tool printed in that iteration.
func (f *Failure) Ending() string {
	text := strings.TrimRight(f.output, " \t\r\n")
	if text == "" {
		return "it printed nothing"
	}
	lines := strings.Split(text, "\n")
	return "its last lines:\n  " + strings.Join(lines[max(0, len(lines)-lastLines):], "\n  ")
}
