package verdict

import (
	"math"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat/distuv"
)

// mostIterations is the longest run, in iterations, that advice considers.
const mostIterations = 1000

// moreIterations is the number of further iterations, with the judged ones' mean
// requests, that is likely to decide if the growth is above or below the tolerance. It
// assumes that noise and growth stay the same; growth that does not differ from 0 is
// taken as 0. 0 if even mostIterations do not suffice.
func (e evidence) moreIterations(tolerance, confidence float64) int {
	have := len(e.judged.bytes) - 1
	requests := e.judged.span() / float64(have)
	growth := e.growth.quantile(0.5)
	if e.lower <= 0 && e.upper >= 0 {
		growth = 0
	}
	margin := math.Abs(growth - tolerance)
	for n := have + 1; n <= mostIterations; n += 1 + n/10 {
		if max(e.halfWidthAfter(n, requests, confidence), e.judged.floor/(float64(n)*requests)) < margin {
			return n - have
		}
	}
	return 0
}

// halfWidthAfter approximates the interval's half-width, in bytes per request, after n
// judged iterations with the given requests each, under the noise observed so far.
func (e evidence) halfWidthAfter(n int, requests, confidence float64) float64 {
	ramp, ones := make([]float64, n+1), make([]float64, n+1)
	for i := range ramp {
		ramp[i], ones[i] = float64(i)*requests, 1
	}
	variance := 0.0
	for _, p := range e.growth.components {
		whitened, _ := p.noise.whiten([][]float64{ramp, ones})
		w, intercept := whitened[0], whitened[1]
		cross := floats.Dot(w, intercept)
		variance += p.weight * p.sigma * p.sigma / (floats.Dot(w, w) - cross*cross/floats.Dot(intercept, intercept))
	}
	t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: float64(n - 1)}.Quantile((1 + confidence) / 2)
	return t * math.Sqrt(variance)
}
