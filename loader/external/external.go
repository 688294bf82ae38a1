// Package external runs a third-party load tool, such as hey, wrk, k6 or ab, as the load of an iteration. It parses the
// output for the number of requests. It knows nothing of memory, nor of other ways to count requests.
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
	// mostOutput is the size of the end of a tool's output that is parsed, in bytes.
	mostOutput = 1 << 20
	// mostTable is the size of the end of the output in which tables with a line for each request are counted, in bytes.
	mostTable = 256 << 20
	lastLines = 10 // shown when the tool fails
)

// startScript waits for a line and then executes the tool. It ends if the loader ends before.
const startScript = `read -r _ || exit; exec "$@" </dev/null`

// Command is a load tool that runs once per iteration. It is not safe for concurrent use.
type Command struct {
	Words []string      // the program and its arguments
	Log   *os.File      // receives the output, with a header for each iteration
	Limit time.Duration // a tool that runs longer is killed
	// Guard, if not nil, is called with the tool's process group before the tool starts. Until dismiss is called, it ends
	// the group if the loader is killed. It requires a shell.
	Guard func(group int) (dismiss func(), err error)

	counted bool // an earlier iteration had a known number of requests
}

// Run runs the tool until it ends, and adds the requests that it reports to meter. If it reports none, the result is
// Uncounted; if it leaves some out, Partial. On return nothing in its process group is left. Run fails when the tool cannot
// be started or fails, does not end within Limit, and when ctx ends first. It also fails when a tool that reported its
// requests before no longer does.
func (c *Command) Run(ctx context.Context, iteration int, meter *load.Meter) (load.Result, error) {
	start := time.Now()
	if _, err := fmt.Fprintf(c.Log, "== iteration %d, %s\n", iteration, start.UTC().Format(time.RFC3339)); err != nil {
		return load.Result{}, err
	}
	from, err := c.Log.Seek(0, io.SeekEnd)
	if err != nil {
		return load.Result{}, err
	}
	limited, cancel := context.WithTimeout(ctx, c.Limit)
	defer cancel()
	err = c.run(limited)
	elapsed := time.Since(start)
	if ctx.Err() != nil {
		return load.Result{}, context.Cause(ctx)
	}
	if limited.Err() != nil {
		err = fmt.Errorf("did not end within %s", c.Limit)
	}
	output, readErr := c.output(from)
	if err != nil {
		return load.Result{}, &Failure{fmt.Errorf("LOAD_COMMAND %w", err), output}
	}
	if readErr != nil {
		return load.Result{}, readErr
	}
	counts, counted := count(output, c.end(from, mostTable))
	if stopped := abStopped(strings.Join(c.Words, " "), output); stopped != "" {
		counts.say(stopped)
	}
	if c.counted && !counted {
		return load.Result{}, &Failure{errors.New("LOAD_COMMAND no longer reports its requests"), output}
	}
	c.counted = counted
	totals := meter.Add(counts.Codes, counts.Errors)
	return load.Result{
		Totals: totals, StartedAt: start, Elapsed: elapsed,
		Uncounted: !counted, Reported: counted, Partial: counts.Partial, Notes: counts.Notes,
	}, nil
}

// run runs the tool in a new process group, and kills the rest of the group at the end.
func (c *Command) run(ctx context.Context) error {
	cmd := exec.Command(c.Words[0], c.Words[1:]...)
	var input io.Writer
	if c.Guard != nil {
		cmd = exec.Command("sh", append([]string{"-c", startScript, "sh"}, c.Words...)...)
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

// output returns the log from an offset on, or the last mostOutput bytes of that.
func (c *Command) output(from int64) (string, error) {
	text, err := io.ReadAll(c.end(from, mostOutput))
	return string(text), err
}

// end reads the log from an offset on, or the last most bytes of that.
func (c *Command) end(from, most int64) io.Reader {
	size := int64(0)
	if info, err := c.Log.Stat(); err == nil {
		size = info.Size()
	}
	from = max(from, size-most)
	return io.NewSectionReader(c.Log, from, max(0, size-from))
}

// Failure is an error of a tool. Its text omits the tool's output, which may contain secret arguments.
type Failure struct {
	error
	output string
}

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.error }

// Ending describes the end of the tool's output in that iteration.
func (f *Failure) Ending() string {
	text := strings.TrimRight(f.output, " \t\r\n")
	if text == "" {
		return "it printed nothing"
	}
	lines := strings.Split(text, "\n")
	return "its last lines:\n  " + strings.Join(lines[max(0, len(lines)-lastLines):], "\n  ")
}
