package external

import (
	"regexp"

	"leaklab/loader/load"
)

var (
	abRequests = regexp.MustCompile(`(?m)^Complete requests: +(\d+)\r?$`)
	abFailed   = regexp.MustCompile(`(?m)^ +\(Connect: (\d+), Receive: (\d+), Length: \d+, Exceptions: (\d+)\)\r?$`)
	abStatus   = regexp.MustCompile(`(?m)^Non-2xx responses: +(\d+)\r?$`)
	abNothing  = regexp.MustCompile(`(?m)^Complete requests: +(\d+)\r?\nFailed requests: +0\r?\n(?:[A-Z].*\n)*?Total transferred: +0 bytes\r?$`)
	abWithTime = regexp.MustCompile(`(?:^|[\s/;&|])ab\s(?:.*\s)?-t`)
	abCount    = regexp.MustCompile(`\s-n`)
)

// abMost is the number of requests at which ab -t ends, unless -n follows it.
const abMost = "50000"

// readAb parses the summary of ab. Its count includes requests without a response. A response of another length than the
// first is no error.
func readAb(output string, counts *Counts) outcome {
	matches := abRequests.FindAllStringSubmatch(output, -1)
	for _, match := range matches {
		if !counts.answered(0, match[1]) {
			return implausible
		}
	}
	for _, match := range abFailed.FindAllStringSubmatch(output, -1) {
		for field, reason := range []load.Reason{load.Connect, load.Reset, load.Other} {
			counts.noteFigure(reason, match[field+1])
		}
	}
	for _, match := range abStatus.FindAllStringSubmatch(output, -1) {
		counts.noteFigure(load.Other, match[1])
	}
	// Where each request has no response, ab reports none as failed.
	for _, match := range abNothing.FindAllStringSubmatch(output, -1) {
		counts.noteFigure(load.Reset, match[1])
	}
	return is(len(matches) > 0)
}

// abStopped tells that ab ended before its time, by its command and its output; empty if it did not.
func abStopped(command, output string) string {
	option := abWithTime.FindStringIndex(command)
	if option == nil || abCount.MatchString(command[option[1]:]) {
		return ""
	}
	for _, match := range abRequests.FindAllStringSubmatch(output, -1) {
		if match[1] == abMost {
			return "ab -t ended at " + abMost + " requests, before its time: it does unless -n, with a larger number, follows -t."
		}
	}
	return ""
}
