package terminal

import (
	"encoding/json"
	"io"

	"leaklab/loader/record"
	"leaklab/loader/verdict"
)

// outcome is what --json prints of a run. Names and figures are those of run.json.
type outcome struct {
	Shape      string             `json:"shape,omitempty"` // of load
	State      record.State       `json:"state,omitempty"`
	Reason     string             `json:"reason,omitempty"`
	Results    string             `json:"results,omitempty"` // the folder of the run
	Iterations int                `json:"iterations"`
	Verdict    record.Verdict     `json:"verdict"`
	Growing    *record.Sites      `json:"growing_sites,omitempty"` // sites of run.json
	Sites      []record.CallSite  `json:"sites,omitempty"`         // those of the server's own profiles
	Remarks    []string           `json:"remarks,omitempty"`
	Difference *record.Difference `json:"difference,omitempty"` // from the baseline
}

// WriteJSON writes the outcome of a run as one JSON object in a line by itself, so that several shapes make JSON lines.
// results is the folder of the run; it, the state and the shape are left out where they are empty.
func WriteJSON(out io.Writer, run record.Run, results string) error {
	o := outcome{
		State: run.State, Reason: run.Reason, Results: results, Iterations: len(run.Iterations), Verdict: run.Verdict, Growing: run.Sites, Remarks: run.Remarks,
	}
	for _, s := range run.Settings {
		if s.Name == "SHAPE" {
			o.Shape = s.Value
		}
	}
	if run.Profiles != nil {
		o.Sites = run.Profiles.Sites
	}
	if run.Baseline != nil {
		o.Difference = &run.Baseline.Difference
	}
	return writeLine(out, o)
}

// WriteComparisonJSON writes how two runs differ as one JSON object in a line by itself: d, and the verdicts of c.
// tolerance is in bytes per request.
func WriteComparisonJSON(out io.Writer, d record.Difference, c verdict.Comparison, tolerance float64) error {
	return writeLine(out, struct {
		Difference record.Difference `json:"difference"`
		Old        record.Verdict    `json:"old"`
		New        record.Verdict    `json:"new"`
	}{d, record.NewVerdict(c.Old, tolerance), record.NewVerdict(c.New, tolerance)})
}

func writeLine(out io.Writer, value any) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}
