package verdict_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/verdict"
)

const megabyte = 1_000_000

var fixed = verdict.Options{Tolerance: 4}

// trace is iterations of the same number of requests: the reading before the
// first, then the end readings, in megabytes.
func trace(requests uint64, start float64, ends ...float64) []verdict.Iteration {
	var its []verdict.Iteration
	for _, end := range ends {
		its = append(its, verdict.Iteration{
			Requests: requests, StartBytes: uint64(start * megabyte), EndBytes: uint64(end * megabyte),
		})
		start = end
	}
	return its
}

// grow is n end readings after first, each f(i) megabytes above it, i from 1.
func grow(first float64, n int, f func(i float64) float64) []float64 {
	var ends []float64
	for i := range n {
		ends = append(ends, first+f(float64(i+1)))
	}
	return ends
}

func TestJudge(t *testing.T) {
	bump := []float64{0.06, -0.03, 0.02, -0.07, 0.05, 0.01, -0.04, 0.07, -0.02, 0.03, -0.05, 0.04}
	noisy := func(f func(i float64) float64) func(i float64) float64 {
		return func(i float64) float64 { return f(i) + bump[int(i-1)%len(bump)] }
	}
	tests := []struct {
		name    string
		its     []verdict.Iteration
		kind    verdict.Kind
		pattern verdict.Pattern
		// warmUp is the least and the largest number of warm-up iterations.
		warmUp [2]int
		// growth is the true one; within the interval.
		growth float64
	}{
		{
			name:    "clean Go server: two iterations of warm-up, then noise",
			its:     trace(24000, 7, append([]float64{13.7, 14.4}, grow(14.4, 10, noisy(func(float64) float64 { return 0 }))...)...),
			kind:    verdict.NoLeak,
			pattern: verdict.PatternWarmUp,
			warmUp:  [2]int{1, 3},
		},
		{
			name:    "clean nginx: exactly flat",
			its:     trace(40000, 7.1, 7.1, 7.1, 7.1, 7.1, 7.1, 7.1, 7.1, 7.1, 7.1, 7.1, 7.1, 7.1),
			kind:    verdict.NoLeak,
			pattern: verdict.PatternNone,
			warmUp:  [2]int{1, 1},
		},
		{
			name:    "clean hyper: creeps by 2 bytes a request",
			its:     trace(35000, 3.6, grow(3.8, 12, func(i float64) float64 { return 0.07 * i })...),
			kind:    verdict.NoLeak,
			pattern: verdict.PatternSteady,
			warmUp:  [2]int{1, 1},
			growth:  2,
		},
		{
			name:    "steady leak of 100 bytes a request",
			its:     trace(30000, 7, grow(13, 12, noisy(func(i float64) float64 { return 3 * i }))...),
			kind:    verdict.Leak,
			pattern: verdict.PatternSteady,
			warmUp:  [2]int{1, 2},
			growth:  100,
		},
		{
			name:    "uneven saw-tooth of a collected heap",
			its:     trace(28000, 7, 17, 19.9, 23.4, 22.1, 26.7, 32.6, 31.2, 36.2, 36.2, 41.8, 40.6, 46.3),
			kind:    verdict.Leak,
			pattern: verdict.PatternSteady,
			warmUp:  [2]int{1, 1},
			growth:  94,
		},
		{
			name:    "cache that rises straight and then stops",
			its:     trace(30000, 7, append(grow(10, 6, func(i float64) float64 { return 5 * i }), grow(40, 6, noisy(func(float64) float64 { return 0 }))...)...),
			kind:    verdict.NoLeak,
			pattern: verdict.PatternWarmUp,
			warmUp:  [2]int{6, 7},
		},
		{
			name:    "the stop is too near the end",
			its:     trace(30000, 7, append(grow(10, 9, func(i float64) float64 { return 5 * i }), 55.1, 55, 55.05)...),
			kind:    verdict.Inconclusive,
			pattern: verdict.PatternSlowing,
			warmUp:  [2]int{1, 8},
			growth:  math.NaN(),
		},
		{
			name:    "cache that fills like the logarithm",
			its:     trace(25000, 80, grow(85, 12, noisy(func(i float64) float64 { return 10.7 * math.Log(i) }))...),
			kind:    verdict.Inconclusive,
			pattern: verdict.PatternSlowing,
			warmUp:  [2]int{1, 8},
			growth:  math.NaN(),
		},
		{
			name:    "bursts: varies by far more than the tolerance",
			its:     trace(4600, 8, 24, 15, 28, 13, 21, 16, 27, 14, 19, 26, 13, 23),
			kind:    verdict.Inconclusive,
			pattern: verdict.PatternWarmUp,
			warmUp:  [2]int{1, 1},
		},
		{
			name:    "Python: 0.05 MB over 3,500 requests is below the floor",
			its:     trace(290, 22.4, grow(22.5, 12, func(i float64) float64 { return 0.005 * i })...),
			kind:    verdict.Inconclusive,
			pattern: verdict.PatternNone,
			warmUp:  [2]int{1, 2},
			growth:  17,
		},
		{
			name:    "one outlier in a flat trace",
			its:     trace(40000, 7, 7.5, 7.5, 7.5, 7.5, 7.5, 19, 7.5, 7.5, 7.5, 7.5, 7.5, 7.5),
			kind:    verdict.NoLeak,
			pattern: verdict.PatternWarmUp,
			warmUp:  [2]int{1, 1},
		},
		{
			name:    "one outlier in a leak",
			its:     trace(30000, 7, 13, 16, 19, 22, 25, 12, 31, 34, 37, 40, 43, 46),
			kind:    verdict.Leak,
			pattern: verdict.PatternSteady,
			warmUp:  [2]int{1, 1},
			growth:  100,
		},
		{
			name: "grew fast for longer than it has been growing slowly",
			its: trace(30000, 7, append(grow(10, 14, func(i float64) float64 { return 5 * i }),
				grow(80, 8, noisy(func(i float64) float64 { return 0.4 * i }))...)...),
			kind:    verdict.Inconclusive,
			pattern: verdict.PatternSlowing,
			warmUp:  [2]int{12, 16},
			growth:  13.3,
		},
		{
			name: "a step at the end is no outlier",
			its:  trace(40000, 7, 7.5, 7.5, 7.5, 7.5, 7.5, 7.5, 7.5, 7.5, 7.5, 7.5, 7.5, 12),
			kind: verdict.Inconclusive, pattern: verdict.PatternNone, warmUp: [2]int{1, 1}, growth: math.NaN(),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := verdict.Judge(tt.its, fixed)
			t.Log(v.Sentence, v.Advice)
			assert.Equal(t, tt.kind, v.Kind, v.Statistic)
			assert.Equal(t, tt.pattern, v.Pattern)
			assert.GreaterOrEqual(t, v.WarmUp, tt.warmUp[0])
			assert.LessOrEqual(t, v.WarmUp, tt.warmUp[1])
			if !math.IsNaN(tt.growth) {
				assert.LessOrEqual(t, v.Lower, tt.growth)
				assert.GreaterOrEqual(t, v.Upper, tt.growth)
			}
			assert.True(t, strings.HasPrefix(v.Sentence, map[verdict.Kind]string{
				verdict.Leak: "Leak:", verdict.NoLeak: "No leak:", verdict.Inconclusive: "Inconclusive:",
			}[v.Kind]))
			for _, figure := range []string{" bytes a request (", "95%", "tolerance of"} {
				assert.NotContains(t, v.Explanation, figure)
			}
			assert.NotRegexp(t, "^(Leak|No leak|Inconclusive):", v.Explanation)
			assert.Contains(t, v.Explanation, "iterations "+v.Judged.String())
			assert.Equal(t, v.Kind == verdict.Inconclusive, v.Advice != "")
		})
	}
}

