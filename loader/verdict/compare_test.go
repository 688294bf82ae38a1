package verdict_test

import (
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
