package record

import (
	"fmt"

	"leaklab/loader/text"
	"leaklab/loader/verdict"
)

// Verdict is a verdict.Verdict as run.json has it. The figures are 0 if Estimated is false.
type Verdict struct {
	Kind                      verdict.Kind    `json:"kind"`
	Shape                     verdict.Pattern `json:"shape"`
	ToleranceBytesPerRequest  float64         `json:"tolerance_bytes_per_request"`
	Estimated                 bool            `json:"estimated"`
	GrowthBytesPerRequest     float64         `json:"growth_bytes_per_request"`
	LowerBytesPerRequest      float64         `json:"lower_bytes_per_request"`
	UpperBytesPerRequest      float64         `json:"upper_bytes_per_request"`
	Confidence                float64         `json:"confidence"`
	ResolutionBytesPerRequest float64         `json:"resolution_bytes_per_request"`
	WarmUpIterations          int             `json:"warm_up_iterations"`
	JudgedFirst               int             `json:"judged_first"` // iteration, counted from 1
	JudgedLast                int             `json:"judged_last"`
	JudgedRequests            uint64          `json:"judged_requests"`
	RestartedBefore           int             `json:"restarted_before,omitempty"` // iteration
	WorkersReplaced           int             `json:"workers_replaced,omitempty"` // in the judged iterations
	GivenBackBytes            float64         `json:"given_back_bytes"`
	Sentence                  string          `json:"sentence"`
	Advice                    string          `json:"advice,omitempty"`
	Statistic                 string          `json:"statistic"`
	// Of is what the verdict and its figures are on, such as "live memory"; empty if it is resident memory.
	Of verdict.Part `json:"of,omitempty"`
	// Ageing is how workers grow by their age, if some were replaced in the judged iterations; nil if that is not known.
	Ageing *Ageing `json:"ageing,omitempty"`
	// Growths are those of the parts of held memory: live, slack, outside and held, as far as they are known.
	Growths []PartGrowth `json:"growths,omitempty"`
}

// NewVerdict returns v as run.json has it; tolerance is in bytes per request.
func NewVerdict(v verdict.Verdict, tolerance float64) Verdict {
	of := v.Of
	if of == verdict.Resident {
		of = ""
	}
	return Verdict{
		Kind: v.Kind, Shape: v.Pattern, ToleranceBytesPerRequest: tolerance, Estimated: v.Estimated,
		GrowthBytesPerRequest: v.Growth, LowerBytesPerRequest: v.Lower, UpperBytesPerRequest: v.Upper,
		Confidence: v.Confidence, ResolutionBytesPerRequest: v.Resolution,
		WarmUpIterations: v.WarmUp, JudgedFirst: v.Judged.First, JudgedLast: v.Judged.Last, JudgedRequests: v.JudgedRequests,
		RestartedBefore: v.RestartedBefore, WorkersReplaced: v.Replaced, GivenBackBytes: v.GivenBack,
		Sentence: v.Sentence, Advice: v.Advice, Statistic: v.Statistic,
		Of: of, Growths: partGrowths(v.Growths), Ageing: newAgeing(v.Ageing),
	}
}

// Ageing is a verdict.Ageing as run.json has it.
type Ageing struct {
	GrowthBytesPerRequest float64 `json:"growth_bytes_per_request"`
	LowerBytesPerRequest  float64 `json:"lower_bytes_per_request"`
	UpperBytesPerRequest  float64 `json:"upper_bytes_per_request"`
	YoungBytesPerRequest  float64 `json:"young_bytes_per_request"` // in the first half of the age that is judged
	OldBytesPerRequest    float64 `json:"old_bytes_per_request"`   // in the second half
	Workers               int     `json:"workers"`                 // that are judged
	WarmUpRequests        float64 `json:"warm_up_requests"`        // of each worker
	JudgedRequests        float64 `json:"judged_requests"`         // of all workers
}

func newAgeing(a *verdict.Ageing) *Ageing {
	if a == nil {
		return nil
	}
	return &Ageing{
		GrowthBytesPerRequest: a.Growth, LowerBytesPerRequest: a.Lower, UpperBytesPerRequest: a.Upper,
		YoungBytesPerRequest: a.Young, OldBytesPerRequest: a.Old,
		Workers: a.Workers, WarmUpRequests: a.WarmUp, JudgedRequests: a.Requests,
	}
}

// Judges tells whether the growth was judged on the iteration.
func (v Verdict) Judges(i Iteration) bool {
	return v.Estimated && i.Iteration >= v.JudgedFirst && i.Iteration <= v.JudgedLast
}

// Headline is the verdict in a few words: "leak, 178.5 bytes/request (176.3 to 180.0, 95%)", and of what it is unless it is
// resident memory: "leak, live memory 104.0 bytes/request (103.9 to 104.1, 95%)".
func (v Verdict) Headline() string {
	of := ""
	if v.Of != "" {
		of = string(v.Of) + " "
	}
	switch {
	case !v.Estimated:
		return string(v.Kind)
	case v.Kind == verdict.NoLeak && v.UpperBytesPerRequest < 0:
		return fmt.Sprintf("%s, %sfalls by %.1f bytes/request (%.1f to %.1f, %s)", v.Kind, of, -v.GrowthBytesPerRequest,
			-v.UpperBytesPerRequest, -v.LowerBytesPerRequest, text.Percent(v.Confidence))
	case v.Kind == verdict.NoLeak:
		return fmt.Sprintf("%s, %sless than %.1f bytes/request (%s)", v.Kind, of, v.UpperBytesPerRequest, text.Percent(v.Confidence))
	default:
		return fmt.Sprintf("%s, %s%.1f bytes/request (%.1f to %.1f, %s)", v.Kind, of, v.GrowthBytesPerRequest,
			v.LowerBytesPerRequest, v.UpperBytesPerRequest, text.Percent(v.Confidence))
	}
}
