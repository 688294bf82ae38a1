package verdict_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/verdict"
	"leaklab/loader/verdict/synthetic"
)

// readings is iterations of the same number of requests with the given end readings, in units of the given number of bytes.
func readings(requests uint64, unit float64, ends ...float64) []verdict.Iteration {
	var its []verdict.Iteration
	start := ends[0]
	for _, end := range ends {
		its = append(its, verdict.Iteration{Requests: requests, StartBytes: uint64(start * unit), EndBytes: uint64(end * unit)})
		start = end
	}
	return its
}

// Servers that fill, stop or fall, as they were seen.
func TestWhatFillsStopsOrFallsIsNotCalledALeak(t *testing.T) {
	const kib, mib = 1 << 10, 1 << 20
	curve := func(n int, f func(i float64) float64) []verdict.Iteration {
		return readings(7500, mib, grow(10, n, f)...)
	}
	flat := []float64{29568, 29568, 29568, 29568, 29568, 29568, 29568, 29568, 29568}
	for _, tt := range []struct {
		name string
		its  []verdict.Iteration
		want []verdict.Kind
	}{
		{"buffers that keep their largest size", readings(7500, mib, 77, 135, 174, 201, 240, 269, 293, 317, 340, 367), []verdict.Kind{verdict.Inconclusive}},
		{"a square root", curve(10, func(i float64) float64 { return 60 * math.Sqrt(i) }), []verdict.Kind{verdict.Inconclusive}},
		{"an exponential", curve(10, func(i float64) float64 { return 400 * (1 - math.Exp(-i/20)) }), []verdict.Kind{verdict.Inconclusive}},
		{"a power below 1", curve(10, func(i float64) float64 { return 60 * math.Pow(i, 0.7) }), []verdict.Kind{verdict.Inconclusive}},
		{"a staircase whose last five readings are equal", readings(7500, mib, 27, 33, 38, 40, 47, 47, 49, 56, 61, 82, 82, 82, 82, 82), []verdict.Kind{verdict.Inconclusive, verdict.NoLeak}},
		{"a fall in the first iteration, then flat", readings(18_000, kib, append([]float64{30572}, flat...)...), []verdict.Kind{verdict.NoLeak}},
		{"a rise in the first iteration, then flat", readings(18_000, kib, append([]float64{28564}, flat...)...), []verdict.Kind{verdict.NoLeak}},
		{"half a megabyte in 60 requests", readings(6, kib, 13000, 13056, 13096, 13136, 13180, 13220, 13264, 13304, 13348, 13388), []verdict.Kind{verdict.Inconclusive}},
	} {
		v := verdict.Judge(tt.its, fixed)
		assert.Contains(t, tt.want, v.Kind, "%s: %s", tt.name, v.Sentence)
	}
}

// kindsOf is how many of the traces of a family got each kind of verdict. grows is that of synthetic.Family.Make.
func kindsOf(f synthetic.Family, iterations int, grows bool, traces int) map[verdict.Kind]int {
	r := rand.New(rand.NewPCG(5, uint64(iterations)))
	kinds := make(map[verdict.Kind]int)
	for range traces {
		kinds[verdict.Judge(f.Make(iterations, grows, r).Iterations, verdict.Options{Tolerance: f.Tolerance}).Kind]++
	}
	return kinds
}

// familiesOf are the families whose names have one of the prefixes. Each prefix is that of one or more.
func familiesOf(t *testing.T, prefixes ...string) []synthetic.Family {
	t.Helper()
	var all []synthetic.Family
	for _, prefix := range prefixes {
		before := len(all)
		for _, f := range synthetic.Families() {
			if strings.HasPrefix(f.Name, prefix) {
				all = append(all, f)
			}
		}
		require.Greater(t, len(all), before, prefix)
	}
	return all
}

// Of 408 pools of buffers, saturations and staircases that stopped, none is a leak after ten iterations.
func TestFamiliesThatLevelOffAreNoLeaks(t *testing.T) {
	const traces = 24
	families := familiesOf(t, "pool", "saturation", "staircase, no step")
	assert.Len(t, families, 17)
	for _, f := range families {
		assert.Zero(t, kindsOf(f, 10, false, traces)[verdict.Leak], f.Name)
		for _, longer := range []int{14, 20} {
			assert.LessOrEqual(t, kindsOf(f, longer, false, traces)[verdict.Leak], traces/3, "%s, %d iterations", f.Name, longer)
		}
	}
}

// Of leaks as fast as these, with the same noise, nearly all are found in 14 iterations.
func TestSteadyLeaksAreFound(t *testing.T) {
	const traces = 100
	families, undecided := familiesOf(t, "steady leak of", "leak of one response"), 0
	for _, f := range families {
		kinds := kindsOf(f, 14, false, traces)
		assert.Zero(t, kinds[verdict.NoLeak], f.Name)
		undecided += kinds[verdict.Inconclusive]
	}
	assert.LessOrEqual(t, undecided, len(families)*traces/20)
}

// Iterations that have ever more requests make neither a saturation straight nor a leak bent.
func TestUnequalIterations(t *testing.T) {
	const traces = 20
	for _, f := range familiesOf(t, "saturation") {
		assert.Zero(t, kindsOf(f, 10, true, traces)[verdict.Leak], f.Name)
	}
	for _, f := range familiesOf(t, "steady leak of 5", "live: 8 to 200 bytes a request, in a list") {
		kinds := kindsOf(f, 14, true, traces)
		assert.Zero(t, kinds[verdict.NoLeak], f.Name)
		assert.LessOrEqual(t, kinds[verdict.Inconclusive], traces/20, f.Name)
	}
}

// A run that goes on until it is decided is never wrong by live memory about what is kept in a list, and about nothing, noise
// and classes that are loaded.
func TestLiveFamiliesAreDecided(t *testing.T) {
	const traces, most = 20, 20
	for _, f := range familiesOf(t, "live: nothing", "live: 8 to 200 bytes a request, in a list", "live: 0.5 bytes", "live: classes", "live, and outside: any noise") {
		options := verdict.Options{Tolerance: f.Tolerance, MaxIterations: 100}
		r := rand.New(rand.NewPCG(6, 6))
		decided := 0
		for range traces {
			trace := f.Make(most, true, r)
			for _, n := range verdict.Looks(most) {
				v := verdict.Judge(trace.Iterations[:n], options)
				if v.Kind == verdict.Inconclusive {
					continue
				}
				assert.Equal(t, f.Truth, v.Kind, "%s, after %d iterations: %s", f.Name, n, v.Sentence)
				decided++
				break
			}
		}
		assert.GreaterOrEqual(t, decided, traces-1, f.Name)
	}
}
