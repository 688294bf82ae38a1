package verdict

import (
	"slices"

	"gonum.org/v1/gonum/floats"
)

const (
	// outsideBytes and outsideShare are the growth outside the heap over the judged range, in bytes and as a share of
	// what is outside at first, that must be ruled out for no leak. Less is lost among the pages that an allocator keeps.
	outsideBytes = 4 << 20
	outsideShare = 0.05
	// outsideLittle is a gain over the judged range, in bytes, that is not shown to be growth: V8, allocators and stacks of
	// threads move by about as much for minutes.
	outsideLittle = 1 << 20
	// outsideLeakShare is the least gain that is called a leak, as a share of what is outside at first: compilers of a JVM take
	// about as much in steps for as long as it warms up.
	outsideLeakShare = 0.2
	// outsideTolerances is the same as a multiple of the tolerance.
	outsideTolerances = 5
	// clearlyLinear is the log likelihood ratio (20 to 1) that a line needs over a logarithm
	// and a square root, for growth outside the heap to be a leak.
	clearlyLinear = 3
	// quietChance is the least posterior probability that there is no growth at all, for growth that is not shown.
	quietChance = 0.1
	// outsideWarmUp is the share of the iterations that may be warm-up outside the heap, though a cut after them does not
	// make the growth of the rest clearer.
	outsideWarmUp = 0.4
)

// quietness is how memory outside the heap is shown to be quiet.
type quietness int

const (
	notQuiet quietness = iota
	quietThroughout
	quietLater   // after a longer warm-up
	quietBetween // between steps after that
)

// outsideEvidence is the evidence on memory outside the heap. It is as noisy as resident memory, and warms up for long:
// compiled code, stacks and arenas of the allocator. The command simulate prints how often it is misjudged.
type outsideEvidence struct {
	evidence
	bound float64 // growth that must be ruled out for no leak, in bytes per request
	least float64 // gain that can be a leak, in bytes
	// late is the growth after a longer warm-up, lateUpper the end of its interval, and lateFrom the end reading, counted
	// from 0, from which on it is judged; 0 if too few come after it.
	late      posterior
	lateUpper float64
	lateFrom  int
	lateFloor float64 // bytes per request
	// between is the growth between steps in bytes per request: the second largest of the gains after the longer warm-up.
	// Compilers and allocators take memory in steps of many megabytes, which widen the interval for long. level is true if
	// all gains but the largest add up to no more than the tolerance. rising is how many of these gains are above the
	// tolerance, gains how many there are.
	between       float64
	level         bool
	rising, gains int
}

// newOutsideEvidence returns the evidence of the curve of memory outside the heap. level is how large it was at first, in bytes.
func newOutsideEvidence(c curve, level, tolerance, confidence float64) outsideEvidence {
	e := outsideEvidence{evidence: newEvidence(c, 0, confidence, true), least: max(outsideLittle, outsideLeakShare*level)}
	if !e.known {
		return e
	}
	e.bound = max(outsideTolerances*tolerance, max(outsideBytes, outsideShare*level)/e.judged.span())
	from := int(outsideWarmUp * float64(len(c.bytes))) // point after which it is judged
	if from < e.warmUp || len(c.bytes)-from < minIterations {
		return e
	}
	rest := withoutOutliers(c).from(from)
	if late, _, ok := regress(noiseModels, rest, rest.since()); ok {
		e.late, e.lateFrom, e.lateFloor = late, from, rest.floor/rest.span()
		_, e.lateUpper = rest.interval(late, confidence)
		gains := rest.gains()
		perIteration := rest.span() / float64(len(gains))
		for _, gain := range gains {
			if gain > tolerance*perIteration {
				e.rising++
			}
		}
		slices.Sort(gains)
		e.between, e.gains = gains[len(gains)-2]/perIteration, len(gains)
		e.level = floats.Sum(gains[:len(gains)-1]) <= tolerance*rest.span()
	}
	return e
}

// leaks is as that of other evidence, but that growth must be clearly linear, and not small beside what is outside anyhow:
// ten readings of a warm-up that slows down, or goes on in steps, look linear too often.
func (e outsideEvidence) leaks(tolerance float64) bool {
	return e.gained() >= e.least && e.halves.clearly >= clearlyLinear && e.evidence.leaks(tolerance)
}

// quiet reports if memory outside the heap is not shown to grow by more than the tolerance, in bytes per request, and if
// the readings rule out that it grows by as much as the bound: over the judged range, after a longer warm-up, or between
// steps after that. In the latter case at least two gains must be within the tolerance. upper is the growth that is ruled
// out.
func (e outsideEvidence) quiet(tolerance float64) (upper float64, how quietness) {
	lateQuiet := e.lateFrom > 0 && notShown(e.late, max(tolerance, e.lateFloor))
	switch {
	case e.upper < tolerance || e.upper < e.bound && notShown(e.growth, max(tolerance, outsideLittle/e.judged.span())):
		return e.upper, quietThroughout
	case lateQuiet && e.lateUpper < e.bound:
		return e.lateUpper, quietLater
	case (lateQuiet || e.level) && e.between < e.bound && e.gains-e.rising >= 2:
		return max(tolerance, e.between), quietBetween
	}
	return e.upper, notQuiet
}

// notShown reports if a growth is at most least, in bytes per request, or may well be none.
func notShown(growth posterior, least float64) bool {
	return growth.quantile(0.5) <= least || growth.below(0) > quietChance
}
