package external

import (
	"math"
	"regexp"
	"strconv"
	"strings"

	"leaklab/loader/load"
)

// Counts are the requests that a tool reports.
type Counts struct {
	Codes  map[int]uint64         // responses by HTTP status code; 0 if the tool does not report it
	Errors map[load.Reason]uint64 // failed requests, and responses that the tool counts as errors
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

// Count parses the output of hey, oha, wrk (or wrk2) or k6, and adds up all summaries in it. False if it finds no summary,
// or an implausible count.
func Count(output string) (Counts, bool) {
	output = styles.ReplaceAllString(output, "")
	for _, read := range []func(string, *Counts) bool{readWrk, readK6, readHey} {
		counts := Counts{Codes: make(map[int]uint64), Errors: make(map[load.Reason]uint64)}
		if read(output, &counts) && counts.Requests() <= mostRequests {
			return counts, true
		}
	}
	return Counts{}, false
}

// styles matches the colours of a terminal.
var styles = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// number parses a count; false for an implausible one.
func number(text string) (uint64, bool) {
	n, err := strconv.ParseUint(text, 10, 64)
	return n, err == nil && n <= mostRequests
}

func figure(text string) float64 {
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return math.NaN()
	}
	return value
}

var (
	wrkRequests = regexp.MustCompile(`(?m)^ +(\d+) requests in [0-9.]+[a-z]+, .* read\r?$`)
	wrkSocket   = regexp.MustCompile(`(?m)^ +Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)\r?$`)
	wrkStatus   = regexp.MustCompile(`(?m)^ +Non-2xx or 3xx responses: (\d+)\r?$`)
)

// readWrk parses the summary of wrk, which does not report statuses.
func readWrk(output string, counts *Counts) bool {
	found := wrkRequests.FindAllStringSubmatch(output, -1)
	for _, match := range found {
		if !counts.answered(0, match[1]) {
			return false
		}
	}
	for _, match := range wrkSocket.FindAllStringSubmatch(output, -1) {
		for field, reason := range []load.Reason{load.Connect, load.Reset, load.Reset, load.Timeout} {
			n, _ := number(match[field+1])
			counts.note(reason, n)
		}
	}
	for _, match := range wrkStatus.FindAllStringSubmatch(output, -1) {
		n, _ := number(match[1])
		counts.note(load.Other, n)
	}
	return len(found) > 0
}

var (
	k6Requests = regexp.MustCompile(`(?m)^ *http_reqs\.*: (\d+) +[0-9.]+/s`)
	k6Failed   = regexp.MustCompile(`(?m)^ *http_req_failed\.*: [0-9.]+% +(?:(\d+) out of \d+|✓ *(\d+) +✗ *\d+)`)
)

// readK6 parses the summary of k6. Its count includes requests without a response.
func readK6(output string, counts *Counts) bool {
	found := k6Requests.FindAllStringSubmatch(output, -1)
	for _, match := range found {
		if !counts.answered(0, match[1]) {
			return false
		}
	}
	for _, match := range k6Failed.FindAllStringSubmatch(output, -1) {
		n, _ := number(match[1] + match[2])
		counts.note(load.Other, n)
	}
	return len(found) > 0
}

var (
	heyTotal  = regexp.MustCompile(`(?m)^ +Total:\s+([0-9.]+) (\S+)\r?$`) // in oha's the unit is that of the slowest response
	heyRate   = regexp.MustCompile(`(?m)^ +Requests/sec:\s+([0-9.]+)\r?$`)
	heyStatus = regexp.MustCompile(`(?m)^ +\[(\d{3})\]\s+(\d+) responses\r?$`)
	heyErrors = regexp.MustCompile(`(?m)^ +\[(\d+)\]\s+(\S.*?)\r?$`)
)

// heyMost is how many statuses hey keeps. Of more responses it reports only the rate.
const heyMost = 1_000_000

// readHey parses the summary of hey, or that of oha, which has the same format.
func readHey(output string, counts *Counts) bool {
	summaries := strings.Split(output, "Summary:")[1:]
	known := false
	for _, summary := range summaries {
		statuses, failures, _ := strings.Cut(summary, "\nError distribution:")
		total, rate := heyTotal.FindStringSubmatch(summary), heyRate.FindStringSubmatch(summary)
		if total == nil || rate == nil || !strings.Contains(statuses, "\nStatus code distribution:") {
			continue
		}
		known = true
		var answers, failed uint64
		for _, match := range heyStatus.FindAllStringSubmatch(statuses, -1) {
			code, _ := strconv.Atoi(match[1])
			if !counts.answered(code, match[2]) {
				return false
			}
			n, _ := number(match[2])
			answers += n
			switch {
			case code >= 500:
				counts.note(load.Status5xx, n)
			case code >= 400:
				counts.note(load.Status4xx, n)
			}
		}
		for _, match := range heyErrors.FindAllStringSubmatch(failures, -1) {
			// Requests that oha cancels at the end of its duration are no errors of the server.
			if n, ok := number(match[1]); ok && match[2] != "aborted due to deadline" {
				failed += n
				counts.note(load.Other, n)
			}
		}
		if all := math.Round(figure(rate[1]) * figure(total[1])); answers == heyMost && total[2] == "secs" && all > heyMost && all <= mostRequests {
			counts.Codes[0] += uint64(max(0, all-float64(answers)-float64(failed)))
		}
	}
	return known
}

// answered counts responses; false for an implausible count.
func (c *Counts) answered(code int, count string) bool {
	n, ok := number(count)
	c.Codes[code] += n
	return ok && c.Codes[code] <= mostRequests
}

// note counts errors; it leaves out a reason without errors.
func (c *Counts) note(reason load.Reason, n uint64) {
	if n > 0 && n <= mostRequests {
		c.Errors[reason] += n
	}
}
