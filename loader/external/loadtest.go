package external

import (
	"regexp"

	"leaklab/loader/load"
)

var (
	loadtestRequests = regexp.MustCompile(`(?m)^Completed requests: +(\d+)\r?$`)
	loadtestErrors   = regexp.MustCompile(`(?m)^Total errors: +(\d+)\r?$`)
)

// readLoadtest parses the summary of loadtest. Its count includes requests without a response.
func readLoadtest(output string, counts *Counts) outcome {
	counts.noteEach(loadtestErrors, output, load.Other)
	return counts.answeredEach(loadtestRequests, output)
}
