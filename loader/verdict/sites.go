package verdict

import (
	"cmp"
	"slices"
)

const (
	// FalseDiscoveryRate is the expected share of false discoveries among the sites that are listed.
	FalseDiscoveryRate = 0.05
	// MostSites is how many sites are listed at most.
	MostSites = 10
	// LeastSiteShare is the least growth of a site that is listed, as a share of that of live memory.
	LeastSiteShare = 0.01
	// mostTested is how many sites are tested, those that gained most. The others count as tested without a result.
	mostTested = 256
	// siteLinear is the log likelihood ratio of a line over curves that level off that a site must not be below in fewer than
	// twelve readings, where chance alone makes large ones; with more it is that of live memory.
	siteLinear = -clearlyLinear
)

// SiteReadings is what a site held at the end of each iteration, in the order of the iterations: bytes and objects. Both are
// 0 in an iteration in which the site was not there.
type SiteReadings struct {
	Bytes, Objects []int64
}

// Interval is an estimate and its interval.
type Interval struct {
	Estimate, Lower, Upper float64
}

// SiteGrowth is a site that surely grows, and goes on to.
type SiteGrowth struct {
	Site  int      // its place among the sites that were given
	Bytes Interval // per request
	// Objects is their growth per request; nil if they are not known.
	Objects *Interval
}

// SitesVerdict is the growth of live memory by site.
type SitesVerdict struct {
	// Live is the growth of live memory in bytes per request. It and all below are zero if that is not known.
	Live Interval
	// Grows is true if live memory surely grows by more than the tolerance, whether that goes on or not.
	Grows      bool
	Judged     Range
	Confidence float64 // of the intervals, see Verdict
	LookedAt   int     // sites
	// Sites are those that surely grow, the largest first, at most MostSites.
	Sites []SiteGrowth
}

// JudgeSites judges the growth of sites. lookedAt is how many there were, if that is more than are given: those without
// readings are none that grew. The options are those of Judge, and so are iterations, restarts and warm-up.
//
// Each site has a slope as live memory has, after the same warm-up, with a one-sided p-value: the posterior probability that
// it does not grow. A gain within the floor of live memory has a p-value of 1. Many sites are looked at, so the p-values
// are compared by the step-up procedure of Benjamini and Hochberg ("Controlling the false discovery rate: a practical and
// powerful approach to multiple testing", 1995). It controls the expected share of false discoveries, also of sites that
// move together (Benjamini and Yekutieli, "The control of the false discovery rate in multiple testing under dependency",
// 2001). Of the discoveries, those are listed whose growth goes on, and that are at least 1% of the growth of live memory.
// Where live memory is not shown to grow by more than the tolerance, as if it is noisy, a site has to do so instead. None is
// listed where live memory is shown to grow by less than the tolerance.
func JudgeSites(iterations []Iteration, sites []SiteReadings, lookedAt int, options Options) SitesVerdict {
	confidence := confidenceOf(options.MaxIterations)
	from, _ := liveSince(iterations, restart(iterations))
	if from == len(iterations) {
		return SitesVerdict{}
	}
	parts := newSplit(iterations[from:])
	if !parts.known {
		return SitesVerdict{}
	}
	live := newLiveEvidence(parts.live, confidence)
	if !live.known {
		return SitesVerdict{}
	}
	v := SitesVerdict{
		Live: Interval{Estimate: live.growth.quantile(0.5), Lower: live.lower, Upper: live.upper}, Judged: live.span(from), Confidence: confidence,
		LookedAt: max(lookedAt, len(sites)), Grows: live.lower > options.Tolerance,
	}
	if live.upper < options.Tolerance {
		return v
	}
	least := LeastSiteShare * v.Live.Estimate // growth
	if !v.Grows {
		least = options.Tolerance
	}
	judge := siteJudge{requests: parts.live.requests, from: from, warmUp: live.warmUp, floor: live.judged.floor, confidence: confidence, leaks: live.leaks(options.Tolerance)}
	for _, tested := range discoveries(judge.test(sites, least/2), v.LookedAt) {
		growth, ok := judge.growth(tested, sites[tested.site])
		if ok && growth.Bytes.Estimate >= least && (v.Grows || growth.Bytes.Lower > least) {
			v.Sites = append(v.Sites, growth)
		}
		if len(v.Sites) == MostSites {
			break
		}
	}
	return v
}

// siteJudge judges sites in the iterations in which live memory is judged.
type siteJudge struct {
	requests   []float64 // cumulative, of the iterations since the last restart
	from       int       // iterations before these
	warmUp     int       // of them
	floor      float64   // of live memory, in bytes
	confidence float64
	leaks      bool // live memory does
}

// testedSite is a site whose growth was tested.
type testedSite struct {
	site   int
	curve  curve
	growth Interval // bytes per request
	p      float64  // that it does not grow
}

