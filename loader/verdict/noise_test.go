package verdict

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// covariance is that of n errors, from what defines the noise instead of from its filter: the Yule-Walker equations
// for what passes, and the number of steps that two errors have in common for what stays.
func (z noise) covariance(n int) *mat.SymDense {
	passing := []float64{1 - z.staying, (1 - z.staying) * z.passing[0] / (1 - z.passing[1])}
	for len(passing) < n {
		last := len(passing) - 1
		passing = append(passing, z.passing[0]*passing[last]+z.passing[1]*passing[last-1])
	}
	errors := mat.NewSymDense(n, nil)
	for i := range n {
		for j := i; j < n; j++ {
			errors.SetSym(i, j, passing[j-i]+z.staying*float64(i+1))
		}
	}
	return errors
}

// Whitened errors have the likelihood that the errors' covariance gives them, also when the filter has settled.
func TestWhiten(t *testing.T) {
	for _, z := range noises {
		for _, n := range []int{1, 2, 12, 60} {
			t.Run(fmt.Sprintf("%v staying %v, %d readings", z.passing, z.staying, n), func(t *testing.T) {
				var cholesky mat.Cholesky
				require.True(t, cholesky.Factorize(z.covariance(n)))
				r := rand.New(rand.NewPCG(1, uint64(n)))
				errors := make([]float64, n)
				for i := range errors {
					errors[i] = r.NormFloat64()
				}
				var weighted mat.VecDense
				require.NoError(t, cholesky.SolveVecTo(&weighted, mat.NewVecDense(n, errors)))
				whitened, logJacobian := z.whiten([][]float64{errors})
				assert.InEpsilon(t, floats.Dot(errors, weighted.RawVector().Data), floats.Dot(whitened[0], whitened[0]), 1e-6)
				assert.InDelta(t, cholesky.LogDet(), -2*logJacobian, 1e-6)
			})
		}
	}
}

func TestPriorsAddUp(t *testing.T) {
	total := 0.0
	for _, z := range noises {
		total += z.prior
	}
	assert.InDelta(t, 1, total, 1e-9)
}