func TestTooFewIterationsAreInconclusive(t *testing.T) {
	ends := []float64{10, 20, 30, 40}
	for n := range 5 {
		v := verdict.Judge(trace(30000, 5, ends[:n]...), fixed)
		assert.Equal(t, verdict.Inconclusive, v.Kind)
		assert.False(t, v.Estimated)
		assert.Equal(t, 5-n, v.MoreIterations)
		assert.NotEmpty(t, v.Sentence)
		assert.Equal(t, v.Sentence, v.Explanation)
		assert.NotEmpty(t, v.Advice)
	}
	v := verdict.Judge(trace(30000, 5, 10, 20, 30, 40, 50), fixed)
	assert.True(t, v.Estimated)
}

func TestRequests(t *testing.T) {
	none := trace(0, 5, 10, 20, 30, 40, 50, 60)
	v := verdict.Judge(none, fixed)
	assert.Equal(t, verdict.Inconclusive, v.Kind)
	assert.False(t, v.Estimated)
	assert.NotEmpty(t, v.Advice)

	one := trace(30000, 7, grow(13, 12, func(i float64) float64 { return 3 * i })...)
	one[5].Requests = 0
	one[5].EndBytes = one[5].StartBytes
	v = verdict.Judge(one, fixed)
	assert.Equal(t, verdict.Leak, v.Kind, v.Sentence)

	few := trace(30000, 7, grow(13, 12, func(i float64) float64 { return 3 * i })...)
	for i := range few[1:] {
		few[i+1].Requests = 0
	}
	assert.Equal(t, verdict.Inconclusive, verdict.Judge(few, fixed).Kind)
}