// curve is that of the readings since the last restart.
func (j siteJudge) curve(readings []int64, s scale) curve {
	since := readings[j.from:]
	c := curve{requests: j.requests, bytes: make([]float64, len(since)), scale: s}
	for i, reading := range since {
		c.bytes[i] = float64(reading - since[0])
	}
	return c
}

// gained is by how much the readings after the warm-up grew.
func (j siteJudge) gained(readings []int64) float64 {
	return float64(readings[len(readings)-1] - readings[j.from+j.warmUp-1])
}

// grow is the growth of a curve after the warm-up, with its interval, and the probability that it does not grow. Interval
// and probability are the more careful ones of those that all noise models give together, and of a random walk alone: of
// thousands of random walks a few look like a line with little noise. Only the former are without outliers, as a random walk
// without its largest steps would seem to move by less.
func (j siteJudge) grow(c curve) (growth Interval, p float64, ok bool) {
	judged := withoutOutliers(c).from(j.warmUp - 1)
	raw := c.from(j.warmUp - 1)
	all, _, okAll := regress(noiseModels, judged, judged.since())
	walk, _, okWalk := regress(noiseModels[len(noiseModels)-1:], raw, raw.since())
	if !okAll || !okWalk {
		return growth, 1, false
	}
	growth.Estimate = all.quantile(0.5)
	growth.Lower, growth.Upper = judged.interval(all, j.confidence)
	tail := (1 - j.confidence) / 2
	growth.Lower, growth.Upper = min(growth.Lower, walk.quantile(tail)), max(growth.Upper, walk.quantile(1-tail))
	return growth, max(all.below(0), walk.below(0)), true
}

// test tests the sites that gained most, at least by least, in bytes per request.
func (j siteJudge) test(sites []SiteReadings, least float64) []testedSite {
	span := j.requests[len(j.requests)-1] - j.requests[j.warmUp-1]
	gained := func(site int) float64 { return j.gained(sites[site].Bytes) }
	var candidates []int
	for n := range sites {
		if gain := gained(n); gain > j.floor && gain > least*span {
			candidates = append(candidates, n)
		}
	}
	slices.SortStableFunc(candidates, func(a, b int) int { return cmp.Compare(gained(b), gained(a)) })
	var tested []testedSite
	for _, site := range candidates[:min(len(candidates), mostTested)] {
		t := testedSite{site: site, curve: j.curve(sites[site].Bytes, scale{floor: j.floor, grain: liveGrain, least: liveFloorBytes, doubles: true})}
		var ok bool
		if t.growth, t.p, ok = j.grow(t.curve); !ok {
			continue
		}
		if t.growth.Estimate*span <= j.floor {
			t.p = 1
		}
		tested = append(tested, t)
	}
	return tested
}

// discoveries are the sites that surely grow, the largest first, by the procedure of Benjamini and Hochberg among lookedAt
// sites.
func discoveries(tested []testedSite, lookedAt int) []testedSite {
	slices.SortStableFunc(tested, func(a, b testedSite) int { return cmp.Compare(a.p, b.p) })
	discovered := 0
	for n, t := range tested {
		if t.p <= float64(n+1)*FalseDiscoveryRate/float64(lookedAt) {
			discovered = n + 1
		}
	}
	found := tested[:discovered]
	slices.SortStableFunc(found, func(a, b testedSite) int { return cmp.Compare(b.growth.Estimate, a.growth.Estimate) })
	return found
}

// growth is that of a site which surely grows; false if it does not go on.
func (j siteJudge) growth(t testedSite, readings SiteReadings) (SiteGrowth, bool) {
	g := SiteGrowth{Site: t.site, Bytes: t.growth}
	c := withoutOutliers(t.curve)
	judged := c.from(j.warmUp - 1)
	halves, ok := newHalves(c, j.warmUp)
	if !ok || t.growth.Lower <= 0 || !j.goesOn(halves, len(judged.bytes)) || (evidence{judged: judged}).isLittle() {
		return g, false
	}
	if objects := readings.Objects; len(objects) > 0 && objects[len(objects)-1] > 0 {
		floor := max(1, j.floor*j.gained(objects)/j.gained(readings.Bytes))
		if growth, _, ok := j.grow(j.curve(objects, scale{floor: floor, grain: 1})); ok {
			g.Objects = &growth
		}
	}
	return g, true
}

// goesOn reports if the growth of a site goes on: it neither slows down, nor levels off, nor has it stopped, as far as that
// many readings show. In few readings, and after a warm-up, live memory must show more. If it leaks, that holds for all sites
// together; otherwise each must show as much.
func (j siteJudge) goesOn(h halves, readings int) bool {
	if !j.leaks {
		return !h.slowing() && h.goesOn(0)
	}
	least := float64(siteLinear)
	if enough := linearEnough(readings, false); enough < 0 {
		least = enough
	}
	return !h.slows && !h.stopped && h.linear >= least && h.linearWithWarmUp >= -clearlyLevelling && h.lateLinear >= -clearlyLevelling && h.goesOn(0)
}
