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
	matches := loadtestRequests.FindAllStringSubmatch(output, -1)
	for _, match := range matches {
		if !counts.answered(0, match[1]) {
			return implausible
		}
	}
	for _, match := range loadtestErrors.FindAllStringSubmatch(output, -1) {
		counts.noteFigure(load.Other, match[1])
	}
	return is(len(matches) > 0)
}
