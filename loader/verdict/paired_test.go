package verdict_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"leaklab/loader/verdict"
	"leaklab/loader/verdict/synthetic"
)

// judged is iterations with their verdict.
func judged(iterations []verdict.Iteration) verdict.Judged {
	return judgedBy(iterations, fixed)
}

// judgedBy is judged with other options.
func judgedBy(iterations []verdict.Iteration, options verdict.Options) verdict.Judged {
	return verdict.Judged{Iterations: iterations, Verdict: verdict.Judge(iterations, options)}
}

// drifting is a pair of runs of 12 iterations. The suspect has the given growth in bytes per request; both have noise
// and drift in bytes.
func drifting(seed uint64, growth, noise, drift float64) (baseline, suspect verdict.Judged) {
	pattern := synthetic.Steady
	if growth == 0 {
		pattern = synthetic.Flat
	}
	old, now := synthetic.Pair(synthetic.Plan{Pattern: pattern, Iterations: 12, Growth: growth, Noise: noise}, drift, true, rand.New(rand.NewPCG(seed, seed)))
	return judged(old), judged(now)
}

func TestComparePaired(t *testing.T) {
	baseline, leaking := drifting(1, 60, 3e4, 1e6)
	other, clean := drifting(2, 0, 3e4, 0)
	less, more := judged(made(3, 60, 2e4)), judged(made(3, 120, 2e4))
	noisy, asNoisy := drifting(4, 0, 3e6, 0)
	short := judged(baseline.Iterations[:4])
	for _, test := range []struct {
		name          string
		before, after verdict.Judged
		change        verdict.Change
		says          string
	}{
		{"introduced", baseline, leaking, verdict.Worse, "Worse: the suspect grows more, by "},
		{"gone", judged(made(3, 60, 2e4)), judged(made(3, 0, 2e4)), verdict.Fixed, "Fixed: the baseline is a leak and the suspect is none"},
		{"leaks less", more, less, verdict.Better, "Better: the suspect grows less"},
		{"both clean", other, clean, verdict.Same, "Same: the growths differ by less than the tolerance of 4 "},
		{"noise", noisy, asNoisy, verdict.CannotTell, "the growth of the suspect differs from that of the baseline by anything from "},
		{"too short", short, clean, verdict.CannotTell, "each of the two needs 5 iterations"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := verdict.ComparePaired(test.before, test.after, fixed)
			assert.Equal(t, test.change, c.Change, c.Sentence)
			assert.Contains(t, c.Sentence, test.says)
			assert.Equal(t, test.before.Verdict, c.Old)
			assert.Equal(t, test.after.Verdict, c.New)
			back := verdict.ComparePaired(test.after, test.before, fixed)
			assert.InDelta(t, -c.Difference, back.Difference, 1e-6)
			assert.InDelta(t, -c.Lower, back.Upper, 0.02*(1+back.Upper-back.Lower), "the same the other way round")
		})
	}
}

// Common drift cancels: the interval of the pairs covers the true difference in at least nine of ten cases, and is less
// than half as wide on the same readings.
func TestPairingCancelsDrift(t *testing.T) {
	const pairs, growth = 50, 20
	held, paired, apart := 0, 0.0, 0.0
	for seed := range uint64(pairs) {
		baseline, suspect := drifting(seed, growth, 1e5, 2e6)
		c := verdict.ComparePaired(baseline, suspect, fixed)
		if c.Lower <= growth && growth <= c.Upper {
			held++
		}
		paired += c.Upper - c.Lower
		two := verdict.Compare(baseline.Iterations, suspect.Iterations, fixed)
		apart += two.Upper - two.Lower
	}
	assert.GreaterOrEqual(t, held, 45)
	assert.Less(t, paired, apart/2)
}

// Two servers with live memory are compared by it, whatever resident memory does.
func TestPairsWithLiveMemoryAreComparedByIt(t *testing.T) {
	flat, jumps := linear(30e6, 0), func(i float64) float64 { return 40e6 + 20e6*math.Mod(i*0.618, 1) }
	clean := judged(split(10, 3000, linear(4e6, 0), jumps, flat))
	leaky := judged(split(10, 3000, linear(4e6, 300_000), jumps, flat))
	c := verdict.ComparePaired(clean, leaky, fixed)
	assert.Equal(t, verdict.Worse, c.Change, c.Sentence)
	assert.Equal(t, verdict.Live, c.Of)
	assert.InDelta(t, 100, c.Difference, 0.1)
	assert.Contains(t, c.Sentence, "Worse: the suspect grows more, by 100 bytes a request (")
	assert.Contains(t, c.Sentence, "in live memory.")
	assert.Equal(t, 10, c.Judged.Last)
	assert.Equal(t, verdict.Same, verdict.ComparePaired(clean, clean, fixed).Change)

	c = verdict.ComparePaired(judged(leaking()), leaky, fixed)
	assert.Equal(t, verdict.Held, c.Of, "one of them has no live memory")
}

// Pages of programs and libraries that one of the two reads in are apart.
func TestFilePagesOfAPairAreApart(t *testing.T) {
	pages := func(perIteration float64) verdict.Judged {
		its := trace(50000, 38, grow(40, 12, func(i float64) float64 { return perIteration * i })...)
		its = with(with(its, verdict.File, steady(perIteration)), verdict.Shared, linear(0, 0))
		return judged(with(with(its, verdict.MappedSize, linear(100e6, 0)), verdict.HugeTLB, linear(0, 0)))
	}
	c := verdict.ComparePaired(pages(0), pages(1), fixed)
	assert.Equal(t, verdict.Same, c.Change, c.Sentence)
}

// Pairs are judged after the warm-up and the restart of either server. If the baseline is one iteration behind, the last
// iteration is left out.
func TestPairsThatAreJudged(t *testing.T) {
	baseline, suspect := drifting(5, 20, 3e4, 0)
	c := verdict.ComparePaired(baseline, suspect, fixed)
	assert.Equal(t, max(baseline.Verdict.Judged.First, suspect.Verdict.Judged.First), c.Judged.First)
	assert.Equal(t, 12, c.Judged.Last)

	behind := verdict.ComparePaired(judged(baseline.Iterations[:11]), suspect, fixed)
	assert.Equal(t, 11, behind.Judged.Last)

	restarted := slices.Clone(baseline.Iterations)
	for i := range restarted[:5] {
		restarted[i].EndBytes += 500 << 20
		if i > 0 {
			restarted[i].StartBytes += 500 << 20
		}
	}
	c = verdict.ComparePaired(judged(restarted), suspect, fixed)
	assert.Equal(t, 6, c.Old.RestartedBefore)
	assert.GreaterOrEqual(t, c.Judged.First, 7)
	assert.LessOrEqual(t, c.Lower, 20.0)
	assert.GreaterOrEqual(t, c.Upper, 20.0)
	assert.Less(t, c.Upper-c.Lower, 10.0, "the fall is not in the difference")
}
