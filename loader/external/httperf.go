package external

import (
	"regexp"

	"leaklab/loader/load"
)

var (
	httperfRequests = regexp.MustCompile(`(?m)^Total: connections \d+ requests (\d+) replies \d+ test-duration `)
	httperfStatus   = regexp.MustCompile(`(?m)^Reply status: 1xx=\d+ 2xx=\d+ 3xx=\d+ 4xx=(\d+) 5xx=(\d+)\r?$`)
	httperfErrors   = regexp.MustCompile(`(?m)^Errors: total \d+ client-timo (\d+) socket-timo (\d+) connrefused (\d+) connreset (\d+)\r?$`)
	httperfMore     = regexp.MustCompile(`(?m)^Errors: fd-unavail (\d+) addrunavail (\d+) ftab-full (\d+) other (\d+)\r?$`)
)

// readHttperf parses the summary of httperf. Its count includes requests without a response.
func readHttperf(output string, counts *Counts) outcome {
	counts.noteEach(httperfStatus, output, load.Status4xx, load.Status5xx)
	counts.noteEach(httperfErrors, output, load.Timeout, load.Timeout, load.Connect, load.Reset)
	counts.noteEach(httperfMore, output, load.Connect, load.Connect, load.Connect, load.Other)
	return counts.answeredEach(httperfRequests, output)
}
