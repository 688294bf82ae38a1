package verdict

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
)

const (
	// slowerBelow is the ratio of late to early growth below which growth counts as
	// slowing down.
	slowerBelow = 0.75
	// surely is the posterior probability required to conclude that the late growth
	// is less than the early growth, or that it goes on.
	surely = 0.95
	// clearlyLevelling is the log likelihood ratio by which a curve that levels off must
	// explain the second half alone better than a line, to conclude that it does.
	clearlyLevelling = 6
	// clearlyTransient is the log likelihood ratio that a line after a warm-up needs over
	// each curve that levels off, in the whole run.
	clearlyTransient = 2
	// surelyLinear is the log likelihood ratio of a line after the warm-up alone from which on
	// that does not matter: the readings before may be too noisy to tell.
	surelyLinear = 15
)

// linearEnough is the log likelihood ratio that a line needs over each curve that levels
// off, given the number of judged readings, and if a warm-up comes before them. Without
// one, the noise of a heap that is collected may favour a curve a little. After one,
// growth has slowed down already. In fewer than twelve readings, chance alone makes large
// ratios. The command simulate -families prints what is misjudged with it.
func linearEnough(readings int, warmedUp bool) float64 {
	least := -1.0
	if warmedUp {
		least = 3
	}
	return max(least, min(7, 38-3.25*float64(readings)))
}

// halves is the growth by halves of the judged requests, and the evidence for linear
// growth against growth that levels off.
type halves struct {
	early  float64   // bytes per request in the first half of the requests
	late   posterior // bytes per request in the second half
	slower float64   // posterior probability that the second half grows less than the first
	slows  bool      // surely, and by much
	// linear is the log likelihood ratio of a line over the best of the levellings, and
	// linearWithWarmUp the same from the first end reading on, of a line after a transient.
	linear, linearWithWarmUp float64
	enough                   float64 // what linear has to be, see linearEnough
	// lateLinear is the log likelihood ratio in the second half alone; 0 if that has too few readings.
	lateLinear float64
	clearly    float64 // log likelihood ratio of a line over the better of a logarithm and a square root
	stopped    bool    // growth in steps has stopped, or may as well, see mayHaveStopped
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
	growth := regressEach(noiseModels, judged, [][]float64{first, second}, []int{0, 1}, []int{1, 0})
	early, late := growth[0], growth[1]
	shape, lines := straighter(c, warmUp)
	linear, okLinear := lines.over(len(levellings))
	clearly, okClearly := lines.over(clearLevellings)
	judged = shape.from(warmUp - 1)
	changes := regressEach(noiseModels, judged, [][]float64{first, second, since}, []int{1, 2}, []int{0, 1})
	bend, steady := changes[0], changes[1]
	if !(early.ok && late.ok && bend.ok && steady.ok && okLinear && okClearly) {
		return halves{}, false
	}
	h := halves{
		early:            early.quantile(0.5),
		late:             late.posterior,
		slower:           bend.below(0),
		slows:            bend.below(0) > surely && bend.quantile(0.5) < (slowerBelow-1)*steady.quantile(0.5),
		linear:           linear,
		clearly:          clearly,
		enough:           linearEnough(len(judged.bytes), warmUp > 1),
		linearWithWarmUp: lineAfterTransient(shape, warmUp),
		stopped:          mayHaveStopped(judged),
	}
	if rest := judged.from((len(judged.bytes) - 1) / 2); len(rest.bytes) >= minIterations {
		h.lateLinear, _ = lineAndLevellings(rest).over(len(levellings))
	}
	return h, true
}

// straighter is the curve, or where tables double and it is nearer to a line after the warm-up without their steps, the
// curve without them. lines are the fits of what comes after the warm-up then.
func straighter(c curve, warmUp int) (shape curve, lines lineFits) {
	lines = lineAndLevellings(c.from(warmUp - 1))
	linear, ok := lines.over(len(levellings))
	if !ok || !c.doubles {
		return c, lines
	}
	smooth := c.withoutSteps()
	between := lineAndLevellings(smooth.from(warmUp - 1))
	if nearer, ok := between.over(len(levellings)); ok && nearer > linear {
		return smooth, between
	}
	return c, lines
}

// levelling is a curve that levels off: the growth of caches that fill, and of pools whose buffers keep the largest size
// that they ever had. requests are those since the server began, since those since the first judged reading, up to span.
type levelling func(requests, since, span float64) float64

// levellings are a logarithm, a square root, a power below 1, and exponential saturations in which the second half of
// the requests grows by 80%, 50%, 20% and 5% of what the first half does.
var levellings = []levelling{
	func(requests, _, _ float64) float64 { return math.Log(requests) },
	func(requests, _, _ float64) float64 { return math.Sqrt(requests) },
	func(requests, _, _ float64) float64 { return math.Pow(requests, 0.7) },
	saturation(0.8), saturation(0.5), saturation(0.2), saturation(0.05),
}

// clearLevellings is how many of them, from the first on, differ clearly from a line.
const clearLevellings = 2

// saturation is an exponential saturation, 1-exp(-x/scale). ratio, from 0 to 1, is the growth of the second half of the
// span to that of the first.
func saturation(ratio float64) levelling {
	decay := 2 * math.Log(ratio)
	return func(_, since, span float64) float64 { return 1 - math.Exp(decay*since/span) }
}

// lineFits are fits of a curve: of a line over the requests, of each of the levellings, and maybe of others after them.
type lineFits []regression

