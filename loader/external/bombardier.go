package external

import (
	"encoding/json"
	"regexp"

	"leaklab/loader/load"
)

var (
	bombardierCodes  = regexp.MustCompile(`(?m)^ +1xx - (\d+), 2xx - (\d+), 3xx - (\d+), 4xx - (\d+), 5xx - (\d+)\r?$`)
	bombardierOthers = regexp.MustCompile(`(?m)^ +others - (\d+)\r?$`)
)

// readBombardier parses the summary of bombardier. Its others are requests without a response.
func readBombardier(output string, counts *Counts) outcome {
	matches := bombardierCodes.FindAllStringSubmatch(output, -1)
	for _, match := range matches {
		for _, count := range match[1:] {
			if !counts.answered(0, count) {
				return implausible
			}
		}
		counts.noteFigure(load.Status4xx, match[4])
		counts.noteFigure(load.Status5xx, match[5])
	}
	counts.noteEach(bombardierOthers, output, load.Other)
	return is(len(matches) > 0)
}

// bombardierObject reads what bombardier -o json prints.
func bombardierObject(object map[string]json.RawMessage, counts *Counts) outcome {
	if !has(object, "spec", "result") {
		return absent
	}
	var result struct{ Req1xx, Req2xx, Req3xx, Req4xx, Req5xx, Others uint64 }
	if json.Unmarshal(object["result"], &result) != nil {
		return implausible
	}
	for _, n := range []uint64{result.Req1xx, result.Req2xx, result.Req3xx, result.Req4xx, result.Req5xx} {
		if !counts.got(0, n) {
			return implausible
		}
	}
	counts.note(load.Status4xx, result.Req4xx)
	counts.note(load.Status5xx, result.Req5xx)
	counts.note(load.Other, result.Others)
	return found
}
