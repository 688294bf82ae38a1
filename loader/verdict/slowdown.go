package verdict

import "math"

const (
	// slowerBelow is the share of the early growth under which the late growth
	// counts as less.
	slowerBelow = 0.75
	// surely is the probability that it takes to say of the late growth that it is
	// less than the early one, or that it goes on.
	surely = 0.95
	// clearlyStraight is the log likelihood ratio (20 to 1) that a line needs
	// over a logarithm if the whole run, warm-up included, bends like one; more
	// if the whole run says so more clearly.
	clearlyStraight = 3
)

// course is how growth goes on over the judged part.
type course struct {
	early    float64 // bytes per request in the first half of the requests
	late     belief  // bytes per request in the second half
	slower   float64 // probability that the second half grows less than the first
	straight float64 // log of how much better a line explains the readings than a logarithm
	// straightBefore is the same from the first end reading on, warm-up included.
	straightBefore float64
}

// newCourse returns the course of the curve after the first warmUp iterations.
// False if the readings do not determine it.
func newCourse(c curve, warmUp int) (course, bool) {
	judged := c.from(warmUp - 1)
	half := judged.span() / 2
	since := judged.since()
	first, second := make([]float64, len(since)), make([]float64, len(since))
	for i, r := range since {
		first[i] = min(r, half)
		second[i] = max(r-half, 0)
	}
	early, _, okEarly := regress(noises, judged.bytes, first, second)
	late, _, okLate := regress(noises, judged.bytes, second, first)
	bend, _, okBend := regress(noises, judged.bytes, second, since)
	straight, okStraight := straightness(judged)
	before, okBefore := straightness(c)
	if !(okEarly && okLate && okBend && okStraight && okBefore) {
		return course{}, false
	}
	return course{
		early:          early.quantile(0.5),
		late:           late,
		slower:         bend.below(0),
		straight:       straight,
		straightBefore: before,
	}, true
}

// straightness compares two explanations of the curve, a line over the requests
// and one over their logarithm (a cache that fills ever more slowly): the log of
// their likelihood ratio, above 0 if the line explains more.
func straightness(c curve) (float64, bool) {
	logs := make([]float64, len(c.requests))
	first := max(c.requests[0], 1)
	for i, r := range c.requests {
		logs[i] = math.Log(max(r, 1) / first)
	}
	_, line, okLine := regress(noises, c.bytes, c.since())
	_, logarithm, okLogarithm := regress(noises, c.bytes, logs)
	return line - logarithm, okLine && okLogarithm
}

// slowing says whether the growth slows down, or may as well.
func (c course) slowing() bool {
	return c.slower > surely && c.late.quantile(0.5) < slowerBelow*c.early ||
		c.straight < 0 ||
		c.straightBefore < 0 && c.straight < max(clearlyStraight, -c.straightBefore)
}

// goesOn says whether the second half of the requests shows by itself that memory
// grows by more than the tolerance, in bytes per request. What goes up and down by
// far more may have a trend over all of a run by chance, and then seldom in its half.
func (c course) goesOn(tolerance float64) bool {
	return c.late.below(tolerance) < 1-surely
}
