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
	matches := httperfRequests.FindAllStringSubmatch(output, -1)
	for _, match := range matches {
		if !counts.answered(0, match[1]) {
			return implausible
		}
	}
	for _, line := range []struct {
		pattern *regexp.Regexp
		reasons []load.Reason
	}{
		{httperfStatus, []load.Reason{load.Status4xx, load.Status5xx}},
		{httperfErrors, []load.Reason{load.Timeout, load.Timeout, load.Connect, load.Reset}},
		{httperfMore, []load.Reason{load.Connect, load.Connect, load.Connect, load.Other}},
	} {
		for _, match := range line.pattern.FindAllStringSubmatch(output, -1) {
			for field, reason := range line.reasons {
				counts.noteFigure(reason, match[field+1])
			}
		}
	}
	return is(len(matches) > 0)
}