// lineColumns are the columns of a line and of the levellings, and the choices of regressEach that fit each of them alone.
func lineColumns(c curve) (columns [][]float64, choices [][]int) {
	since, span := c.since(), c.span()
	columns, choices = [][]float64{since}, [][]int{{0}}
	for n, level := range levellings {
		column := make([]float64, len(since))
		for i, r := range c.requests {
			column[i] = level(max(r, 1), since[i], span)
		}
		columns, choices = append(columns, column), append(choices, []int{n + 1})
	}
	return columns, choices
}

// lineAndLevellings fits a line and the levellings.
func lineAndLevellings(c curve) lineFits {
	columns, choices := lineColumns(c)
	return regressEach(noiseModels, c, columns, choices...)
}

// over returns the log likelihood ratio of the line and the best of as many levellings, from the first on. It is above 0 if
// the line fits better, and false if the readings do not determine them.
func (f lineFits) over(levellings int) (float64, bool) {
	best, ok := math.Inf(-1), f[0].ok
	for _, fit := range f[1 : 1+levellings] {
		best, ok = max(best, fit.logLikelihood), ok && fit.ok
	}
	return f[0].logLikelihood - best, ok
}

// transients are the times, in iterations, in which the growth of a warm-up decays that lineAfterTransient considers.
var transients = []float64{0.4, 0.7, 1, 1.5, 2, 3}

// lineAfterTransient is as over all levellings, but that the line comes after the growth of a warm-up of that many iterations,
// which is steady and stops, or decays exponentially. Its two more parameters count half of the logarithm of the number of
// readings each (Schwarz, "Estimating the dimension of a model", 1978). It is infinite if the warm-up is the first iteration
// alone.
func lineAfterTransient(c curve, warmUp int) float64 {
	if warmUp == 1 {
		return math.Inf(1)
	}
	columns, choices := lineColumns(c)
	alone, since := len(choices), columns[0]
	add := func(value func(since float64) float64) {
		transient := make([]float64, len(since))
		for i, s := range since {
			transient[i] = value(s)
		}
		columns, choices = append(columns, transient), append(choices, []int{0, len(columns)})
	}
	add(func(s float64) float64 { return min(s, since[warmUp-1]) })
	iteration := c.span() / float64(len(since)-1)
	for _, decay := range transients {
		add(func(s float64) float64 { return math.Exp(-s / (decay * iteration)) })
	}
	fits := lineFits(regressEach(noiseModels, c, columns, choices...))
	over, ok := fits.over(len(levellings))
	if !ok {
		return math.Inf(1)
	}
	best := math.Inf(-1)
	for _, fit := range fits[alone:] {
		if fit.ok {
			best = max(best, fit.logLikelihood)
		}
	}
	return over + best - fits[0].logLikelihood - math.Log(float64(len(since)))
}

// withoutSteps is the curve without isolated steps, as of hash tables that double: a gain per request that is above one of
// the two gains before it, and one of the two after it, by more than 15% becomes the smaller of these.
func (c curve) withoutSteps() curve {
	const isolated = 1.15
	smooth := curve{requests: c.requests, bytes: slices.Clone(c.bytes), scale: c.scale}
	rates := c.rates()
	for i, rate := range rates {
		before, after := rates[max(0, i-2):i], rates[i+1:min(len(rates), i+3)]
		if len(before) == 0 {
			before = after
		}
		if len(after) == 0 {
			after = before
		}
		if b, a := slices.Min(before), slices.Min(after); min(b, a) > 0 && rate > isolated*max(b, a) {
			rate = min(b, a)
		}
		smooth.bytes[i+1] = smooth.bytes[i] + rate*(c.requests[i+1]-c.requests[i])
	}
	return smooth
}

// mayHaveStopped reports if growth in steps has stopped, or may as well: at the end the curve stands still for longer than
// anywhere before, for two gains at least. If steps went on at random, as often as before, a pause that long would have a
// probability below chanceOfPause.
func mayHaveStopped(c curve) bool {
	const chanceOfPause = 0.3
	gains := c.rates() // per request, so that iterations may differ in these
	last := len(gains)
	level := slices.Concat([]float64{0}, floats.CumSum(make([]float64, last), gains))
	still := level[last] / float64(last) / 2 // half of the mean gain
	pause := 0
	for pause < last && level[last]-level[last-pause-1] < still {
		pause++
	}
	if pause < 2 || pause <= longestPause(level[:last-pause+1], still) {
		return false
	}
	rate := equalJumps(gains[:last-pause]) / float64(last-pause+1)
	return math.Pow(1-rate, float64(pause)) < chanceOfPause
}

// longestPause is the largest number of gains in a row that add up to less than still.
func longestPause(values []float64, still float64) int {
	least := slices.Clone(values) // from each value on
	for i := len(least) - 2; i >= 0; i-- {
		least[i] = min(least[i], least[i+1])
	}
	longest := 0
	for i, v := range values {
		end, _ := slices.BinarySearch(least, v+still) // values[end-1] is the last one below
		longest = max(longest, end-1-i)
	}
	return longest
}

// slowing reports if the growth slows down, if it has stopped, or if the readings do not rule either out.
func (h halves) slowing() bool {
	return h.slows || h.linear < h.enough || h.linearWithWarmUp < clearlyTransient && h.linear < surelyLinear ||
		h.lateLinear < -clearlyLevelling || h.stopped
}

// goesOn reports if the second half of the requests alone shows growth above the
// tolerance, in bytes per request. Readings that vary by far more may have a trend
// over a whole run by chance, but seldom in its second half as well.
func (h halves) goesOn(tolerance float64) bool {
	return h.late.below(tolerance) < 1-surely
}
