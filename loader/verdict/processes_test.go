package verdict_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"leaklab/loader/verdict"
)

// in has a part that is 0 but in the iterations with the given numbers.
func in(its []verdict.Iteration, part verdict.Part, count float64, numbers ...float64) []verdict.Iteration {
	return with(its, part, func(i float64) float64 {
		for _, number := range numbers {
			if i == number {
				return count
			}
		}
		return 0
	})
}

// Where the processes were seen, memory that falls is no restart, and a restart need not make it fall.
func TestRestartsAreSeenByProcesses(t *testing.T) {
	falls := trace(30000, 7, append(grow(13, 12, func(i float64) float64 { return 6 * i }), 7.1, 13.6, 14.3, 14.4, 14.35, 14.4, 14.35, 14.4)...)
	assert.Equal(t, 14, verdict.Judge(falls, fixed).RestartedBefore, "a guess")
	v := verdict.Judge(in(falls, verdict.Restarts, 1), fixed)
	assert.Zero(t, v.RestartedBefore)
	assert.NotContains(t, v.Sentence, "restarted")

	v = verdict.Judge(in(leaking(), verdict.Restarts, 1, 2, 6), fixed)
	assert.Equal(t, 7, v.RestartedBefore)
	assert.Greater(t, v.Judged.First, 7)
	assert.Contains(t, v.Sentence, "The server restarted before iteration 7: only what came after is judged.")

	last := verdict.Judge(in(leaking(), verdict.Restarts, 1, 12), fixed)
	assert.Equal(t, verdict.Inconclusive, last.Kind)
	assert.Equal(t, 13, last.RestartedBefore)

	unknown := in(leaking(), verdict.Restarts, 1, 6)
	delete(unknown[6].Parts, verdict.Restarts)
	assert.Equal(t, 7, verdict.Judge(unknown, fixed).RestartedBefore, "while it was down its processes were not known")
}

func TestReplacedWorkersHideALeak(t *testing.T) {
	const said = "were replaced while the growth was judged: what a worker had kept went with it, which hides a leak."
	v := verdict.Judge(in(flat(), verdict.Replaced, 2, 5, 9), fixed)
	assert.Equal(t, verdict.Inconclusive, v.Kind)
	assert.Equal(t, 4, v.Replaced)
	assert.Contains(t, v.Sentence, "4 workers "+said)
	assert.Contains(t, v.Sentence, "resident memory grows by less than")
	assert.Contains(t, v.Sentence, "but not all of the growth can be seen.")
	assert.Contains(t, v.Explanation, "4 workers "+said)
	assert.Contains(t, v.Advice, "Let workers live through the run")

	v = verdict.Judge(in(leaking(), verdict.Replaced, 1, 12), fixed)
	assert.Equal(t, verdict.Leak, v.Kind, "it shows all the same")
	assert.Contains(t, v.Sentence, "1 worker was replaced")

	v = verdict.Judge(in(flat(), verdict.Replaced, 3, 1), fixed)
	assert.Equal(t, verdict.NoLeak, v.Kind, "in the warm-up")
	assert.Zero(t, v.Replaced)

	v = verdict.Judge(in(with(with(flat(), verdict.Live, steady(0)), verdict.Outside, steady(0)), verdict.Replaced, 1, 8), fixed)
	assert.Equal(t, verdict.Inconclusive, v.Kind)
	assert.Contains(t, v.Sentence, "live memory grows by less than")
}
