package external

import (
	"encoding/json"
	"regexp"
)

var (
	fortioCode   = regexp.MustCompile(`(?m)^Code +(-?\d+) : (\d+) \(`)
	fortioWarmUp = regexp.MustCompile(`(?m)^All done \d+ calls \(plus (\d+) warmup\)`)
)

// readFortio parses the summary of fortio. A code that is not positive is a request without a response.
func readFortio(output string, counts *Counts) outcome {
	if warmedUp := counts.answeredEach(fortioWarmUp, output); warmedUp != found {
		return warmedUp
	}
	for _, match := range fortioCode.FindAllStringSubmatch(output, -1) {
		n, ok := number(match[2])
		if !ok || !counts.status(match[1], n) {
			return implausible
		}
	}
	return found
}

// fortioObject reads what fortio -json prints. Its warm-up is not in there: a request of each thread, unless the number
// of requests was given.
func fortioObject(object map[string]json.RawMessage, counts *Counts) outcome {
	if !has(object, "RetCodes", "NumThreads", "Exactly") {
		return absent
	}
	var threads, exactly uint64
	if json.Unmarshal(object["NumThreads"], &threads) != nil || json.Unmarshal(object["Exactly"], &exactly) != nil {
		return implausible
	}
	if exactly > 0 {
		threads = 0
	}
	if !counts.got(0, threads) {
		return implausible
	}
	return counts.statuses(object["RetCodes"])
}
