// Package report writes down what a run has measured: on the terminal and as files.
package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"leaklab/loader/lab"
	"leaklab/loader/load"
)

const (
	thickRule = "==============================="
	thinRule  = "-------------------------------"
	wideRule  = "----------------------------------------"
	kibibyte  = 1024
)

// Line is a named value of the settings block.
type Line struct{ Name, Value string }

// Terminal prints the settings, then a block for each iteration: the block of the shell script that leaklab
// grew out of, with the same lines in the same order and unit (KB are 1024 bytes).
type Terminal struct {
	Note     string // stands behind the number of each iteration
	out      io.Writer
	plan     lab.Plan
	requests func() uint64 // nil: no progress line
	progress *progress     // nil while there is no load
}

// progress is the line that rewrites itself while load runs.
type progress struct{ stop, stopped chan struct{} }

// NewTerminal returns a Terminal that writes to out. If requests is given, it tells how many requests have
// been answered in the run so far, and a line shows how far the load of the iteration is.
func NewTerminal(out io.Writer, plan lab.Plan, requests func() uint64) *Terminal {
	return &Terminal{out: out, plan: plan, requests: requests}
}

// Settings prints the block at the top.
func (t *Terminal) Settings(lines []Line) {
	width := 0
	for _, line := range lines {
		width = max(width, len(line.Name))
	}
	fmt.Fprintln(t.out, wideRule)
	for _, line := range lines {
		fmt.Fprintf(t.out, "%-*s %s\n", width+1, line.Name+":", Printable(line.Value))
	}
	fmt.Fprintln(t.out, wideRule)
}

// LoadBegins starts the progress line.
func (t *Terminal) LoadBegins(number int, at time.Time) {
	if t.requests == nil {
		return
	}
	p := &progress{stop: make(chan struct{}), stopped: make(chan struct{})}
	before := t.requests()
	go func() {
		defer close(p.stopped)
		ticker := time.NewTicker(progressInterval)
		defer ticker.Stop()
		for {
			select {
			case <-p.stop:
				fmt.Fprint(t.out, eraseLine)
				return
			case now := <-ticker.C:
				fmt.Fprint(t.out, eraseLine, progressLine(t.plan, t.Note, number, now.Sub(at), t.requests()-before))
			}
		}
	}()
	t.progress = p
}

const (
	progressInterval = 200 * time.Millisecond
	eraseLine        = "\r\x1b[K"
)

func progressLine(plan lab.Plan, note string, number int, elapsed time.Duration, requests uint64) string {
	remaining := plan.Load.Duration - elapsed
	if wanted := plan.Load.Requests; wanted > 0 {
		remaining = 0
		if requests > 0 && requests < wanted {
			remaining = time.Duration(float64(elapsed) * float64(wanted-requests) / float64(requests))
		}
	}
	return fmt.Sprintf("Iteration %d of %d%s: %.1fs elapsed, %.1fs remaining, %d requests",
		number, plan.Tries, note, elapsed.Seconds(), max(0, remaining).Seconds(), requests)
}

// LoadEnded removes the progress line.
func (t *Terminal) LoadEnded() {
	if t.progress != nil {
		close(t.progress.stop)
		<-t.progress.stopped
		t.progress = nil
	}
}

// IterationEnded prints the iteration's block.
func (t *Terminal) IterationEnded(i lab.Iteration) error {
	var b strings.Builder
	fmt.Fprintln(&b, thickRule)
	fmt.Fprintf(&b, "Iteration: %d of %d%s\n", i.Number, i.Of, t.Note)
	fmt.Fprintln(&b, thinRule)
	fmt.Fprintf(&b, "Requests/sec: %s\n", unless(i.Uncounted, i.RequestsPerSecond(), ""))
	untimed := i.Load.Latency.TotalCount() == 0 && i.Load.Requests > 0 || i.Uncounted
	fmt.Fprintf(&b, "Latency (worst case): %s\n", unless(untimed, i.Load.MaxLatency.Seconds(), " secs"))
	fmt.Fprintf(&b, "Latency (p99): %s\n", unless(untimed, i.Load.Percentile(99).Seconds(), " secs"))
	if n := i.Load.ErrorCount(); n > 0 {
		fmt.Fprintf(&b, "Errors: %d (%s)\n", n, describeErrors(i.Load.Errors))
	}
	fmt.Fprintln(&b, thinRule)
	fmt.Fprintf(&b, "Starting memory: %d KB\n", i.Start.Total/kibibyte)
	fmt.Fprintf(&b, "Ending memory: %d KB\n", i.End.Total/kibibyte)
	fmt.Fprintf(&b, "Memory leaked: %d KB\n", i.End.Total/kibibyte-i.Start.Total/kibibyte)
	_, err := io.WriteString(t.out, b.String())
	return err
}

// unless is a figure with its unit, or "not known".
func unless(unknown bool, value float64, unit string) string {
	if unknown {
		return "not known"
	}
	return fmt.Sprintf("%.4f%s", value, unit)
}

func describeErrors(errors map[load.Reason]uint64) string {
	var parts []string
	for _, reason := range load.Reasons() {
		if n := errors[reason]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", reason, n))
		}
	}
	return strings.Join(parts, ", ")
}
