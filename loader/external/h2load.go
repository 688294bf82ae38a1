package external

import (
	"regexp"

	"leaklab/loader/load"
)

var (
	h2loadRequests = regexp.MustCompile(`(?m)^requests: \d+ total, (\d+) started, \d+ done, \d+ succeeded, \d+ failed, (\d+) errored, (\d+) timeout\r?$`)
	h2loadStatus   = regexp.MustCompile(`(?m)^status codes: \d+ 2xx, \d+ 3xx, (\d+) 4xx, (\d+) 5xx\r?$`)
	h2loadWarmUp   = regexp.MustCompile(`(?m)^spawning thread #0: .* with (\S+) of warm-up time`)
)

// readH2load parses the summary of h2load. It counts what it has started: of those that it cancels at the end of its
// duration, a few may not reach the server. Those of its warm-up are in no count.
func readH2load(output string, counts *Counts) outcome {
	matches := h2loadRequests.FindAllStringSubmatch(output, -1)
	for _, match := range matches {
		if !counts.answered(0, match[1]) {
			return implausible
		}
		counts.noteFigure(load.Other, match[2])
		counts.noteFigure(load.Timeout, match[3])
	}
	counts.noteEach(h2loadStatus, output, load.Status4xx, load.Status5xx)
	for _, match := range h2loadWarmUp.FindAllStringSubmatch(output, -1) {
		if match[1] != "0s" && len(matches) > 0 {
			counts.Partial = true
			counts.say("h2load does not count the requests of its warm-up.")
		}
	}
	return is(len(matches) > 0)
}
