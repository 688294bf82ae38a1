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
	counts.noteEach(abFailed, output, load.Connect, load.Reset, load.Other)
	counts.noteEach(abStatus, output, load.Other)
	counts.noteEach(abNothing, output, load.Reset) // where each request has no response, ab reports none as failed
	return counts.answeredEach(abRequests, output)
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
