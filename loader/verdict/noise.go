package verdict

import "math"

// noise is one way in which readings may err around a line: how far an error
// lasts, not how large it is (its size is estimated).
type noise struct {
	prior float64 // probability before the readings are seen
	// fading noise is forgotten: each error keeps the share persistence of the
	// one before (AR(1)); 0 is white noise, as of a collector caught mid-cycle.
	// Other noise stays: a random walk (retained pages, high-water marks) on
	// top of white noise, where staying is the random walk's share of the
	// variance of a step; 1 is a pure random walk.
	fading      bool
	persistence float64
	staying     float64
}

// noises are the ways over which an interval is averaged. What was once
// gained is presumed to stay (60%) rather than to fade (40%) until the readings
// show which: with ten readings they hardly can, and the mistake the other way
// is an interval that is too short.
func noises() []noise {
	return []noise{
		{prior: 0.10, fading: true, persistence: 0},
		{prior: 0.10, fading: true, persistence: 0.3},
		{prior: 0.10, fading: true, persistence: 0.6},
		{prior: 0.10, fading: true, persistence: 0.8},
		{prior: 0.05, staying: 0.01},
		{prior: 0.10, staying: 0.1},
		{prior: 0.15, staying: 0.5},
		{prior: 0.30, staying: 1},
	}
}

// whiten transforms the columns (each n values long, the same way) so that
// errors which follow the noise become independent with equal variance. Fading
// noise keeps an intercept to estimate, transformed like the columns (n rows,
// Prais and Winsten 1954). Staying noise is whitened in differences, where the
// intercept is gone and nil (n-1 rows). logJacobian is the logarithm of the
// transformation's volume, as a likelihood counts it.
func (z noise) whiten(columns [][]float64) (whitened [][]float64, intercept []float64, logJacobian float64) {
	n := len(columns[0])
	if z.fading {
		first := math.Sqrt(1 - z.persistence*z.persistence)
		for _, c := range columns {
			w := make([]float64, n)
			w[0] = first * c[0]
			for i := 1; i < n; i++ {
				w[i] = c[i] - z.persistence*c[i-1]
			}
			whitened = append(whitened, w)
		}
		intercept = make([]float64, n)
		intercept[0] = first
		for i := 1; i < n; i++ {
			intercept[i] = 1 - z.persistence
		}
		return whitened, intercept, math.Log(first)
	}
	// The differences have the covariance of a moving average: variance
	// staying + 2 (1 - staying), and -(1 - staying) with the neighbours. Its
	// Cholesky factor has two diagonals.
	diagonal := make([]float64, n-1)
	below := make([]float64, n-1)
	for i := range diagonal {
		if i > 0 {
			below[i] = -(1 - z.staying) / diagonal[i-1]
		}
		diagonal[i] = math.Sqrt(z.staying + 2*(1-z.staying) - below[i]*below[i])
		logJacobian -= math.Log(diagonal[i])
	}
	for _, c := range columns {
		w := make([]float64, n-1)
		for i := range w {
			w[i] = c[i+1] - c[i]
			if i > 0 {
				w[i] -= below[i] * w[i-1]
			}
			w[i] /= diagonal[i]
		}
		whitened = append(whitened, w)
	}
	return whitened, nil, logJacobian
}
