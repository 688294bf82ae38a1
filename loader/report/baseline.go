package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"leaklab/loader/lab"
	"leaklab/loader/verdict"
)

// Baseline is the server that a run compares with, in run.json.
type Baseline struct {
	Command    string      `json:"command"`
	Verdict    Verdict     `json:"verdict"`
	Difference Difference  `json:"difference"`
	Iterations []Iteration `json:"iterations"` // as in baseline.csv
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
}

func newDifference(c verdict.Comparison) Difference {
	return Difference{
		Change: c.Change, Estimated: c.Estimated, BytesPerRequest: c.Difference, LowerBytesPerRequest: c.Lower, UpperBytesPerRequest: c.Upper,
		JudgedFirst: c.Judged.First, JudgedLast: c.Judged.Last, Sentence: c.Sentence,
	}
}

// headline says the difference in a few words: "worse, 62.1 bytes/request more than the baseline (60.2 to 64.0, 95%)".
func (d Difference) headline() string {
	if !d.Estimated {
		return string(d.Change)
	}
	more, low, high := "more", d.LowerBytesPerRequest, d.UpperBytesPerRequest
	if d.BytesPerRequest < 0 {
		more, low, high = "less", -high, -low
	}
	return fmt.Sprintf("%s, %.1f bytes/request %s than the baseline (%.1f to %.1f, 95%%)", d.Change, math.Abs(d.BytesPerRequest), more, low, high)
}

// check returns the first thing that cannot be.
func (b *Baseline) check() error {
	switch d := b.Difference; {
	case d.Change != verdict.Fixed && d.Change != verdict.Better && d.Change != verdict.Same && d.Change != verdict.Worse && d.Change != verdict.CannotTell:
		return fmt.Errorf("baseline.difference.change is %q; expected %q, %q, %q, %q or %q", d.Change,
			verdict.Fixed, verdict.Better, verdict.Same, verdict.Worse, verdict.CannotTell)
	case d.LowerBytesPerRequest > d.UpperBytesPerRequest:
		return fmt.Errorf("baseline.difference.lower_bytes_per_request is %g, above upper_bytes_per_request, %g", d.LowerBytesPerRequest, d.UpperBytesPerRequest)
	}
	return checkIterations("baseline.iterations", b.Iterations)
}

// of returns the baseline's iteration of the same number; false if there is none.
func (b *Baseline) of(i Iteration) (Iteration, bool) {
	if b == nil {
		return Iteration{}, false
	}
	n, found := slices.BinarySearchFunc(b.Iterations, i.Iteration, func(other Iteration, number int) int { return other.Iteration - number })
	if !found {
		return Iteration{}, false
	}
	return b.Iterations[n], true
}

// BaselineEnd is the baseline's end reading of the same iteration, in KiB; empty if there is none.
func (r Run) BaselineEnd(i Iteration) string {
	other, found := r.Baseline.of(i)
	if !found {
		return ""
	}
	return strconv.FormatInt(other.RSSEndBytes/kibibyte, 10)
}

// comparing is a Record's observer of the baseline.
type comparing struct{ *Record }

// Compare returns an observer of the iterations of a baseline, which is started by command and whose samples course
// returns. judged compares the iterations so far. They are in the report from then on.
func (r *Record) Compare(command string, course func() []Point, judged func() verdict.Comparison) lab.Observer {
	r.run.Baseline = &Baseline{Command: command, Iterations: []Iteration{}}
	r.compared, r.baselineCourse = judged, course
	return comparing{r}
}

// IterationEnded writes the report with the baseline's iteration. It has to be compared before.
func (c comparing) IterationEnded(i lab.Iteration) error {
	c.run.Baseline.Iterations = append(c.run.Baseline.Iterations, newIteration(i))
	return c.keep()
}
