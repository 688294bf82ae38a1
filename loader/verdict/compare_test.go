package verdict_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"

	"leaklab/loader/verdict"
	"leaklab/loader/verdict/synthetic"
)

// made is a run of 12 iterations with the given growth in bytes per request and noise in bytes.
func made(seed uint64, growth, noise float64) []verdict.Iteration {
	pattern := synthetic.Steady
	if growth == 0 {
		pattern = synthetic.Flat
	}
	return synthetic.Make(synthetic.Plan{Pattern: pattern, Iterations: 12, Growth: growth, Noise: noise}, rand.New(rand.NewPCG(seed, seed))).Iterations
}

func TestCompare(t *testing.T) {
	for _, test := range []struct {
		name        string
		before, now []verdict.Iteration
		change      verdict.Change
		difference  float64
		says        string
	}{
		{"fixed", made(1, 60, 1e5), made(2, 0, 3e4), verdict.Fixed, -60, "Fixed: the old run is a leak and the new one is none; it grows less, by "},
		{"introduced", made(1, 0, 3e4), made(2, 60, 1e5), verdict.Worse, 60, "Worse: the new run grows more, by "},
		{"leaks more", made(1, 60, 1e5), made(2, 120, 1e5), verdict.Worse, 60, "Worse"},
		{"leaks less", made(1, 120, 1e5), made(2, 60, 1e5), verdict.Better, -60, `but its own verdict is "leak"`},
		{"both clean", made(1, 0, 3e4), made(2, 0, 3e4), verdict.Same, 0, "less than the tolerance of 4 bytes a request"},
		{"the same leak", made(1, 60, 2e4), made(2, 60, 2e4), verdict.Same, 0, "Same"},
		{"noise", made(1, 0, 3e6), made(2, 0, 3e6), verdict.CannotTell, 0, "Run both longer"},
		{"too short", made(1, 0, 3e4)[:4], made(2, 0, 3e4), verdict.CannotTell, 0, "one of the runs is too short"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := verdict.Compare(test.before, test.now, fixed)
			assert.Equal(t, test.change, c.Change, c.Sentence)
			assert.Contains(t, c.Sentence, test.says)
			assert.LessOrEqual(t, c.Lower, test.difference)
			assert.GreaterOrEqual(t, c.Upper, test.difference)
			assert.Equal(t, c, verdict.Compare(test.before, test.now, fixed), "the same each time")
			back := verdict.Compare(test.now, test.before, fixed)
			assert.InDelta(t, -c.Difference, back.Difference, 1e-6)
			assert.InDelta(t, -c.Lower, back.Upper, 0.02*(1+back.Upper-back.Lower), "the same the other way round")
		})
	}
}

// The interval of the difference covers the true one in at least 91% of the pairs.
func TestDifferenceHoldsTheTruth(t *testing.T) {
	const pairs = 120
	held := 0
	for n := range uint64(pairs) {
		c := verdict.Compare(made(2*n+1, 60, 3e5), made(2*n+2, 80, 3e5), fixed)
		if c.Lower <= 20 && 20 <= c.Upper {
			held++
		}
	}
	assert.GreaterOrEqual(t, held, pairs*91/100)
}

// Two runs with live memory are compared by it, whatever resident memory does, and by memory outside the heap if that
// decides one of them.
func TestCompareByParts(t *testing.T) {
	flat, jumps := linear(30e6, 0), func(i float64) float64 { return 40e6 + 20e6*math.Mod(i*0.618, 1) }
	clean := split(10, 3000, linear(4e6, 0), jumps, flat)
	leaky := split(10, 3000, linear(4e6, 300_000), jumps, flat)
	c := verdict.Compare(leaky, clean, fixed)
	assert.Equal(t, verdict.Fixed, c.Change, c.Sentence)
	assert.Equal(t, verdict.Live, c.Of)
	assert.InDelta(t, -100, c.Difference, 0.1)
	assert.Contains(t, c.Sentence, "in live memory.")
	assert.Equal(t, verdict.Same, verdict.Compare(clean, clean, fixed).Change)

	outside := split(10, 3000, linear(4e6, 0), jumps, linear(30e6, 3e6))
	c = verdict.Compare(clean, outside, fixed)
	assert.Equal(t, verdict.Worse, c.Change, c.Sentence)
	assert.Equal(t, verdict.Outside, c.Of)
	assert.InDelta(t, 1000, c.Difference, 1)

	c = verdict.Compare(leaking(), leaky, fixed)
	assert.Equal(t, verdict.Held, c.Of, "one of them has no live memory")
	assert.InDelta(t, 60, c.Old.GrowthOf(c.Of).Growth, 0.1)
	assert.InDelta(t, c.New.GrowthOf(c.Of).Growth-60, c.Difference, 0.1)
}

// Where the requests are unknown, both grow by iterations.
func TestComparisonPerIteration(t *testing.T) {
	runs := [2][]verdict.Iteration{}
	for n := range uint64(12) {
		runs[0] = append(runs[0], verdict.Iteration{Requests: 1, StartBytes: 50e6, EndBytes: 50e6})
		runs[1] = append(runs[1], verdict.Iteration{Requests: 1, StartBytes: 50e6, EndBytes: 50e6 + n*1_000_000})
	}
	c := verdict.Compare(runs[0], runs[1], verdict.Options{Tolerance: 4, Unit: verdict.PerIteration})
	assert.Contains(t, c.Sentence, "1,000,000 bytes an iteration (")
}
