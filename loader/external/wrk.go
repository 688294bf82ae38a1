package external

import (
	"regexp"

	"leaklab/loader/load"
)

var (
	wrkRequests = regexp.MustCompile(`(?m)^ +(\d+) requests in [0-9.]+[a-z]+, .* read\r?$`)
	wrkSocket   = regexp.MustCompile(`(?m)^ +Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)\r?$`)
	wrkStatus   = regexp.MustCompile(`(?m)^ +Non-2xx or 3xx responses: (\d+)\r?$`)
)

// readWrk parses the summary of wrk, which does not report statuses.
func readWrk(output string, counts *Counts) outcome {
	matches := wrkRequests.FindAllStringSubmatch(output, -1)
	for _, match := range matches {
		if !counts.answered(0, match[1]) {
			return implausible
		}
	}
	for _, match := range wrkSocket.FindAllStringSubmatch(output, -1) {
		for field, reason := range []load.Reason{load.Connect, load.Reset, load.Reset, load.Timeout} {
			counts.noteFigure(reason, match[field+1])
		}
	}
	for _, match := range wrkStatus.FindAllStringSubmatch(output, -1) {
		counts.noteFigure(load.Other, match[1])
	}
	return is(len(matches) > 0)
}