func TestHugeReadings(t *testing.T) {
	var its []verdict.Iteration
	for i := range uint64(12) {
		its = append(its, verdict.Iteration{
			Requests:   math.MaxUint64 / 16,
			StartBytes: math.MaxUint64/2 + i*(math.MaxUint64/64),
			EndBytes:   math.MaxUint64/2 + (i+1)*(math.MaxUint64/64),
		})
	}
	v := verdict.Judge(its, fixed)
	require.True(t, v.Estimated)
	assert.InDelta(t, 0.25, v.Growth, 0.01)
	for _, x := range []float64{v.Lower, v.Upper, v.Early, v.Late, v.Resolution} {
		assert.False(t, math.IsNaN(x) || math.IsInf(x, 0))
	}
	extremes := []verdict.Iteration{}
	for i := range 12 {
		it := verdict.Iteration{Requests: math.MaxUint64, StartBytes: 0, EndBytes: math.MaxUint64}
		if i%2 == 1 {
			it.StartBytes, it.EndBytes = it.EndBytes, it.StartBytes
		}
		extremes = append(extremes, it)
	}
	assert.Equal(t, verdict.NoLeak, verdict.Judge(extremes, fixed).Kind)
}

func TestRestart(t *testing.T) {
	leaking := trace(30000, 7, grow(13, 12, func(i float64) float64 { return 6 * i })...)
	clean := trace(30000, 7.1, 13.6, 14.3, 14.4, 14.35, 14.4, 14.35, 14.4, 14.4, 14.35, 14.4)
	v := verdict.Judge(append(leaking, clean...), fixed)
	assert.Equal(t, 13, v.RestartedBefore)
	assert.GreaterOrEqual(t, v.Judged.First, 14)
	assert.Equal(t, 22, v.Judged.Last)
	assert.Equal(t, verdict.NoLeak, v.Kind, v.Sentence)
	assert.Contains(t, v.Sentence, "restarted before iteration 13")

	v = verdict.Judge(append(leaking, clean[:3]...), fixed)
	assert.Equal(t, verdict.Inconclusive, v.Kind)
	assert.Equal(t, 13, v.RestartedBefore)
	assert.Contains(t, v.Sentence, "restarted before iteration 13")

	// During iteration 7 the server starts anew: iteration 8 is the first judged.
	during := trace(30000, 7, 13, 25, 37, 49, 61, 73, 14, 26, 38, 50, 62, 74, 86, 98)
	v = verdict.Judge(during, fixed)
	assert.Equal(t, 8, v.RestartedBefore)
	assert.Equal(t, verdict.Leak, v.Kind, v.Sentence)

	breathing := trace(4600, 8, 24, 8, 28, 9, 21, 8, 27, 9, 26, 8, 23, 9)
	assert.Zero(t, verdict.Judge(breathing, fixed).RestartedBefore)
}

