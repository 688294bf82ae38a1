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
	counts.noteEach(wrkSocket, output, load.Connect, load.Reset, load.Reset, load.Timeout)
	counts.noteEach(wrkStatus, output, load.Other)
	return counts.answeredEach(wrkRequests, output)
}
