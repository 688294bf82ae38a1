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

// covariance is that of n errors, from the model's definition instead of its filter: the Yule-Walker equations for the
// AR(2) part, and the number of steps that two errors have in common for the random walk.
func (z noiseModel) covariance(n int) *mat.SymDense {
	stationary := []float64{1 - z.walkShare, (1 - z.walkShare) * z.ar[0] / (1 - z.ar[1])}
	for len(stationary) < n {
		last := len(stationary) - 1
		stationary = append(stationary, z.ar[0]*stationary[last]+z.ar[1]*stationary[last-1])
	}
	errors := mat.NewSymDense(n, nil)
	for i := range n {
		for j := i; j < n; j++ {
			errors.SetSym(i, j, stationary[j-i]+z.walkShare*float64(i+1))
		}
	}
	return errors
}

// Whitened errors have the likelihood that the errors' covariance gives them, also after the filter has converged.
func TestWhiten(t *testing.T) {
	for _, z := range noiseModels {
		for _, n := range []int{1, 2, 12, 60} {
			t.Run(fmt.Sprintf("AR %v, random walk %v, %d readings", z.ar, z.walkShare, n), func(t *testing.T) {
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
	for _, z := range noiseModels {
		total += z.prior
	}
	assert.InDelta(t, 1, total, 1e-9)
}
