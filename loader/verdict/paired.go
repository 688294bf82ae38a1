package verdict

import (
	"fmt"
	"math"
)

// Judged is iterations with their verdict by Judge.
type Judged struct {
	Iterations []Iteration
	Verdict    Verdict
}

// ComparePaired compares two servers that were loaded alternately with equal requests, so that iteration n of both is a
// pair. The suspect is judged against the baseline by the differences of the pairs' end readings, where common drift
// cancels. The slope of the differences over the cumulative requests is estimated like the growth of a single server,
// and may have a narrower interval than that of Compare. The pairs are judged from where both servers have warmed up,
// after the last restart of either.
//
// Live memory has no drift that could cancel. Where it is known of both, each is judged apart, and the difference is that of
// Compare.
func ComparePaired(baseline, suspect Judged, options Options) Comparison {
	c := Comparison{Old: baseline.Verdict, New: suspect.Verdict, Change: CannotTell, Of: Held}
	if !c.Old.Estimated || !c.New.Estimated {
		c.Sentence = fmt.Sprintf("Cannot tell: each of the two needs %d iterations with requests in them, after its last restart.", minIterations)
		return c
	}
	inPairs := words{old: "the baseline", new: "the suspect", it: "the suspect", longer: "Take more iterations, or more requests in each."}
	pairs := min(len(baseline.Iterations), len(suspect.Iterations)) // one of the two may be ahead by one
	old, oldLive := c.Old.KnownGrowth(Live)
	now, nowLive := c.New.KnownGrowth(Live)
	if oldLive && nowLive {
		c.Estimated, c.Judged = true, Range{First: max(old.Judged.First, now.Judged.First), Last: pairs}
		c.between(newFindings(baseline.Iterations, options, c.Old.Confidence), newFindings(suspect.Iterations, options, c.New.Confidence), options, inPairs)
		return c
	}
	first := max(c.Old.GrowthOf(Held).Judged.First, c.New.GrowthOf(Held).Judged.First) // the reading before it is the last of the longer warm-up
	judged := differenceCurve(baseline.Iterations[:pairs], suspect.Iterations[:pairs]).from(first - 2)
	growth, _, ok := regress(noiseModels, judged, judged.since())
	if !ok {
		c.Sentence = "Cannot tell: the iterations after the warm-up have too few requests to judge."
		return c
	}
	c.Estimated, c.Judged = true, Range{First: first, Last: pairs}
	floor := math.Sqrt2 * floorBytes / judged.span() // each of the two readings may be wrong by it
	c.Difference = growth.quantile(0.5)
	c.Lower = min(growth.quantile((1-confidence)/2), c.Difference-floor)
	c.Upper = max(growth.quantile((1+confidence)/2), c.Difference+floor)
	if !c.compareWorkers() {
		return c
	}
	c.decide(options)
	c.explain(options, inPairs)
	return c
}

// differenceCurve is the suspect's end readings minus the baseline's, over the requests to each of them. An isolated
// outlier is replaced as in the readings of one server. The last two stay: a rise or a fall there may be a step of
// either server.
func differenceCurve(baseline, suspect []Iteration) curve {
	c := apart(suspect)
	for i, level := range apart(baseline).bytes {
		c.bytes[i] -= level
	}
	cleaned := withoutOutliers(c)
	last := max(0, len(c.bytes)-2)
	copy(cleaned.bytes[last:], c.bytes[last:])
	return cleaned
}
