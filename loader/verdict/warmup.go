package verdict

import (
	"math"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat/distuv"
)

const (
	// minJudged is the least number of gains that remain after a warm-up, not
	// counting the first iteration.
	minJudged = 4
	// clearerBy is how many times narrower the interval of the rest must be for
	// a cut. Noise alone makes it 1.5 times narrower in one run of ten or so.
	clearerBy = 1.5
	// chanceOfQuiet is the significance level for a quiet end of the run.
	chanceOfQuiet = 0.02
	// maxSearched is the most readings in which a warm-up is searched. In a longer run only each
	// second is taken, or third, and so on, as MSER-5 takes batches of five (White, Cobb and
	// Spratt, "A comparison of five steady-state truncation heuristics for simulation", 2000).
	maxSearched = 250
)

// warmUp returns the number of warm-up iterations at the head of the curve. Growth is
// judged from the last end reading among them. The first always counts as warm-up: it
// allocates connections and buffers, and loads code on first use.
//
// More is truncated where that lowers the standard error of the growth of the rest.
// This is the rule of MSER (White 1997) with the standard error from regress. Three
// conditions keep noise and leaks from being truncated. The interval must become
// clearly narrower (clearerBy). The truncated part must have changed faster than the
// rest, up or down. The rest must be long enough to show that such a change has stopped. The first
// such cut is made, then the search continues for the next.
func warmUp(c curve) int {
	if n := len(c.bytes); n > maxSearched {
		each := (n + maxSearched - 1) / maxSearched
		if found := warmUp(c.thinned(each)); found > 1 {
			return (n-1)%each + (found-1)*each + 1
		}
		return 1
	}
	gains := c.gains()
	cut, width := 0, halfWidth(c)
	for at := 1; len(gains)-at >= minJudged; at += 1 + (at-cut)/6 {
		if changesMore(c, cut, at, len(gains)) && stopped(gains[cut:at], len(gains)-at) {
			if rest := halfWidth(c.from(at)); rest < width/clearerBy {
				cut, width = at, rest
			}
		}
	}
	return trim(c, cut, width) + 1
}

// thinned is each of so many readings of the curve, the last included.
func (c curve) thinned(each int) curve {
	thin := curve{scale: c.scale}
	for i := (len(c.bytes) - 1) % each; i < len(c.bytes); i += each {
		thin.requests, thin.bytes = append(thin.requests, c.requests[i]), append(thin.bytes, c.bytes[i])
	}
	return thin
}

// trim extends a cut by up to a sixth, the step of the search, where growth is about
// to stop. What is cut must grow faster than the rest. Of these cuts, it takes the one
// with the narrowest interval; least is the half-width without trimming, in bytes per
// request.
func trim(c curve, cut int, least float64) int {
	if cut == 0 {
		return 0
	}
	trimmed, last := cut, len(c.bytes)-1
	for at := cut + 1; at <= cut+1+cut/6 && last-at >= minJudged; at++ {
		if width := halfWidth(c.from(at)); width < least && changesMore(c, cut, at, last) {
			trimmed, least = at, width
		}
	}
	return trimmed
}

// halfWidth approximates the half-width of the 95% interval of the curve's growth, in
// bytes per request. It is infinite if the curve does not determine the growth.
func halfWidth(c curve) float64 {
	b, _, ok := regress(nonOscillating, c, c.since())
	if !ok {
		return math.Inf(1)
	}
	return b.deviation() * distuv.StudentsT{Mu: 0, Sigma: 1, Nu: b.degree}.Quantile(0.975)
}

// changesMore reports if memory grows faster between the points from and cut than from there to the last, or falls there faster
// than it changes later.
func changesMore(c curve, from, cut, last int) bool {
	head, rest := c.rate(from, cut), c.rate(cut, last)
	return head > rest || head < 0 && -head > math.Abs(rest)
}

// stopped tests if rest gains without a change of the earlier kind, growth or a fall, are
// enough to show that it has ended. If the earlier change came in k jumps among n gains,
// that many quiet gains have a probability of about exp(-rest k/n). k is the effective
// number of jumps, see equalJumps.
func stopped(earlier []float64, rest int) bool {
	sum := floats.Sum(earlier)
	if sum < 0 {
		earlier = floats.ScaleTo(make([]float64, len(earlier)), -1, earlier)
	}
	k := equalJumps(earlier)
	return sum != 0 && math.Exp(-float64(rest)*k/float64(len(earlier))) <= chanceOfQuiet
}

// equalJumps is the effective number of jumps: the number of equal jumps with the same
// concentration as the gains (the inverse Herfindahl index). It is between 1 (all in
// one) and the number of gains (all equal). Losses do not count; 0 if there was no gain.
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

// evenness is the share of effective jumps among the gains of the curve, see equalJumps: 1 if all requests gain the same, down
// to the share of requests that the whole gain came in. Iterations need not have the same number of requests.
func (c curve) evenness() float64 {
	sum, squares := 0.0, 0.0
	for i, g := range c.gains() {
		if requests := c.requests[i+1] - c.requests[i]; g > 0 && requests > 0 {
			sum += g
			squares += g * g * c.span() / requests
		}
	}
	if squares == 0 {
		return 0
	}
	return sum * sum / squares
}
