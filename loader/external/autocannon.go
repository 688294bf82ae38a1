package external

import (
	"encoding/json"
	"regexp"

	"leaklab/loader/load"
)

var (
	autocannonRequests = regexp.MustCompile(`(?m)^(\d+) requests in [0-9.]+s, .* read\r?(?:\n(\d+) errors \((\d+) timeouts\)\r?)?$`)
	autocannonRounded  = regexp.MustCompile(`(?m)^[0-9.]+[kMGT] requests in [0-9.]+s, .* read\r?$`)
)

// mostAutocannon bounds the connections, and the requests at a time on each of them, so that their product is a count.
const mostAutocannon = 1 << 20

// readAutocannon parses the last lines of autocannon's table. It rounds a thousand requests or more.
func readAutocannon(output string, counts *Counts) outcome {
	if autocannonRounded.MatchString(output) {
		counts.Partial = true
		counts.say("autocannon's table rounds the number of requests; with its option -j it prints it exactly.")
		return absent
	}
	matches := autocannonRequests.FindAllStringSubmatch(output, -1)
	for _, match := range matches {
		sent, ok := number(match[1])
		errors, _ := number(match[2])
		timeouts, _ := number(match[3])
		if !ok || !counts.got(0, sent-min(sent, errors)) {
			return implausible
		}
		counts.noteAutocannon(errors, timeouts)
	}
	return is(len(matches) > 0)
}

// autocannonObject reads what autocannon -j prints: one object for its warm-up, if it has one, and one for the load.
// What was sent and neither answered nor failed was in flight at the end, or on a connection that the server ended. With a
// rate, autocannon also counts as sent what it never sent. So no more are counted than can have been in flight.
func autocannonObject(object map[string]json.RawMessage, counts *Counts) outcome {
	if !has(object, "statusCodeStats", "requests", "errors", "timeouts") {
		return absent
	}
	var codes map[string]struct{ Count uint64 }
	var requests struct{ Total, Sent uint64 }
	var errors, timeouts, connections, pipelining uint64
	for key, value := range map[string]any{
		"statusCodeStats": &codes, "requests": &requests, "errors": &errors, "timeouts": &timeouts,
		"connections": &connections, "pipelining": &pipelining,
	} {
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
	unanswered := requests.Sent - min(requests.Sent, requests.Total+errors)
	if inFlight := min(connections, mostAutocannon) * min(pipelining, mostAutocannon); unanswered > inFlight {
		unanswered = inFlight
		counts.Partial = true
		counts.say("autocannon does not tell how many requests without a response it has sent.")
	}
	if requests.Total == 0 && errors == 0 {
		counts.note(load.Reset, unanswered)
	} else if !counts.got(0, unanswered) {
		return implausible
	}
	counts.noteAutocannon(errors, timeouts)
	return found
}

// noteAutocannon counts errors, of which some are timeouts.
func (c *Counts) noteAutocannon(errors, timeouts uint64) {
	c.note(load.Timeout, timeouts)
	c.note(load.Other, errors-min(errors, timeouts))
}
