package verdict

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"gonum.org/v1/gonum/floats"
)

// Several regressions of one curve are those of each one alone, also where one of the others cannot be fitted.
func TestRegressEach(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	c := curve{scale: ofPages}
	line, root, none := []float64{}, []float64{}, make([]float64, 60)
	for i := range 60 {
		c.requests = append(c.requests, float64(1000*i))
		c.bytes = append(c.bytes, 5000*float64(i)+20_000*r.NormFloat64())
		line, root = append(line, float64(1000*i)), append(root, math.Sqrt(float64(i)))
	}
	all := regressEach(noiseModels, c, [][]float64{line, none, root}, []int{0}, []int{1}, []int{2, 0}, []int{0, 1}, []int{0, 0})
	for n, columns := range [][][]float64{{line}, {none}, {root, line}, {line, none}, {line, line}} {
		alone, likelihood, ok := regress(noiseModels, c, columns...)
		assert.Equal(t, regression{alone, likelihood, ok}, all[n])
		assert.Equal(t, n == 0 || n == 2, all[n].ok, "columns of zeros, or twice the same, determine nothing")
	}
	assert.InDelta(t, 5, all[0].quantile(0.5), 1, "bytes a request")
	total := 0.0
	for _, p := range all[0].components {
		assert.GreaterOrEqual(t, p.weight, negligible)
		total += p.weight
	}
	assert.InDelta(t, 1, total, 1e-9)
}

// Any number of columns is whitened as each of them alone.
func TestColumnsAreWhitenedAlike(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	for _, z := range noiseModels {
		for _, rows := range []int{1, 2, len(z.filter), len(z.filter) + 1, 200} {
			var columns [][]float64
			for range 5 {
				column := make([]float64, rows)
				for i := range column {
					column[i] = r.NormFloat64()
				}
				columns = append(columns, column)
				together, jacobian := z.whiten(columns)
				for n, column := range columns {
					alone, same := z.whiten([][]float64{column})
					assert.True(t, floats.Equal(alone[0], together[n]))
					assert.Equal(t, same, jacobian)
				}
			}
		}
	}
}
