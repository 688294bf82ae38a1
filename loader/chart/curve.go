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

// NewCurve returns the curve of iterations and of the verdict on them.
func NewCurve(name string, iterations []verdict.Iteration, v verdict.Verdict) Curve {
	c := Curve{Label: name}
	var judged []reading
	var at []float64
	requests := 0.0
	for n, i := range iterations {
		requests += float64(i.Requests)
		c.Ends = append(c.Ends, Position{requests, float64(i.EndBytes) / text.Mebibyte})
		if v.Estimated && n+1 >= v.Judged.First-1 && n+1 <= v.Judged.Last {
			judged = append(judged, reading{requests, float64(i.EndBytes)})
			at = append(at, requests)
		}
	}
	if v.Estimated {
		c.Label += fmt.Sprintf(", growth of %.1f bytes/request (%.1f to %.1f, %s) shaded", v.Growth, v.Lower, v.Upper, text.Percent(v.Confidence))
		c.Fit = fitThrough(judged, at, v.Growth, v.Lower, v.Upper)
	}
	return c
}
