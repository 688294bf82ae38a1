package exporter

import (
	"math"

	"github.com/prometheus/client_golang/prometheus"

	"leaklab/loader/lab"
	"leaklab/loader/verdict"
)

// live collects a gauge of each iteration whose live memory is known, unless it is negative, which stands for unknown.
func live(of func(*lab.Live) float64) collect {
	return func(s *snapshot, desc *prometheus.Desc, out chan<- prometheus.Metric) {
		for _, i := range s.iterations {
			if i.Live == nil {
				continue
			}
			if v := of(i.Live); v >= 0 {
				gauge(out, desc, v, s.label(i.Number))
			}
		}
	}
}

// growthParts are the parts whose growth is shown. Held memory is the sum of those before. The memory of a worker is one
// if the verdict rests on it.
var growthParts = []verdict.Part{verdict.Live, verdict.Slack, verdict.Outside, verdict.Held, verdict.Workers}

// growthOf is the growth of a part, in bytes per request; NaN if it is unknown, rather than nothing: Prometheus would go
// on with the value of the run before.
func growthOf(v verdict.Verdict, part verdict.Part) verdict.PartGrowth {
	if v.Estimated && part == v.Of.Judged() {
		return verdict.PartGrowth{Growth: v.Growth, Lower: v.Lower, Upper: v.Upper}
	}
	if g, known := v.KnownGrowth(part); known && v.Estimated {
		return g
	}
	return verdict.PartGrowth{Growth: math.NaN(), Lower: math.NaN(), Upper: math.NaN()}
}

func collectGrowth(s *snapshot, desc *prometheus.Desc, out chan<- prometheus.Metric) {
	for _, part := range growthParts {
		bounds(growthOf(s.verdict, part), desc, out, part.Label())
	}
}

// bounds sends a growth with the ends of its interval.
func bounds(g verdict.PartGrowth, desc *prometheus.Desc, out chan<- prometheus.Metric, part string) {
	gauge(out, desc, g.Growth, part, "estimate")
	gauge(out, desc, g.Lower, part, "lower")
	gauge(out, desc, g.Upper, part, "upper")
}

// collectJudged sends 1 for the part that the verdict rests on, and 0 for the others.
func collectJudged(s *snapshot, desc *prometheus.Desc, out chan<- prometheus.Metric) {
	for _, part := range growthParts {
		gauge(out, desc, one(part == s.verdict.Of.Judged()), part.Label())
	}
}
