package external

import (
	"encoding/json"
	"regexp"

	"leaklab/loader/load"
)

var (
	autocannonRequests = regexp.MustCompile(`(?m)^(\d+) requests in [0-9.]+s, .* read\r?$`)
	autocannonRounded  = regexp.MustCompile(`(?m)^[0-9.]+[kMGT] requests in [0-9.]+s, .* read\r?$`)
)

// readAutocannon parses the last line of autocannon's table. It rounds a thousand requests or more.
func readAutocannon(output string, counts *Counts) outcome {
	if autocannonRounded.MatchString(output) {
		counts.say("autocannon's table rounds the number of requests; with its option -j it prints it exactly.")
		return absent
	}
	matches := autocannonRequests.FindAllStringSubmatch(output, -1)
	for _, match := range matches {
		if !counts.answered(0, match[1]) {
			return implausible
		}
	}
	return is(len(matches) > 0)
}

// autocannonObject reads what autocannon -j prints: one object for its warm-up, if it has one, and one for the load.
// What was sent and neither answered nor failed has reached the server as well.
func autocannonObject(object map[string]json.RawMessage, counts *Counts) outcome {
	if !has(object, "statusCodeStats", "requests", "errors", "timeouts") {
		return absent
	}
	var codes map[string]struct{ Count uint64 }
	var requests struct{ Total, Sent uint64 }
	var errors, timeouts uint64 // a timeout is one of the errors
	for key, value := range map[string]any{"statusCodeStats": &codes, "requests": &requests, "errors": &errors, "timeouts": &timeouts} {
		if json.Unmarshal(object[key], value) != nil {
			return implausible
		}
	}
	if max(requests.Total, requests.Sent, errors, timeouts) > mostRequests {
		return implausible
	}
	for code, status := range codes {
		if !counts.status(code, status.Count) {
			return implausible
		}
	}
	known := requests.Total + errors
	if !counts.got(0, requests.Sent-min(requests.Sent, known)) {
		return implausible
	}
	counts.note(load.Timeout, timeouts)
	counts.note(load.Other, errors-min(errors, timeouts))
	return found
}
