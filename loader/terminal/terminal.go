// Package terminal prints a run for the person in front of it: the settings, a block for each iteration, a progress
// line while load runs, the verdict, and how two runs differ. It decides nothing. Whether to colour, and whether to show
// progress, is up to the caller, who knows where the output goes.
package terminal

import (
	"fmt"
	"io"
	"strings"
	"sync"

	"leaklab/loader/lab"
	"leaklab/loader/load"
	"leaklab/loader/record"
	"leaklab/loader/text"
)

const (
	thickRule = "==============================="
	thinRule  = "-------------------------------"
	wideRule  = "----------------------------------------"
)

// Terminal prints blocks of lines. It may be used by several goroutines: blocks and the progress line never mix.
type Terminal struct {
	colour bool

	mu       sync.Mutex
	out      io.Writer
	progress bool // a progress line is on the screen
}

// New returns a Terminal that writes to out, with the word of a verdict in colour if that is asked for.
func New(out io.Writer, colour bool) *Terminal { return &Terminal{out: out, colour: colour} }

// Settings prints the block at the top.
func (t *Terminal) Settings(lines []record.Line) error {
	width := 0
	for _, line := range lines {
		width = max(width, len(line.Name))
	}
	var b strings.Builder
	fmt.Fprintln(&b, wideRule)
	for _, line := range lines {
		fmt.Fprintf(&b, "%-*s %s\n", width+1, line.Name+":", text.Printable(line.Value))
	}
	fmt.Fprintln(&b, wideRule)
	return t.print(b.String())
}

// Iteration prints the block of an iteration: that of the shell script that leaklab grew out of, with the same lines in
// the same order and unit (KB are 1024 bytes). note stands behind its number.
func (t *Terminal) Iteration(i lab.Iteration, note string) error {
	var b strings.Builder
	fmt.Fprintln(&b, thickRule)
	fmt.Fprintf(&b, "Iteration: %s%s\n", i.Place(), note)
	fmt.Fprintln(&b, thinRule)
	fmt.Fprintf(&b, "Requests/sec: %s\n", unless(i.Uncounted, i.RequestsPerSecond(), ""))
	untimed := i.Load.Latency.TotalCount() == 0 && i.Load.Requests > 0 || i.Uncounted
	fmt.Fprintf(&b, "Latency (worst case): %s\n", unless(untimed, i.Load.MaxLatency.Seconds(), " secs"))
	fmt.Fprintf(&b, "Latency (p99): %s\n", unless(untimed, i.Load.Percentile(99).Seconds(), " secs"))
	if n := i.Load.ErrorCount(); n > 0 {
		fmt.Fprintf(&b, "Errors: %d (%s)\n", n, describeErrors(i.Load.Totals))
	}
	fmt.Fprintln(&b, thinRule)
	fmt.Fprintf(&b, "Starting memory: %d KB\n", i.Start.Total/text.Kibibyte)
	fmt.Fprintf(&b, "Ending memory: %d KB\n", i.End.Total/text.Kibibyte)
	fmt.Fprintf(&b, "Memory leaked: %d KB%s\n", i.End.Total/text.Kibibyte-i.Start.Total/text.Kibibyte, ofGarbage(i))
	if i.Live != nil {
		fmt.Fprintf(&b, "Live memory: %d KB\n", i.Live.Bytes/text.Kibibyte)
	}
	return t.print(b.String())
}

// ofGarbage says why resident memory may seem to leak in each iteration where live memory is read: the start reading comes
// after a full collection, the end reading before the next one. Nothing was collected before the first start reading.
func ofGarbage(i lab.Iteration) string {
	if i.Live == nil || i.Number == 1 {
		return ""
	}
	return " (with garbage, which was collected before the start alone)"
}

// unless is a figure with its unit, or "not known".
func unless(unknown bool, value float64, unit string) string {
	if unknown {
		return "not known"
	}
	return fmt.Sprintf("%.4f%s", value, unit)
}

func describeErrors(totals load.Totals) string {
	var parts []string
	for _, reason := range load.Reasons() {
		n := totals.Errors[reason]
		if n == 0 {
			continue
		}
		part := fmt.Sprintf("%s %d", reason, n)
		if reason == load.BadResponse && totals.BadResponse != "" {
			part += ": " + totals.BadResponse
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}

// print prints a block in place of the progress line.
func (t *Terminal) print(block string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.progress {
		block = eraseLine + block
		t.progress = false
	}
	_, err := io.WriteString(t.out, block)
	return err
}
