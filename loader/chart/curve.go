package chart

import (
	"fmt"

	"leaklab/loader/text"
	"leaklab/loader/verdict"
)

// Curve is a run as one of several in a chart: its end readings, in MiB, over the requests so far.
type Curve struct {
	Label string
	Ends  []Position
	Fit   []Fitted // by the requests; empty if no growth was estimated
}

// NewCurve returns the curve of iterations and of the verdict on them: of live memory, memory outside the heap, or else
// of all that the server held.
func NewCurve(name string, iterations []verdict.Iteration, v verdict.Verdict, of verdict.Part) Curve {
	c := Curve{Label: name}
	g := v.GrowthOf(of)
	var judged []reading
	var at []float64
	requests := 0.0
	for n, i := range iterations {
		requests += float64(i.Requests)
		bytes, known := endOf(i, of)
		if !known {
			continue
		}
		c.Ends = append(c.Ends, Position{requests, bytes / text.Mebibyte})
		if v.Estimated && n+1 >= g.Judged.First-1 && n+1 <= g.Judged.Last {
			judged = append(judged, reading{requests, bytes})
			at = append(at, requests)
		}
	}
	if v.Estimated {
		c.Label += fmt.Sprintf(", growth of %.1f bytes/request (%.1f to %.1f, %s) shaded", g.Growth, g.Lower, g.Upper, text.Percent(v.Confidence))
		c.Fit = fitThrough(judged, at, g.Growth, g.Lower, g.Upper)
	}
	return c
}

// endOf is an end reading of live memory or memory outside the heap, or else of what the server held, in bytes.
func endOf(i verdict.Iteration, part verdict.Part) (bytes float64, known bool) {
	if part != verdict.Live && part != verdict.Outside {
		part = verdict.Held
	}
	return i.EndOf(part)
}
