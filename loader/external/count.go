package external

import (
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"leaklab/loader/load"
)

// Counts are the requests that a tool reports.
type Counts struct {
	Codes  map[int]uint64         // responses by HTTP status code; 0 if the tool does not report it
	Errors map[load.Reason]uint64 // failed requests, and responses that the tool counts as errors
	// Partial is true if the output shows that the tool has sent more requests than it counts.
	Partial bool
	// Notes are sentences on what the tool counts, or does otherwise than its command suggests. Each is there once.
	Notes []string
}

// newCounts returns counts of nothing.
func newCounts() Counts {
	return Counts{Codes: make(map[int]uint64), Errors: make(map[load.Reason]uint64)}
}

// Requests is the number of responses.
func (c Counts) Requests() uint64 {
	var n uint64
	for _, count := range c.Codes {
		n += count
	}
	return n
}

// mostRequests is the largest plausible count. It keeps sums from overflowing.
const mostRequests = 1 << 53

// outcome is what a reader made of an output.
type outcome int

const (
	absent      outcome = iota // no summary of that tool
	found                      // at least one, and all are in the counts
	implausible                // a number that cannot be one of requests
)

// Count parses the output of the load tools that are known, and adds up all summaries in it. False if it finds no
// summary, or an implausible count. Then only Notes may be set.
func Count(output string) (Counts, bool) {
	return count(output, strings.NewReader(output))
}

// count is Count of the summaries in text, and of the tables in table. Of a tool with two formats it takes the one that
// reports more: both are of the same runs.
func count(text string, table io.Reader) (Counts, bool) {
	text = styles.ReplaceAllString(text, "")
	objects := objectsOf(text)
	sum, known := newCounts(), false
	// printed is a reader of summaries as text, which have mark in them: to look for that alone takes little time.
	printed := func(mark string, read func(string, *Counts) outcome) func(*Counts) outcome {
		return func(c *Counts) outcome {
			if !strings.Contains(text, mark) {
				return absent
			}
			return read(text, c)
		}
	}
	for _, formats := range [][]func(*Counts) outcome{
		{printed(" requests in ", readWrk)},
		{printed("http_reqs", readK6), objects.reader(k6Object)},
		{printed("Summary:", readHey)},
		{func(c *Counts) outcome { return readTable(table, c) }},
		{printed("Complete requests:", readAb)},
		{printed("requests: ", readH2load)},
		{objects.reader(siegeObject)},
		{printed("Status Codes ", readVegeta), objects.reader(vegetaObject)},
		{printed("1xx - ", readBombardier), objects.reader(bombardierObject)},
		{printed(" requests in ", readAutocannon), objects.reader(autocannonObject)},
		{printed("Total: connections ", readHttperf)},
		{printed("All done ", readFortio), objects.reader(fortioObject)},
		{printed("Completed requests:", readLoadtest)},
	} {
		best, any := newCounts(), false
		for _, read := range formats {
			counts := newCounts()
			switch read(&counts) {
			case implausible:
				return Counts{}, false
			case absent:
				sum.Partial = sum.Partial || counts.Partial
				sum.say(counts.Notes...)
			case found:
				if !any || counts.Requests() > best.Requests() {
					best, any = counts, true
				}
			}
		}
		known = known || any
		if !sum.add(best) {
			return Counts{}, false
		}
	}
	if !known {
		return Counts{Notes: sum.Notes}, false
	}
	return sum, true
}

// styles matches the colours of a terminal.
var styles = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// add adds the counts of another tool; false if the sum is implausible.
func (c *Counts) add(other Counts) bool {
	for code, n := range other.Codes {
		c.Codes[code] += n
	}
	for reason, n := range other.Errors {
		c.note(reason, n)
	}
	c.Partial = c.Partial || other.Partial
	c.say(other.Notes...)
	return c.Requests() <= mostRequests
}

// answered counts responses; false for an implausible count.
func (c *Counts) answered(code int, count string) bool {
	n, ok := number(count)
	return ok && c.got(code, n)
}

// answeredEach counts the responses that the first group of each match of pattern tells, of unknown status.
func (c *Counts) answeredEach(pattern *regexp.Regexp, output string) outcome {
	matches := pattern.FindAllStringSubmatch(output, -1)
	for _, match := range matches {
		if !c.answered(0, match[1]) {
			return implausible
		}
	}
	return is(len(matches) > 0)
}

// got counts n responses, and those of an error status as errors; false for an implausible count. code is 0 if unknown.
func (c *Counts) got(code int, n uint64) bool {
	if n > mostRequests || code != 0 && (code < 100 || code > 999) {
		return false
	}
	if n > 0 {
		c.Codes[code] += n
	}
	switch {
	case code >= 500:
		c.note(load.Status5xx, n)
	case code >= 400:
		c.note(load.Status4xx, n)
	}
	return c.Requests() <= mostRequests
}

// note counts errors; it leaves out a reason without errors.
func (c *Counts) note(reason load.Reason, n uint64) {
	if n > 0 && n <= mostRequests && c.Errors[reason] <= mostRequests {
		c.Errors[reason] += n
	}
}

// noteFigure is note of a number in a text.
func (c *Counts) noteFigure(reason load.Reason, text string) {
	n, _ := number(text)
	c.note(reason, n)
}

// noteEach counts the errors that the groups of each match of pattern tell, a reason for each group.
func (c *Counts) noteEach(pattern *regexp.Regexp, output string, reasons ...load.Reason) {
	for _, match := range pattern.FindAllStringSubmatch(output, -1) {
		for n, reason := range reasons {
			c.noteFigure(reason, match[n+1])
		}
	}
}

// say adds the notes that are new.
func (c *Counts) say(notes ...string) {
	for _, note := range notes {
		if !slices.Contains(c.Notes, note) {
			c.Notes = append(c.Notes, note)
		}
	}
}

// number parses a count; false for an implausible one.
func number(text string) (uint64, bool) {
	n, err := strconv.ParseUint(text, 10, 64)
	return n, err == nil && n <= mostRequests
}

// is tells whether a reader that has counted without a contradiction found anything.
func is(any bool) outcome {
	if any {
		return found
	}
	return absent
}
