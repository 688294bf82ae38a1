package verdict

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

const (
	// minJudged is the number of gains that a warm-up leaves at least, the
	// first iteration apart.
	minJudged = 5
	// clearerBy is how many times narrower the interval of the rest must be for
	// a cut. Noise alone makes it 1.5 times narrower in one run of ten or so.
	clearerBy = 1.5
	// chanceOfQuiet is the probability below which a quiet end is no chance.
	chanceOfQuiet = 0.01
)

// warmUp returns how many iterations at the head of the curve are warm-up; the
// growth is judged from the last end reading among them. At least the first is:
// it pays for connections, buffers and code that is loaded when first used.
//
// More is cut where the error of the rest's growth becomes less, which is the
// rule of MSER (White 1997), but with the error that regress reckons. Three
// conditions keep noise and leaks from being cut: the interval must become
// clearly narrower (clearerBy), what is cut must have grown faster than the rest,
// and the rest must be long enough to show that such growth has stopped. The
// first such cut is made, and then the next one looked for.
func warmUp(c curve) int {
	gains := c.gains()
	cut, width := 0, halfWidth(c)
	for at := 1; len(gains)-at >= minJudged; at += 1 + (at-cut)/6 {
		if c.rate(cut, at) > c.rate(at, len(gains)) && stopped(gains[cut:at], len(gains)-at) {
			if rest := halfWidth(c.from(at)); rest < width/clearerBy {
				cut, width = at, rest
			}
		}
	}
	return trim(c, cut, width) + 1
}

// trim cuts up to a sixth more than a cut that was made (which is how coarsely
// it was looked for), if what is cut grew faster than the rest and the interval of
// the rest, whose half is least without that, becomes the narrowest then: growth
// that is about to stop.
func trim(c curve, cut int, least float64) int {
	if cut == 0 {
		return 0
	}
	trimmed, last := cut, len(c.bytes)-1
	for at := cut + 1; at <= cut+1+cut/6 && last-at >= minJudged; at++ {
		if width := halfWidth(c.from(at)); width < least && c.rate(cut, at) > c.rate(at, last) {
			trimmed, least = at, width
		}
	}
	return trimmed
}

// halfWidth is about half of the 95% interval of the curve's growth, in bytes
// per request; infinite if the curve does not determine it.
func halfWidth(c curve) float64 {
	b, _, ok := regress(lasting, c.bytes, c.since())
	if !ok {
		return math.Inf(1)
	}
	return b.deviation() * distuv.StudentsT{Mu: 0, Sigma: 1, Nu: b.degree}.Quantile(0.975)
}

// stopped says whether rest gains without growth of the earlier kind are
// enough to believe that it is over. If the earlier growth came in k jumps among
// n gains, as many quiet ones have a probability of about exp(-rest k/n). k is
// the number of equal jumps that are as uneven as the growth was.
func stopped(earlier []float64, rest int) bool {
	sum, k := 0.0, equalJumps(earlier)
	for _, g := range earlier {
		sum += g
	}
	return sum > 0 && math.Exp(-float64(rest)*k/float64(len(earlier))) <= chanceOfQuiet
}

// equalJumps is the number of equal jumps that are as uneven as the gains are,
// between 1 (all in one) and their number (all the same); losses do not count.
// 0 if there was no gain.
func equalJumps(gains []float64) float64 {
	sum, squares := 0.0, 0.0
	for _, g := range gains {
		if g > 0 {
			sum += g
			squares += g * g
		}
	}
	if squares == 0 {
		return 0
	}
	return sum * sum / squares
}
