package verdict_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"

	"leaklab/loader/verdict"
	"leaklab/loader/verdict/synthetic"
)

// The interval covers the true growth in at least 93% of the traces, or in the share
// that the package comment gives where coverage is known to be less.
func TestIntervalsHoldTheTruth(t *testing.T) {
	traces := 250
	if testing.Short() {
		traces = 60
	}
	plans := []struct {
		plan  synthetic.Plan
		least float64
	}{
		{synthetic.Plan{Pattern: synthetic.Flat, Noise: 0.1e6}, 0.93},
		{synthetic.Plan{Pattern: synthetic.Steady, Growth: 40, Noise: 0.3e6}, 0.93},
		{synthetic.Plan{Pattern: synthetic.SawTooth, Growth: 40, Noise: 0.3e6}, 0.93},
		{synthetic.Plan{Pattern: synthetic.Steps, Growth: 40, Noise: 0.3e6}, 0.93},
		{synthetic.Plan{Pattern: synthetic.Jumps, Growth: 40, Noise: 0.3e6}, 0.75},
		{synthetic.Plan{Pattern: synthetic.Plateau, Growth: 100, Noise: 0.1e6}, 0.93},
		{synthetic.Plan{Pattern: synthetic.Log, Growth: 400, Noise: 0.1e6}, 0.93},
		{synthetic.Plan{Pattern: synthetic.Filling, Growth: 400, Noise: 0.1e6}, 0.93},
	}
	for _, tt := range plans {
		for _, persistence := range []float64{0, 0.6} {
			for _, n := range []int{12, 30} {
				r := rand.New(rand.NewPCG(1, uint64(n)))
				plan := tt.plan
				plan.Persistence, plan.Iterations = persistence, n
				held := 0
				for range traces {
					trace := synthetic.Make(plan, r)
					v := verdict.Judge(trace.Iterations, fixed)
					if truth := trace.Growth(v.Judged); v.Lower <= truth && truth <= v.Upper {
						held++
					}
				}
				// Allow for two standard errors of the share.
				slack := 0.02 * 250 / float64(traces)
				assert.GreaterOrEqual(t, float64(held)/float64(traces), tt.least-min(slack, 0.08), "%+v", plan)
			}
		}
	}
}

// A clean server is not a leak at any look, and a leaking one never "no leak".
func TestLooksDoNotInflateFalseAlarms(t *testing.T) {
	const maxIterations = 100
	traces := 100
	if testing.Short() {
		traces = 40
	}
	options := verdict.Options{Tolerance: 4, MaxIterations: maxIterations}
	for _, tt := range []struct {
		plan  synthetic.Plan
		never verdict.Kind
	}{
		{synthetic.Plan{Pattern: synthetic.Flat, Noise: 0.3e6}, verdict.Leak},
		{synthetic.Plan{Pattern: synthetic.Flat, Noise: 0.3e6, Persistence: 0.6}, verdict.Leak},
		{synthetic.Plan{Pattern: synthetic.Flat, Noise: 0.1e6, Persistence: 1}, verdict.Leak},
		{synthetic.Plan{Pattern: synthetic.Flat, Noise: 4e6}, verdict.Leak},
		{synthetic.Plan{Pattern: synthetic.Steady, Growth: 16, Noise: 0.3e6}, verdict.NoLeak},
		{synthetic.Plan{Pattern: synthetic.SawTooth, Growth: 16, Noise: 0.3e6}, verdict.NoLeak},
	} {
		r := rand.New(rand.NewPCG(2, 2))
		tt.plan.Iterations = maxIterations
		wrong := 0
		for range traces {
			its := synthetic.Make(tt.plan, r).Iterations
			for _, n := range verdict.Looks(maxIterations) {
				if v := verdict.Judge(its[:n], options); v.Kind != verdict.Inconclusive {
					if v.Kind == tt.never {
						wrong++
					}
					break
				}
			}
		}
		assert.LessOrEqual(t, float64(wrong)/float64(traces), 0.025, "%+v", tt.plan)
	}
}

func TestLooks(t *testing.T) {
	assert.Equal(t, []int{5, 7, 10, 14, 20, 28, 40, 56, 79, 100}, verdict.Looks(100))
	assert.Equal(t, []int{5}, verdict.Looks(5))
	assert.Empty(t, verdict.Looks(4))

	leak := trace(30000, 7, grow(13, 12, func(i float64) float64 { return 3 * i })...)
	options := verdict.Options{Tolerance: 4, MaxIterations: 100}
	between := verdict.Judge(leak[:9], options)
	assert.Equal(t, verdict.Inconclusive, between.Kind)
	assert.Equal(t, 10, between.NextLook)
	assert.Equal(t, 1, between.MoreIterations)
	assert.True(t, between.Estimated)
	assert.InDelta(t, 0.995, between.Confidence, 1e-12)
	early := verdict.Judge(leak[:7], options)
	assert.Equal(t, verdict.Inconclusive, early.Kind)
	at := verdict.Judge(leak[:10], options)
	assert.Equal(t, verdict.Leak, at.Kind)
	assert.Zero(t, at.NextLook)
}
