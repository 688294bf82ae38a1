package verdict

import "math"

const (
	// slowerBelow is the ratio of late to early growth below which growth counts as
	// slowing down.
	slowerBelow = 0.75
	// surely is the posterior probability required to conclude that the late growth
	// is less than the early growth, or that it goes on.
	surely = 0.95
	// clearlyLinear is the log likelihood ratio (20 to 1) that a line needs over a
	// logarithm if the whole run, warm-up included, favours the logarithm. It needs
	// more if the whole run favours it more clearly.
	clearlyLinear = 3
)

// halves is the growth by halves of the judged requests, and the evidence for linear
// against logarithmic growth.
type halves struct {
	early  float64   // bytes per request in the first half of the requests
	late   posterior // bytes per request in the second half
	slower float64   // posterior probability that the second half grows less than the first
	linear float64   // log likelihood ratio of a line over a logarithm
	// linearWithWarmUp is the same from the first end reading on, warm-up included.
	linearWithWarmUp float64
}

// newHalves returns the growth by halves of the curve after the first warmUp
// iterations. It is false if the readings do not determine it.
func newHalves(c curve, warmUp int) (halves, bool) {
	judged := c.from(warmUp - 1)
	half := judged.span() / 2
	since := judged.since()
	first, second := make([]float64, len(since)), make([]float64, len(since))
	for i, r := range since {
		first[i] = min(r, half)
		second[i] = max(r-half, 0)
	}
	early, _, okEarly := regress(noiseModels, judged, first, second)
	late, _, okLate := regress(noiseModels, judged, second, first)
	bend, _, okBend := regress(noiseModels, judged, second, since)
	linear, okLinear := lineOverLogarithm(judged)
	withWarmUp, okWithWarmUp := lineOverLogarithm(c)
	if !(okEarly && okLate && okBend && okLinear && okWithWarmUp) {
		return halves{}, false
	}
	return halves{
		early:            early.quantile(0.5),
		late:             late,
		slower:           bend.below(0),
		linear:           linear,
		linearWithWarmUp: withWarmUp,
	}, true
}

// lineOverLogarithm is the log likelihood ratio of two fits of the curve: a line over
// the requests, and one over their logarithm (a cache that fills ever more slowly).
// It is above 0 if the line fits better, and false if the readings determine neither.
func lineOverLogarithm(c curve) (float64, bool) {
	logs := make([]float64, len(c.requests))
	first := max(c.requests[0], 1)
	for i, r := range c.requests {
		logs[i] = math.Log(max(r, 1) / first)
	}
	_, line, okLine := regress(noiseModels, c, c.since())
	_, logarithm, okLogarithm := regress(noiseModels, c, logs)
	return line - logarithm, okLine && okLogarithm
}

// slowing reports if the growth slows down, or if the readings do not rule it out.
func (h halves) slowing() bool {
	return h.slower > surely && h.late.quantile(0.5) < slowerBelow*h.early ||
		h.linear < 0 ||
		h.linearWithWarmUp < 0 && h.linear < max(clearlyLinear, -h.linearWithWarmUp)
}

// goesOn reports if the second half of the requests alone shows growth above the
// tolerance, in bytes per request. Readings that vary by far more may have a trend
// over a whole run by chance, but seldom in its second half as well.
func (h halves) goesOn(tolerance float64) bool {
	return h.late.below(tolerance) < 1-surely
}
