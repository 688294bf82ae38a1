package verdict_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"

	"leaklab/loader/verdict"
	"leaklab/loader/verdict/synthetic"
)

// verdicts is how many traces of a plan got each kind of verdict, with the growths of all.
func verdicts(plan synthetic.SplitPlan, traces int) (kinds map[verdict.Kind]int, growths []float64) {
	r := rand.New(rand.NewPCG(3, 3))
	kinds = make(map[verdict.Kind]int)
	for range traces {
		v := verdict.Judge(synthetic.MakeSplit(plan, r).Iterations, fixed)
		kinds[v.Kind]++
		growths = append(growths, v.Growth)
	}
	return kinds, growths
}

// Live memory decides ten iterations of a second, though it moves by a few hundred bytes, tables double, and a collector
// makes resident memory jump by up to 45 MB.
func TestLiveMemoryDecides(t *testing.T) {
	const traces = 20
	for _, requests := range []float64{1500, 5000} {
		for _, live := range synthetic.LivePatterns() {
			kinds, growths := verdicts(synthetic.SplitPlan{
				Live: live, Iterations: 10, Requests: requests, Object: 106, LiveNoise: 800,
				Outside: synthetic.Plan{Pattern: synthetic.Flat, Noise: 0.05e6},
			}, traces)
			if live == synthetic.Clean {
				assert.Zero(t, kinds[verdict.Leak])
				assert.LessOrEqual(t, kinds[verdict.Inconclusive], 2, "%v requests", requests)
				continue
			}
			assert.Equal(t, traces, kinds[verdict.Leak], "%s, %v requests", live, requests)
			for _, growth := range growths {
				if live == synthetic.List {
					assert.InEpsilon(t, 106, growth, 0.05)
				}
			}
		}
	}
}

// A leak outside the heap is practically never no leak, if it gains a few times the noise. A warm-up there is seldom a leak.
func TestMemoryOutsideTheHeapIsJudged(t *testing.T) {
	traces := 60
	if testing.Short() {
		traces = 25
	}
	steady := func(growth, noise, persistence float64) synthetic.Plan {
		return synthetic.Plan{Pattern: synthetic.Steady, Growth: growth, Noise: noise, Persistence: persistence}
	}
	for _, tt := range []struct {
		requests float64
		plan     synthetic.Plan
		most     map[verdict.Kind]float64 // share
	}{
		{30_000, steady(20, 0.2e6, 0), map[verdict.Kind]float64{verdict.NoLeak: 0.02}},
		{30_000, steady(20, 0.1e6, 1), map[verdict.Kind]float64{verdict.NoLeak: 0.02}},
		{30_000, steady(80, 1e6, 0), map[verdict.Kind]float64{verdict.NoLeak: 0.02}},
		{3000, steady(80, 0.2e6, 0), map[verdict.Kind]float64{verdict.NoLeak: 0.02}},
		{3000, steady(400, 0.2e6, 1), map[verdict.Kind]float64{verdict.NoLeak: 0, verdict.Inconclusive: 0.4}},
		{30_000, steady(400, 4e6, 0), map[verdict.Kind]float64{verdict.NoLeak: 0, verdict.Inconclusive: 0.4}},
		{3000, synthetic.Plan{Pattern: synthetic.Flat, Noise: 0.1e6}, map[verdict.Kind]float64{verdict.Leak: 0, verdict.Inconclusive: 0.15}},
		{30_000, synthetic.Plan{Pattern: synthetic.Flat, Noise: 0.2e6}, map[verdict.Kind]float64{verdict.Leak: 0, verdict.Inconclusive: 0.1}},
		{30_000, synthetic.Plan{Pattern: synthetic.Flat, Noise: 0.4e6, Persistence: 1}, map[verdict.Kind]float64{verdict.Leak: 0.05}},
		{30_000, synthetic.Plan{Pattern: synthetic.Plateau, Growth: 100, Noise: 0.2e6}, map[verdict.Kind]float64{verdict.Leak: 0.05}},
		{30_000, synthetic.Plan{Pattern: synthetic.Log, Growth: 100, Noise: 0.2e6}, map[verdict.Kind]float64{verdict.Leak: 0.05}},
		{30_000, synthetic.Plan{Pattern: synthetic.Filling, Growth: 100, Noise: 0.2e6}, map[verdict.Kind]float64{verdict.Leak: 0.05}},
	} {
		iterations := 10
		if _, found := tt.most[verdict.Inconclusive]; found && tt.plan.Pattern == synthetic.Steady {
			iterations = 14 // a leak this noisy takes more than ten
		}
		kinds, _ := verdicts(synthetic.SplitPlan{Live: synthetic.Clean, Iterations: iterations, Requests: tt.requests, LiveNoise: 800, Outside: tt.plan}, traces)
		for kind, most := range tt.most {
			assert.LessOrEqual(t, float64(kinds[kind]), most*float64(traces)+1e-9, "%q: %v requests, %+v: %v", kind, tt.requests, tt.plan, kinds)
		}
	}
}

// A run that goes on until it is decided finds a leak in live memory at one of its first two looks, and none at the first look
// that shows it.
func TestLooksAtLiveMemory(t *testing.T) {
	const maxIterations = 40
	options := verdict.Options{Tolerance: 4, MaxIterations: maxIterations}
	for _, live := range []synthetic.LivePattern{synthetic.Clean, synthetic.List} {
		r := rand.New(rand.NewPCG(4, 4))
		for range 10 {
			trace := synthetic.MakeSplit(synthetic.SplitPlan{
				Live: live, Iterations: maxIterations, Requests: 5000, Object: 106, LiveNoise: 800,
				Outside: synthetic.Plan{Pattern: synthetic.Flat, Noise: 0.02e6},
			}, r)
			var v verdict.Verdict
			n := 0
			for _, n = range verdict.Looks(maxIterations) {
				if v = verdict.Judge(trace.Iterations[:n], options); v.Kind != verdict.Inconclusive {
					break
				}
			}
			if live == synthetic.Clean {
				assert.Equal(t, verdict.NoLeak, v.Kind, v.Sentence)
				assert.LessOrEqual(t, n, 28)
			} else {
				assert.Equal(t, verdict.Leak, v.Kind, v.Sentence)
				assert.LessOrEqual(t, n, 7)
			}
		}
	}
}
