package verdict_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"

	"leaklab/loader/verdict"
)

// Growth that stops early in an iteration leaves too little in it to justify a further cut.
func TestWarmUpEndsWhereGrowthStops(t *testing.T) {
	const seeds = 20
	for _, stop := range []int{10, 17, 25, 33, 41, 48} {
		near := 0
		for seed := range uint64(seeds) {
			r := rand.New(rand.NewPCG(seed, uint64(stop)))
			var iterations []verdict.Iteration
			end := 20e6
			for n := range 100 {
				start := end
				end = 20e6 + 3e6*min(float64(n)+1, float64(stop)-0.8) + 0.1e6*r.NormFloat64()
				iterations = append(iterations, verdict.Iteration{Requests: 30_000, StartBytes: uint64(start), EndBytes: uint64(end)})
			}
			v := verdict.Judge(iterations, fixed)
			assert.Equal(t, verdict.NoLeak, v.Kind, "%d: %s", stop, v.Sentence)
			if v.WarmUp >= stop && v.WarmUp <= stop+3 {
				near++
			}
		}
		assert.GreaterOrEqual(t, near, seeds*3/4, "stop %d", stop)
	}
}
