package verdict

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/distuv"
)

// belief is what the readings say of one regression coefficient: a mixture of
// Student's t distributions, one a kind of noise (Zellner and Tiao 1964).
type belief struct {
	parts  []part
	degree float64 // degrees of freedom, the same for all parts
}

// part is the coefficient under one kind of noise.
type part struct {
	noise         noise
	weight        float64 // probability of this noise, given the readings
	centre, scale float64 // of the t distribution, in the coefficient's units
	sigma         float64 // size of a whitened error, in the units of y
}

// below is the probability that the coefficient is smaller than v.
func (b belief) below(v float64) float64 {
	t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: b.degree}
	sum := 0.0
	for _, p := range b.parts {
		sum += p.weight * t.CDF((v-p.centre)/p.scale)
	}
	return sum
}

// quantile is the value that the coefficient stays below with probability q,
// 0 < q < 1. It lies between the parts' own quantiles: bisection finds it.
func (b belief) quantile(q float64) float64 {
	z := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: b.degree}.Quantile(q)
	low, high := math.Inf(1), math.Inf(-1)
	for _, p := range b.parts {
		low = min(low, p.centre+z*p.scale)
		high = max(high, p.centre+z*p.scale)
	}
	return bisect(low, high, func(v float64) bool { return b.below(v) < q })
}

// bisect returns the value between low and high up to which tooLow holds, to a billionth of their distance.
func bisect(low, high float64, tooLow func(float64) bool) float64 {
	for range 30 {
		if middle := low + (high-low)/2; tooLow(middle) {
			low = middle
		} else {
			high = middle
		}
	}
	return low + (high-low)/2
}

// deviation is the root of the mean squared scale of the parts, in the
// coefficient's units.
func (b belief) deviation() float64 {
	sum := 0.0
	for _, p := range b.parts {
		sum += p.weight * p.scale * p.scale
	}
	return math.Sqrt(sum)
}

// passing is the probability that the noise passes, all of it.
func (b belief) passing() float64 {
	sum := 0.0
	for _, p := range b.parts {
		if p.noise.staying == 0 {
			sum += p.weight
		}
	}
	return sum
}

// regress fits y = intercept + sum of coefficient times column under each kind of
// noise, and returns what y says of the first column's coefficient, and the
// logarithm of how well the columns explain y (comparable between fits of the same
// y with as many columns). It is false if the columns do not determine the
// coefficients or leave no degree of freedom.
func regress(kinds []noise, y []float64, columns ...[]float64) (b belief, evidence float64, ok bool) {
	b.degree = float64(len(y) - 1 - len(columns))
	if b.degree < 1 {
		return b, 0, false
	}
	// Unit columns keep the products of requests and of shares comparable.
	units := make([][]float64, len(columns))
	for i, c := range columns {
		largest := floats.Norm(c, math.Inf(1))
		if largest == 0 {
			return b, 0, false
		}
		units[i] = floats.ScaleTo(make([]float64, len(c)), 1/largest, c)
	}
	unit := floats.Norm(columns[0], math.Inf(1))
	var scores, fits []float64
	for _, z := range kinds {
		p, score, fit, ok := generalisedLeastSquares(y, z, units)
		if !ok {
			return b, 0, false
		}
		p.centre /= unit
		p.scale /= unit
		b.parts = append(b.parts, p)
		scores = append(scores, math.Log(z.prior)+score)
		fits = append(fits, math.Log(z.prior)+fit)
	}
	total := floats.LogSumExp(scores)
	for i := range b.parts {
		b.parts[i].weight = math.Exp(scores[i] - total)
	}
	return b, floats.LogSumExp(fits), true
}

// generalisedLeastSquares fits y under one kind of noise. score is the
// restricted log likelihood (intercept, coefficients and the size of the noise
// integrated out, flat and 1/sigma), fit the same with the coefficients at their best.
func generalisedLeastSquares(y []float64, z noise, columns [][]float64) (p part, score, fit float64, ok bool) {
	degree := float64(len(y) - 1 - len(columns))
	ones := make([]float64, len(y))
	floats.AddConst(1, ones)
	whitened, logJacobian := z.whiten(slices.Concat([][]float64{y}, columns, [][]float64{ones}))
	target, regressors := whitened[0], whitened[1:]
	intercept := regressors[len(columns)]
	k := len(regressors)
	products := mat.NewSymDense(k, nil)
	moments := mat.NewVecDense(k, nil)
	for i, r := range regressors {
		moments.SetVec(i, floats.Dot(r, target))
		for j := i; j < k; j++ {
			products.SetSym(i, j, floats.Dot(r, regressors[j]))
		}
	}
	var cholesky mat.Cholesky
	if !cholesky.Factorize(products) || cholesky.Cond() > 1e12 {
		return p, 0, 0, false
	}
	var coefficients mat.VecDense
	var inverse mat.SymDense
	if cholesky.SolveVecTo(&coefficients, moments) != nil || cholesky.InverseTo(&inverse) != nil {
		return p, 0, 0, false
	}
	// Rounding to pages errs with a variance of page²/12: a floor under the
	// residuals, which are all zero if the readings lie on a line.
	squares := degree * pageBytes * pageBytes / 12
	residuals := slices.Clone(target)
	for i, r := range regressors {
		floats.AddScaled(residuals, -coefficients.AtVec(i), r)
	}
	squares += floats.Dot(residuals, residuals)
	sigma := math.Sqrt(squares / degree)
	score = logJacobian - degree/2*math.Log(squares) - cholesky.LogDet()/2
	fit = logJacobian - float64(len(y)-1)/2*math.Log(squares) - math.Log(floats.Dot(intercept, intercept))/2
	return part{
		noise:  z,
		centre: coefficients.AtVec(0),
		scale:  sigma * math.Sqrt(inverse.At(0, 0)),
		sigma:  sigma,
	}, score, fit, true
}
