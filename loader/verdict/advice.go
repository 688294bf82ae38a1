package verdict

import (
	"math"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat/distuv"
)

// mostIterations is how far ahead advice looks.
const mostIterations = 1000

// moreIterations is how many more iterations, like those judged on average, are
// likely to decide whether the growth is above or below the tolerance, if the
// noise stays as it is, and the growth too; a growth that may as well be none is
// taken for none. 0 if not even mostIterations are.
func (e evidence) moreIterations(tolerance, confidence float64) int {
	have := len(e.judged.bytes) - 1
	requests := e.judged.span() / float64(have)
	growth := e.growth.quantile(0.5)
	if e.lower <= 0 && e.upper >= 0 {
		growth = 0
	}
	margin := math.Abs(growth - tolerance)
	for n := have + 1; n <= mostIterations; n += 1 + n/10 {
		if max(e.halfWidthAfter(n, requests, confidence), floorBytes/(float64(n)*requests)) < margin {
			return n - have
		}
	}
	return 0
}

// halfWidthAfter is about half of the interval's width, in bytes per request,
// if n iterations of so many requests were judged with the noise seen so far.
func (e evidence) halfWidthAfter(n int, requests, confidence float64) float64 {
	ramp, ones := make([]float64, n+1), make([]float64, n+1)
	for i := range ramp {
		ramp[i], ones[i] = float64(i)*requests, 1
	}
	variance := 0.0
	for _, p := range e.growth.parts {
		whitened, _ := p.noise.whiten([][]float64{ramp, ones})
		w, intercept := whitened[0], whitened[1]
		cross := floats.Dot(w, intercept)
		variance += p.weight * p.sigma * p.sigma / (floats.Dot(w, w) - cross*cross/floats.Dot(intercept, intercept))
	}
	t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: float64(n - 1)}.Quantile((1 + confidence) / 2)
	return t * math.Sqrt(variance)
}
