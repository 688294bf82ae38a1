package external

import (
	"encoding/json"
	"regexp"
	"strings"

	"leaklab/loader/load"
)

var (
	k6Requests = regexp.MustCompile(`(?m)^ *(?:[✓✗] )?http_reqs\.*: (\d+) +[0-9.]+/s`)
	k6Failed   = regexp.MustCompile(`(?m)^ *(?:[✓✗] )?http_req_failed\.*: [0-9.]+% +(?:(\d+) out of \d+|✓ *(\d+) +✗ *\d+)`)
	k6Part     = regexp.MustCompile(`(?m)^  █ (TOTAL RESULTS|THRESHOLDS|SCENARIO: |GROUP: )`)
)

// readK6 parses the summary of k6. Its count includes requests without a response, and redirects that were followed.
func readK6(output string, counts *Counts) outcome {
	output = k6Totals(output)
	counts.noteEach(k6Failed, output, load.Other, load.Other) // one of the two is empty
	return counts.answeredEach(k6Requests, output)
}

// k6Totals leaves out the parts on scenarios and groups of --summary-mode=full, whose requests are in the totals too.
func k6Totals(output string) string {
	var totals strings.Builder
	kept, from := true, 0
	for _, part := range k6Part.FindAllStringSubmatchIndex(output, -1) {
		if kept {
			totals.WriteString(output[from:part[0]])
		}
		name := output[part[2]:part[3]]
		kept, from = name == "TOTAL RESULTS" || name == "THRESHOLDS", part[0]
	}
	if kept {
		totals.WriteString(output[from:])
	}
	return totals.String()
}

// k6Metric is a metric in the JSON of --summary-export, or, in Values, in that of handleSummary.
type k6Metric struct {
	Count, Passes uint64
	Values        struct{ Count, Passes uint64 }
}

// k6Object reads a summary of k6 as JSON.
func k6Object(object map[string]json.RawMessage, counts *Counts) outcome {
	var metrics struct {
		Requests *k6Metric `json:"http_reqs"`
		Failed   k6Metric  `json:"http_req_failed"`
	}
	if !has(object, "metrics") || json.Unmarshal(object["metrics"], &metrics) != nil || metrics.Requests == nil {
		return absent
	}
	if !counts.got(0, max(metrics.Requests.Count, metrics.Requests.Values.Count)) {
		return implausible
	}
	counts.note(load.Other, max(metrics.Failed.Passes, metrics.Failed.Values.Passes))
	return found
}
