package external

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"

	"leaklab/loader/load"
)

var (
	vegetaRequests = regexp.MustCompile(`(?m)^Requests +\[total, rate(?:, throughput)?\] +\d+, `)
	vegetaStatus   = regexp.MustCompile(`(?m)^Status Codes +\[code:count\] +(.*?)\r?$`)
	// vegetaTick matches a report that vegeta report -every prints before the last one, up to its number of requests.
	vegetaTick = regexp.MustCompile(`(?s)\x1b\[2J\x1b\[0;0H.*?\nStatus Codes [^\n]*`)
)

// readVegeta parses what vegeta report prints. Status 0 is a request without a response. With -every, only the last
// report counts, since each has all requests so far.
func readVegeta(output string, counts *Counts) outcome {
	output = vegetaTick.ReplaceAllString(output, "")
	if !vegetaRequests.MatchString(output) {
		return absent
	}
	for _, match := range vegetaStatus.FindAllStringSubmatch(output, -1) {
		for _, status := range strings.Fields(match[1]) {
			code, count, _ := strings.Cut(status, ":")
			n, ok := number(count)
			if !ok || !counts.status(code, n) {
				return implausible
			}
		}
	}
	return found
}

// vegetaObject reads what vegeta report -type json prints.
func vegetaObject(object map[string]json.RawMessage, counts *Counts) outcome {
	if !has(object, "status_codes", "latencies", "throughput") {
		return absent
	}
	return counts.statuses(object["status_codes"])
}

// statuses counts responses by a JSON object of status codes.
func (c *Counts) statuses(object json.RawMessage) outcome {
	var codes map[string]uint64
	if json.Unmarshal(object, &codes) != nil {
		return implausible
	}
	for code, n := range codes {
		if !c.status(code, n) {
			return implausible
		}
	}
	return found
}

// status counts n responses by the text of their status code, and those of one that is none as errors; false for an
// implausible count.
func (c *Counts) status(code string, n uint64) bool {
	value, err := strconv.Atoi(code)
	if err != nil {
		return false
	}
	if value <= 0 {
		c.note(load.Other, n)
		return n <= mostRequests
	}
	return c.got(value, n)
}