func TestJudgeIsDeterministic(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 50 {
		var its []verdict.Iteration
		for range 5 + r.IntN(40) {
			its = append(its, verdict.Iteration{
				Requests: r.Uint64N(50000), StartBytes: r.Uint64N(50 * megabyte), EndBytes: r.Uint64N(50 * megabyte),
			})
		}
		before := append([]verdict.Iteration(nil), its...)
		assert.Equal(t, verdict.Judge(its, fixed), verdict.Judge(its, fixed))
		assert.Equal(t, before, its, "the input stays as it is")
	}
}

func TestGrowthIsPerRequestAndFreeOfTheLevel(t *testing.T) {
	ends := []float64{17, 19.9, 23.4, 22.1, 26.7, 32.6, 31.2, 36.2, 36.2, 41.8, 40.6, 46.3}
	v := verdict.Judge(trace(28000, 7, ends...), fixed)
	twice := verdict.Judge(trace(56000, 7, ends...), fixed)
	assert.InEpsilon(t, v.Growth, 2*twice.Growth, 1e-9)
	assert.InEpsilon(t, v.Lower, 2*twice.Lower, 1e-9)
	assert.InEpsilon(t, v.Upper, 2*twice.Upper, 1e-9)

	var higher []float64
	for _, e := range ends {
		higher = append(higher, e+1e6)
	}
	above := verdict.Judge(trace(28000, 7+1e6, higher...), fixed)
	assert.InEpsilon(t, v.Growth, above.Growth, 1e-3)
	assert.InEpsilon(t, v.Lower, above.Lower, 1e-3)
}

func TestMoreIterationsDecide(t *testing.T) {
	flat := func(n int) []verdict.Iteration {
		r := rand.New(rand.NewPCG(3, 3))
		var ends []float64
		for range n {
			ends = append(ends, 20+0.4*r.NormFloat64())
		}
		return trace(20000, 12, ends...)
	}
	v := verdict.Judge(flat(12), fixed)
	require.Equal(t, verdict.Inconclusive, v.Kind)
	require.Positive(t, v.MoreIterations)
	require.Less(t, v.MoreIterations, 100)
	assert.Equal(t, verdict.NoLeak, verdict.Judge(flat(12+2*v.MoreIterations), fixed).Kind)
}

func TestToleranceDecides(t *testing.T) {
	its := trace(30000, 7, grow(13, 12, func(i float64) float64 { return 3 * i })...)
	assert.Equal(t, verdict.Leak, verdict.Judge(its, verdict.Options{Tolerance: 50}).Kind)
	assert.Equal(t, verdict.Inconclusive, verdict.Judge(its, verdict.Options{Tolerance: 100}).Kind)
	assert.Equal(t, verdict.NoLeak, verdict.Judge(its, verdict.Options{Tolerance: 150}).Kind)
}

// Every sentence names the unit of the growth, and only that one.
func TestUnit(t *testing.T) {
	for name, gain := range map[string]uint64{"leak": 1 << 20, "no leak": 0} {
		iterations := make([]verdict.Iteration, 12)
		for n := range iterations {
			iterations[n] = verdict.Iteration{Requests: 1, StartBytes: 1<<24 + uint64(n)*gain, EndBytes: 1<<24 + uint64(n+1)*gain}
		}
		perIteration := verdict.Judge(iterations, verdict.Options{Tolerance: 100_000, Unit: verdict.PerIteration})
		perRequest := verdict.Judge(iterations, verdict.Options{Tolerance: 100_000})
		assert.Equal(t, verdict.Kind(name), perIteration.Kind)
		assert.Contains(t, perIteration.Sentence, " bytes an iteration (")
		assert.Contains(t, perIteration.Statistic, " bytes/iteration (")
		assert.NotContains(t, perIteration.Sentence+perIteration.Explanation+perIteration.Statistic, "request")
		assert.Contains(t, perRequest.Sentence, " bytes a request (")
		assert.Contains(t, perRequest.Statistic, " bytes/request (")

		perRequest.Unit, perRequest.Sentence, perRequest.Statistic = perIteration.Unit, perIteration.Sentence, perIteration.Statistic
		perRequest.Explanation = perIteration.Explanation
		assert.Equal(t, perIteration, perRequest, "it changes only the words")
	}
	few := verdict.Judge(make([]verdict.Iteration, 6), verdict.Options{Tolerance: 4, Unit: verdict.PerIteration})
	assert.Equal(t, verdict.Inconclusive, few.Kind)
}
