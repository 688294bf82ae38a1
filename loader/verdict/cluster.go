package verdict

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
)

// worstConditioned is the condition number above which columns do not determine their coefficients.
const worstConditioned = 1e12

// cluster is what a regression within clusters needs of one of them: the products of its columns, and those with its
// readings, all less their means in the cluster.
type cluster struct {
	products *mat.SymDense
	moments  *mat.VecDense
}

// newCluster returns the cluster of a worker, for the growth of its bytes by each column.
func newCluster(w worker, columns ...[]float64) cluster {
	c := cluster{mat.NewSymDense(len(columns), nil), mat.NewVecDense(len(columns), nil)}
	bytes := centred(w.bytes)
	for i, column := range columns {
		column := centred(column)
		c.moments.SetVec(i, floats.Dot(column, bytes))
		for j := i; j < len(columns); j++ {
			c.products.SetSym(i, j, floats.Dot(column, centred(columns[j])))
		}
	}
	return c
}

// centred is the values less their mean.
func centred(values []float64) []float64 {
	c := slices.Clone(values)
	floats.AddConst(-stat.Mean(values, nil), c)
	return c
}

// clusters are those of one regression.
type clusters []cluster

// interval estimates a combination of the coefficients, by the factor of each, with an interval of the given confidence
// level that reaches at least floor to either side. The variance is the jackknife's, which leaves out one cluster at a time.
// It is false if the columns do not determine the coefficients.
func (cs clusters) interval(confidence, floor float64, factors ...float64) (estimate, lower, upper float64, ok bool) {
	products, moments := mat.NewSymDense(len(factors), nil), mat.NewVecDense(len(factors), nil)
	for _, c := range cs {
		products.AddSym(products, c.products)
		moments.AddVec(moments, c.moments)
	}
	if estimate, ok = combined(products, moments, factors); !ok {
		return 0, 0, 0, false
	}
	n, squares := float64(len(cs)), 0.0
	for _, c := range cs {
		var less mat.SymDense
		var fewer mat.VecDense
		less.ScaleSym(-1, c.products)
		less.AddSym(products, &less)
		fewer.SubVec(moments, c.moments)
		without, ok := combined(&less, &fewer, factors)
		if !ok {
			return 0, 0, 0, false
		}
		squares += (without - estimate) * (without - estimate)
	}
	margin := max(floor, quantileT(n-1, confidence)*math.Sqrt((n-1)/n*squares))
	return estimate, estimate - margin, estimate + margin, true
}

// combined is the sum of the coefficients times their factors.
func combined(products *mat.SymDense, moments *mat.VecDense, factors []float64) (float64, bool) {
	var cholesky mat.Cholesky
	var coefficients mat.VecDense
	if !cholesky.Factorize(products) || cholesky.Cond() > worstConditioned || cholesky.SolveVecTo(&coefficients, moments) != nil {
		return 0, false
	}
	return mat.Dot(&coefficients, mat.NewVecDense(len(factors), factors)), true
}
