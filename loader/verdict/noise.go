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

// noises are the ways over which an interval is averaged. Noise is presumed to
// fade (70%) until the readings show otherwise. Presuming that it stays makes the
// intervals of ten readings so wide that a filled cache is left open as often as
// not; presuming less that it stays makes them too short where it does.
func noises() []noise {
	return []noise{
		{prior: 0.175, fading: true, persistence: 0},
		{prior: 0.175, fading: true, persistence: 0.3},
		{prior: 0.175, fading: true, persistence: 0.6},
		{prior: 0.175, fading: true, persistence: 0.8},
		{prior: 0.025, staying: 0.01},
		{prior: 0.050, staying: 0.1},
		{prior: 0.075, staying: 0.5},
		{prior: 0.150, staying: 1},
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
	logDiagonal := 0.0
	diagonal, below := z.cholesky(n - 1)
	for i, d := range diagonal {
		if i == 0 || d != diagonal[i-1] {
			logDiagonal = math.Log(d)
		}
		logJacobian -= logDiagonal
	}
	for _, c := range columns {
		w := make([]float64, n-1)
		w[0] = (c[1] - c[0]) / diagonal[0]
		for i := 1; i < n-1; i++ {
			w[i] = (c[i+1] - c[i] - below[i]*w[i-1]) / diagonal[i]
		}
		whitened = append(whitened, w)
	}
	return whitened, nil, logJacobian
}

// cholesky returns the two diagonals of the Cholesky factor of the covariance of
// n differences under staying noise: that of a moving average, with the variance
// staying + 2 (1 - staying), and -(1 - staying) between neighbours. below[i] is
// left of diagonal[i]. Both converge, after which they are only repeated.
func (z noise) cholesky(n int) (diagonal, below []float64) {
	diagonal, below = make([]float64, n), make([]float64, n)
	for i := range n {
		if i > 1 && diagonal[i-1] == diagonal[i-2] {
			diagonal[i], below[i] = diagonal[i-1], below[i-1]
			continue
		}
		if i > 0 {
			below[i] = -(1 - z.staying) / diagonal[i-1]
		}
		diagonal[i] = math.Sqrt(z.staying + 2*(1-z.staying) - below[i]*below[i])
	}
	return diagonal, below
}
