package record

import (
	"fmt"
	"math"

	"leaklab/loader/text"
)

const (
	// leastServerBytes is less than a server takes: a few of its pages, its stack and the kernel's are more than that.
	leastServerBytes = 64 << 10
	// mostServerBytes is more than the RAM of any machine.
	mostServerBytes = 1 << 48
	// leastRows is how many rows a table must have for what is unlikely of each alone.
	leastRows = 5
	// alike is how far the largest gain of a counter with a steady load is above the smallest, at most.
	alike = 1.125
	// farAbove is how many gains a counter has counted before the table begins, at least, where the gains alone tell.
	farAbove = 10
)

// implausible returns the question that the figures of a table raise; nil if they raise none. It begins with line:column.
// No table that a run has recorded raises one.
func implausible(rows []row) error {
	for _, check := range []func([]row) error{bounds, kibibytes, cumulative} {
		if err := check(rows); err != nil {
			return err
		}
	}
	return nil
}

// resident are the readings of resident memory of a row by the titles of their columns, in the order of time.
func (r row) resident() []reading {
	return []reading{{"rss_start_bytes", r.RSSStartBytes}, {"rss_end_bytes", r.RSSEndBytes}}
}

type reading struct {
	column string
	bytes  int64
}

// at is an error at the place of a figure.
func (r row) at(column, format string, values ...any) error {
	p := r.places[column]
	return fmt.Errorf("%d:%d: %s", p.line, p.column, fmt.Sprintf(format, values...))
}

// bounds refuses memory that is less than any process takes, or more than any machine has. A run that has recorded its
// time has read the memory in bytes, however little it is.
func bounds(rows []row) error {
	for _, r := range rows {
		for _, of := range r.resident() {
			switch {
			case of.bytes < leastServerBytes && r.StartedAt.IsZero():
				return r.at(of.column, "%s is %s bytes, less than any server takes: is it in KiB or MiB? Expected bytes", of.column, text.Number(float64(of.bytes)))
			case of.bytes > mostServerBytes:
				return r.at(of.column, "%s is %s bytes, more than any machine has: is it in bytes?", of.column, text.Number(float64(of.bytes)))
			}
		}
	}
	return nil
}

// kibibytes refuses figures that are whole pages of 4 KiB if they are in KiB, and none in bytes. The kernel counts whole
// pages, and tells them in KiB, as ps and /proc/PID/status do. Multiples of 4 of which many are none of 8 are no round
// numbers of bytes either.
func kibibytes(rows []row) error {
	figures, odd, pages := 0, 0, 0
	for _, r := range rows {
		for _, of := range r.resident() {
			figures++
			switch {
			case of.bytes%4 != 0:
				return nil
			case of.bytes%8 != 0:
				odd++
			case of.bytes%1024 == 0:
				pages++
			}
		}
	}
	if len(rows) < leastRows || 4*odd < figures || 4*pages > figures {
		return nil
	}
	first := rows[0].resident()[1]
	return rows[0].at(first.column, "%s is %s bytes: the figures of this table are whole pages in KiB, but not in bytes: is it in KiB? "+
		"Expected bytes", first.column, text.Number(float64(first.bytes)))
}

// cumulative refuses requests that are counted from the start of the server on, not for each iteration. They rise in each
// row by about as much, from about as much; or in steps that are alike, from far above. Requests that merely rise, since the
// server gets faster, do neither. Where the rate and the duration are known, they tell.
func cumulative(rows []row) error {
	if len(rows) < leastRows {
		return nil
	}
	least, most := math.Inf(1), 0.0
	for n, r := range rows {
		counted := r.RequestsPerSecond * r.DurationSeconds
		if counted > 0 && math.Abs(float64(r.Requests)-counted) <= 0.05*counted+1 {
			return nil
		}
		if n > 0 {
			if r.Requests <= rows[n-1].Requests {
				return nil
			}
			gain := float64(r.Requests - rows[n-1].Requests)
			least, most = min(least, gain), max(most, gain)
		}
	}
	first := float64(rows[0].Requests)
	fromZero := most <= 2*least && first <= 2*most
	inSteps := most <= alike*least && first >= farAbove*most
	if !fromZero && !inSteps {
		return nil
	}
	last := rows[len(rows)-1]
	return last.at("requests", "requests rises in each iteration, to %s, by %s to %s: is it a counter that goes on? Expected the requests of each iteration alone; "+
		"the columns requests_per_second and duration_seconds settle it", text.Number(float64(last.Requests)), text.Number(least), text.Number(most))
}
