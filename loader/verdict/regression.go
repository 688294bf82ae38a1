package verdict

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/distuv"
)

// posterior is the posterior distribution of one regression coefficient, averaged
// over the noise models: a mixture of Student's t distributions, one for each model
// (Zellner and Tiao 1964; Bayesian model averaging, Hoeting et al. 1999).
type posterior struct {
	components []component
	degree     float64 // degrees of freedom, the same for all components
}

// component is the coefficient's posterior under one noise model.
type component struct {
	noise         noiseModel
	weight        float64 // posterior probability of the noise model
	centre, scale float64 // of the t distribution, in the coefficient's units
	sigma         float64 // standard deviation of a whitened error, in the units of y
}

// below is the posterior probability that the coefficient is smaller than v.
func (b posterior) below(v float64) float64 {
	t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: b.degree}
	sum := 0.0
	for _, p := range b.components {
		sum += p.weight * t.CDF((v-p.centre)/p.scale)
	}
	return sum
}

// quantile is the q quantile of the mixture, 0 < q < 1. It lies between the quantiles
// of the components, where bisection finds it.
func (b posterior) quantile(q float64) float64 {
	z := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: b.degree}.Quantile(q)
	low, high := math.Inf(1), math.Inf(-1)
	for _, p := range b.components {
		low = min(low, p.centre+z*p.scale)
		high = max(high, p.centre+z*p.scale)
	}
	return bisect(low, high, func(v float64) bool { return b.below(v) < q })
}

// bisect returns the value between low and high up to which tooLow holds, to within a billionth of their distance.
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

// deviation is the root of the weighted mean of the components' squared scales, in
// the coefficient's units.
func (b posterior) deviation() float64 {
	sum := 0.0
	for _, p := range b.components {
		sum += p.weight * p.scale * p.scale
	}
	return math.Sqrt(sum)
}

// stationary is the posterior probability that the noise has no random walk in it.
func (b posterior) stationary() float64 {
	sum := 0.0
	for _, p := range b.components {
		if p.noise.walkShare == 0 {
			sum += p.weight
		}
	}
	return sum
}

// negligible is the posterior probability below which a noise model is left out: all of them together move no
// probability by as much as a quantile is exact to.
const negligible = 1e-12

// regress fits the curve's bytes y = intercept + sum of coefficient times column under each noise
// model. It returns the posterior of the first column's coefficient, and the log
// likelihood of the fit averaged over the models, which compares fits of the same y
// with equally many columns. It is false if the columns do not determine the coefficients or leave no
// degree of freedom.
func regress(models []noiseModel, c curve, columns ...[]float64) (b posterior, logLikelihood float64, ok bool) {
	y := c.bytes
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
	fitted := slices.Concat([][]float64{y}, units, [][]float64{ones(len(y))})
	whitened := newColumns(len(fitted), len(y))
	var scores, fits []float64
	for _, z := range models {
		p, score, fit, ok := generalisedLeastSquares(c.grain, z, fitted, whitened)
		if !ok {
			return b, 0, false
		}
		p.centre /= unit
		p.scale /= unit
		b.components = append(b.components, p)
		scores = append(scores, math.Log(z.prior)+score)
		fits = append(fits, math.Log(z.prior)+fit)
	}
	total := floats.LogSumExp(scores)
	for i := range b.components {
		b.components[i].weight = math.Exp(scores[i] - total)
	}
	b.components = slices.DeleteFunc(b.components, func(p component) bool { return p.weight < negligible })
	return b, floats.LogSumExp(fits), true
}

// ones is a column of ones.
func ones(rows int) []float64 {
	column := make([]float64, rows)
	floats.AddConst(1, column)
	return column
}

// generalisedLeastSquares fits the first of the columns under one noise model by the others. The last of them is the
// intercept. whitened is room for as many columns. grain is what the first is rounded to. score is the restricted log
// likelihood: intercept and coefficients integrated out under flat priors, sigma under
// 1/sigma. fit is the same with the coefficients at their maximum.
func generalisedLeastSquares(grain float64, z noiseModel, columns, whitened [][]float64) (p component, score, fit float64, ok bool) {
	rows := float64(len(columns[0]))
	degree := rows - float64(len(columns)-1)
	logJacobian := z.whitenInto(whitened, columns)
	target, regressors := whitened[0], whitened[1:]
	k := len(regressors)
	intercept := regressors[k-1]
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
	// Rounding to a grain adds a variance of grain²/12: a floor under the residuals,
	// which are all zero if the readings lie on a line.
	squares := degree * grain * grain / 12
	residuals := target
	for i, r := range regressors {
		floats.AddScaled(residuals, -coefficients.AtVec(i), r)
	}
	squares += floats.Dot(residuals, residuals)
	sigma := math.Sqrt(squares / degree)
	score = logJacobian - degree/2*math.Log(squares) - cholesky.LogDet()/2
	fit = logJacobian - (rows-1)/2*math.Log(squares) - math.Log(floats.Dot(intercept, intercept))/2
	return component{
		noise:  z,
		centre: coefficients.AtVec(0),
		scale:  sigma * math.Sqrt(inverse.At(0, 0)),
		sigma:  sigma,
	}, score, fit, true
}
