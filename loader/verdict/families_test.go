package verdict_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

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
func TestWhatFillsStopsOrFallsIsNoLeak(t *testing.T) {
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

// kindsOf is how many of the traces of a family got each kind of verdict.
func kindsOf(f synthetic.Family, iterations, traces int) map[verdict.Kind]int {
	r := rand.New(rand.NewPCG(5, uint64(iterations)))
	kinds := make(map[verdict.Kind]int)
	for range traces {
		kinds[verdict.Judge(f.Make(iterations, false, r).Iterations, fixed).Kind]++
	}
	return kinds
}

// familiesOf are the families whose names have one of the prefixes.
func familiesOf(prefixes ...string) []synthetic.Family {
	var all []synthetic.Family
	for _, f := range synthetic.Families() {
		for _, prefix := range prefixes {
			if strings.HasPrefix(f.Name, prefix) {
				all = append(all, f)
			}
		}
	}
	return all
}

// Of 408 pools of buffers, saturations and staircases that stopped, none is a leak after ten iterations.
func TestFamiliesThatLevelOffAreNoLeaks(t *testing.T) {
	const traces = 24
	families := familiesOf("pool", "saturation", "staircase, no step")
	assert.Len(t, families, 17)
	for _, f := range families {
		assert.Zero(t, kindsOf(f, 10, traces)[verdict.Leak], f.Name)
	}
}

// A leak as fast as these, with the same noise, is found in 14 iterations.
func TestSteadyLeaksAreFound(t *testing.T) {
	const traces = 100
	for _, f := range familiesOf("steady leak of 5", "leak of one response") {
		kinds := kindsOf(f, 14, traces)
		assert.Zero(t, kinds[verdict.NoLeak], f.Name)
		assert.LessOrEqual(t, kinds[verdict.Inconclusive], traces/20, f.Name)
	}
}
