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

// In a long run the warm-up is searched in some of the readings only, the last included.
func TestWarmUpOfALongRun(t *testing.T) {
	for _, n := range []int{251, 997, 1000, 1003} {
		for _, stop := range []int{n / 20, n / 3, 3 * n / 4} {
			r := rand.New(rand.NewPCG(uint64(n), uint64(stop)))
			iterations := trace(30_000, 20, grow(20, n, func(i float64) float64 { return 0.5*min(i, float64(stop)) + 0.1*r.NormFloat64() })...)
			v := verdict.Judge(iterations, fixed)
			assert.Equal(t, verdict.NoLeak, v.Kind, "%d of %d: %s", stop, n, v.Sentence)
			assert.GreaterOrEqual(t, v.WarmUp, stop-1, "%d of %d", stop, n)
			assert.LessOrEqual(t, v.WarmUp, stop+stop/6+10, "%d of %d: later by a step of the search, and by two of the readings that it takes", stop, n)
		}
	}
	flat := trace(30_000, 20, grow(20, 1000, func(float64) float64 { return 0 })...)
	assert.Equal(t, 1, verdict.Judge(flat, fixed).WarmUp)
}
