package verdict

import (
	"cmp"
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

// regression is a fit of a curve's bytes, y = intercept + sum of coefficient times column, under each noise model.
type regression struct {
	posterior             // of the first column's coefficient
	logLikelihood float64 // of the fit averaged over the models; it compares fits of the same y
	ok            bool    // false if the columns do not determine the coefficients or leave no degree of freedom
}

// regress is regressEach with all columns in one regression.
func regress(models []noiseModel, c curve, columns ...[]float64) (b posterior, logLikelihood float64, ok bool) {
	all := make([]int, len(columns))
	for i := range all {
		all[i] = i
	}
	r := regressEach(models, c, columns, all)[0]
	return r.posterior, r.logLikelihood, r.ok
}

// regressEach fits several regressions of one curve. Each names its columns by their places among all columns. A column
// is whitened once for all regressions that have it.
func regressEach(models []noiseModel, c curve, columns [][]float64, choices ...[]int) []regression {
	rows := len(c.bytes)
	fitted := [][]float64{c.bytes, ones(rows)}
	largest := make([]float64, len(columns))
	for i, column := range columns {
		largest[i] = floats.Norm(column, math.Inf(1))
		// Unit columns keep the products of requests and of shares comparable.
		fitted = append(fitted, floats.ScaleTo(make([]float64, rows), 1/cmp.Or(largest[i], 1), column))
	}
	all := make([]regression, len(choices))
	for i, chosen := range choices {
		all[i].degree = float64(rows - 1 - len(chosen))
		all[i].ok = all[i].degree >= 1 && !slices.ContainsFunc(chosen, func(column int) bool { return largest[column] == 0 })
	}
	scores, fits := make([][]float64, len(choices)), make([][]float64, len(choices))
	whitened, residuals := newColumns(len(fitted), rows), make([]float64, rows)
	for _, z := range models {
		logJacobian := z.whitenInto(whitened, fitted)
		for i, chosen := range choices {
			r := &all[i]
			if !r.ok {
				continue
			}
			var regressors [][]float64
			for _, column := range chosen {
				regressors = append(regressors, whitened[2+column])
			}
			copy(residuals, whitened[0])
			p, score, fit, ok := leastSquares(c.grain, residuals, append(regressors, whitened[1]))
			p.noise, p.centre, p.scale = z, p.centre/largest[chosen[0]], p.scale/largest[chosen[0]]
			r.components, r.ok = append(r.components, p), ok
			scores[i] = append(scores[i], math.Log(z.prior)+logJacobian+score)
			fits[i] = append(fits[i], math.Log(z.prior)+logJacobian+fit)
		}
	}
	for i := range all {
		if all[i].ok {
			all[i].average(scores[i], fits[i])
		} else {
			all[i].components = nil
		}
	}
	return all
}

// average weights the components by their log posteriors, up to a constant, and the log likelihoods of their fits.
func (r *regression) average(scores, fits []float64) {
	total := floats.LogSumExp(scores)
	for i := range r.components {
		r.components[i].weight = math.Exp(scores[i] - total)
	}
	r.components = slices.DeleteFunc(r.components, func(p component) bool { return p.weight < negligible })
	r.logLikelihood = floats.LogSumExp(fits)
}

// ones is a column of ones.
func ones(rows int) []float64 {
	column := make([]float64, rows)
	floats.AddConst(1, column)
	return column
}

// leastSquares fits whitened readings, which it replaces by their residuals. The last of the regressors is the intercept.
// grain is what the readings are rounded to. score is the restricted log likelihood, without the Jacobian of the whitening:
// intercept and coefficients integrated out under flat priors, sigma under 1/sigma. fit is the same with the coefficients
// at their maximum.
func leastSquares(grain float64, residuals []float64, regressors [][]float64) (p component, score, fit float64, ok bool) {
	k := len(regressors)
	degree := float64(len(residuals) - k)
	intercept := regressors[k-1]
	products := mat.NewSymDense(k, nil)
	moments := mat.NewVecDense(k, nil)
	for i, r := range regressors {
		moments.SetVec(i, floats.Dot(r, residuals))
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
	for i, r := range regressors {
		floats.AddScaled(residuals, -coefficients.AtVec(i), r)
	}
	squares += floats.Dot(residuals, residuals)
	sigma := math.Sqrt(squares / degree)
	score = -degree/2*math.Log(squares) - cholesky.LogDet()/2
	fit = -float64(len(residuals)-1)/2*math.Log(squares) - math.Log(floats.Dot(intercept, intercept))/2
	return component{
		centre: coefficients.AtVec(0),
		scale:  sigma * math.Sqrt(inverse.At(0, 0)),
		sigma:  sigma,
	}, score, fit, true
}
