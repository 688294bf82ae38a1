package record

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"leaklab/loader/verdict"
)

// Baseline is the server that a run compares with, in run.json.
type Baseline struct {
	Command    string      `json:"command"`
	Verdict    Verdict     `json:"verdict"`
	Difference Difference  `json:"difference"`
	Sites      *Sites      `json:"sites,omitempty"` // nil as for the server
	Iterations []Iteration `json:"iterations"`      // as in baseline.csv
}

// Difference is the growth of the server less that of the baseline. The figures are 0 if Estimated is false.
type Difference struct {
	Change               verdict.Change `json:"change"`
	Estimated            bool           `json:"estimated"`
	BytesPerRequest      float64        `json:"bytes_per_request"`
	LowerBytesPerRequest float64        `json:"lower_bytes_per_request"` // of the 95% interval
	UpperBytesPerRequest float64        `json:"upper_bytes_per_request"`
	JudgedFirst          int            `json:"judged_first"` // iteration, counted from 1
	JudgedLast           int            `json:"judged_last"`
	Sentence             string         `json:"sentence"`
	// Sites are those that one of the two does not list, and those of both whose growth surely differs, more first.
	Sites []SiteChange `json:"sites,omitempty"`
	// SitesUnknown is why sites are not compared, in a clause, if those of one of the two are known.
	SitesUnknown string `json:"sites_unknown,omitempty"`
}

// NewDifference returns the figures of c as run.json has them.
func NewDifference(c verdict.Comparison) Difference {
	return Difference{
		Change: c.Change, Estimated: c.Estimated, BytesPerRequest: c.Difference, LowerBytesPerRequest: c.Lower, UpperBytesPerRequest: c.Upper,
		JudgedFirst: c.Judged.First, JudgedLast: c.Judged.Last, Sentence: c.Sentence,
	}
}

// Headline is the difference in a few words: "worse, 62.1 bytes/request more than the baseline (60.2 to 64.0, 95%)".
func (d Difference) Headline() string {
	if !d.Estimated {
		return string(d.Change)
	}
	more, low, high := "more", d.LowerBytesPerRequest, d.UpperBytesPerRequest
	if d.BytesPerRequest < 0 {
		more, low, high = "less", -high, -low
	}
	return fmt.Sprintf("%s, %.1f bytes/request %s than the baseline (%.1f to %.1f, 95%%)", d.Change, math.Abs(d.BytesPerRequest), more, low, high)
}

// check returns the first contradiction.
func (b *Baseline) check() error {
	switch d := b.Difference; {
	case d.Change != verdict.Fixed && d.Change != verdict.Better && d.Change != verdict.Same && d.Change != verdict.Worse && d.Change != verdict.CannotTell:
		return fmt.Errorf("baseline.difference.change is %q; expected %q, %q, %q, %q or %q", d.Change,
			verdict.Fixed, verdict.Better, verdict.Same, verdict.Worse, verdict.CannotTell)
	case d.LowerBytesPerRequest > d.UpperBytesPerRequest:
		return fmt.Errorf("baseline.difference.lower_bytes_per_request is %g, above upper_bytes_per_request, %g", d.LowerBytesPerRequest, d.UpperBytesPerRequest)
	}
	return errors.Join(checkIterations("baseline.iterations", b.Iterations), b.Sites.check())
}

// Run is the baseline as a run.
func (b *Baseline) Run() Run {
	return Run{Verdict: b.Verdict, Sites: b.Sites, Iterations: b.Iterations}
}

// Of returns the baseline's iteration of the same number; false if there is none, or no baseline.
func (b *Baseline) Of(i Iteration) (Iteration, bool) {
	if b == nil {
		return Iteration{}, false
	}
	n, found := slices.BinarySearchFunc(b.Iterations, i.Iteration, func(other Iteration, number int) int { return other.Iteration - number })
	if !found {
		return Iteration{}, false
	}
	return b.Iterations[n], true
}
