package chart

import (
	"fmt"

	"leaklab/loader/text"
	"leaklab/loader/verdict"
)

// Curve is a run as one of several in a chart: its end readings, in MiB, over the requests so far. They are of the memory
// that its verdict rests on.
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
		bytes, known := endOf(i, v.Of)
		if !known {
			continue
		}
		c.Ends = append(c.Ends, Position{requests, bytes / text.Mebibyte})
		if v.Estimated && n+1 >= v.Judged.First-1 && n+1 <= v.Judged.Last {
			judged = append(judged, reading{requests, bytes})
			at = append(at, requests)
		}
	}
	if v.Estimated {
		c.Label += fmt.Sprintf(", growth of %.1f bytes/request (%.1f to %.1f, %s) shaded", v.Growth, v.Lower, v.Upper, text.Percent(v.Confidence))
		c.Fit = fitThrough(judged, at, v.Growth, v.Lower, v.Upper)
	}
	return c
}

// endOf is an end reading of live memory or memory outside the heap, or else of what the server held, in bytes.
func endOf(i verdict.Iteration, part verdict.Part) (bytes float64, known bool) {
	if part == verdict.Live || part == verdict.Outside {
		read, known := i.Parts[part]
		return float64(read), known
	}
	return float64(i.EndBytes) + float64(i.Parts[verdict.Swapped]) - float64(i.Parts[verdict.LazyFree]), true
}

// Memory is the name of what all curves show, given the verdicts on them: the same of all, or else memory.
func Memory(all ...verdict.Verdict) string {
	name := ""
	for _, v := range all {
		of := string(v.Of)
		if of == "" {
			of = string(verdict.Resident)
		}
		if name != "" && name != of {
			return "memory"
		}
		name = of
	}
	return name
}
