package verdict_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"leaklab/loader/verdict"
)

// liveTrace is n iterations of the given length that keep 100 bytes of each request in live memory; the readings have times,
// beginning with 100 s.
func liveTrace(n int, requests uint64, seconds float64) []verdict.Iteration {
	var its []verdict.Iteration
	for i := range n {
		live := 5_000_000 + 100*requests*uint64(i+1)
		its = append(its, verdict.Iteration{
			Requests: requests, StartBytes: 40 << 20, EndBytes: 40 << 20,
			Parts:       map[verdict.Part]uint64{verdict.Live: live, verdict.Outside: 10 << 20, verdict.LiveIdle: 0},
			StartSecond: 100 + seconds*float64(i), EndSecond: 100 + seconds*float64(i+1),
		})
	}
	return its
}

// atRest is a reading after a rest in which that share of what was kept since the first iteration was freed.
func atRest(its []verdict.Iteration, seconds, freed float64) *verdict.Rest {
	first, last := its[0], its[len(its)-1]
	gained := float64(last.Parts[verdict.Live] - first.Parts[verdict.Live])
	return &verdict.Rest{
		Seconds: seconds, Bytes: last.EndBytes, EndSecond: last.EndSecond + seconds, PartsSecond: last.EndSecond + seconds,
		Parts: map[verdict.Part]uint64{verdict.Live: last.Parts[verdict.Live] - uint64(freed*gained), verdict.Outside: 10 << 20},
	}
}

func TestALeakSaysUnderWhichConditionItIsNone(t *testing.T) {
	v := verdict.Judge(liveTrace(5, 5000, 1.5), fixed)
	assert.Equal(t, verdict.Leak, v.Kind, v.Sentence)
	assert.Contains(t, v.Sentence, "It is no leak if what is kept expires after more than 6 s, or fills a cache that 20,000 requests have not filled.")
	assert.Contains(t, v.Explanation, "It is no leak if")

	timeless := liveTrace(5, 5000, 0)
	for i := range timeless {
		timeless[i].StartSecond, timeless[i].EndSecond = 0, 0
	}
	v = verdict.Judge(timeless, fixed)
	assert.Contains(t, v.Sentence, "It is no leak if what is kept fills a cache that 20,000 requests have not filled.")

	v = verdict.Judge(liveTrace(10, 5000, 1.5), verdict.Options{Tolerance: 200})
	assert.Equal(t, verdict.NoLeak, v.Kind)
	assert.NotContains(t, v.Sentence, "if what is kept")
}

// What is freed at rest may expire. A little may be a buffer, and rules nothing out.
func TestLiveMemoryThatIsFreedAtRestMayExpire(t *testing.T) {
	its := liveTrace(5, 5000, 1.5)
	options := fixed
	options.Rest = atRest(its, 2, 0.2)
	v := verdict.Judge(its, options)
	assert.Equal(t, verdict.Inconclusive, v.Kind, v.Sentence)
	assert.Contains(t, v.Sentence, "391 KiB of it were freed in 2 s of rest: it may expire")
	assert.Contains(t, v.Advice, "longer than entries are kept")
	assert.Zero(t, v.NextLook)

	options.Rest = atRest(its, 2, 0.05)
	v = verdict.Judge(its, options)
	assert.Equal(t, verdict.Leak, v.Kind, v.Sentence)
	assert.Contains(t, v.Sentence, "expires after more than 6 s")
}

// A run that goes on until it is decided goes on while a usual bound is near, but not after the rest.
func TestAUsualBoundIsNear(t *testing.T) {
	sequential := verdict.Options{Tolerance: 4, MaxIterations: 40}
	for _, tt := range []struct {
		name     string
		requests uint64
		seconds  float64
		kind     verdict.Kind
	}{
		{"neither", 5000, 2.6, verdict.Leak},
		{"5 s, the least", 5000, 0.5, verdict.Inconclusive},
		{"10 s", 5000, 2.1, verdict.Inconclusive},
		{"far from 10 s", 5000, 1.5, verdict.Leak},
		{"30 s", 5000, 6, verdict.Inconclusive},
		{"1,000 requests", 200, 2.6, verdict.Inconclusive},
		{"far from 1,000 requests", 50, 2.6, verdict.Leak},
		{"10,000 requests", 2000, 2.6, verdict.Inconclusive},
		{"both are passed", 2600, 2.6, verdict.Leak},
	} {
		its := liveTrace(5, tt.requests, tt.seconds)
		v := verdict.Judge(its, sequential)
		assert.Equal(t, tt.kind, v.Kind, "%s: %s", tt.name, v.Sentence)
		if tt.kind == verdict.Inconclusive {
			assert.Equal(t, 6, v.NextLook)
			assert.Contains(t, v.Sentence, "a plausible bound of a cache or of an expiry is near")
		}
		assert.Equal(t, verdict.Leak, verdict.Judge(its, fixed).Kind, "%s, of fixed length", tt.name)
		rested := sequential
		rested.Rest = atRest(its, 2, 0)
		assert.Equal(t, verdict.Leak, verdict.Judge(its, rested).Kind, "%s, after the rest", tt.name)
	}
}

// Once a leak was found at a look, the run ends for it after the first iteration that has passed the bound. Nothing else
// ends it between looks.
func TestARunEndsWhenTheBoundIsPassed(t *testing.T) {
	sequential := verdict.Options{Tolerance: 4, MaxIterations: 40}
	its := liveTrace(10, 2200, 2.6) // 10,000 requests are near at the fifth, passed after the sixth
	assert.Equal(t, verdict.Inconclusive, verdict.Judge(its[:5], sequential).Kind)
	passed := verdict.Judge(its[:6], sequential)
	assert.Equal(t, verdict.Leak, passed.Kind, passed.Sentence)
	rested := sequential
	rested.Rest = atRest(its[:6], 2, 0)
	assert.Equal(t, verdict.Leak, verdict.Judge(its[:6], rested).Kind, "after the rest")

	stopped := liveTrace(10, 2200, 2.6)
	for i := 5; i < len(stopped); i++ {
		stopped[i].Parts[verdict.Live] = stopped[4].Parts[verdict.Live]
	}
	after := verdict.Judge(stopped[:6], sequential)
	assert.Equal(t, verdict.Inconclusive, after.Kind, after.Sentence)
	assert.Equal(t, 7, after.NextLook)

	passing := liveTrace(10, 5000, 2.6) // no bound is near at the fifth
	later := verdict.Judge(passing[:6], sequential)
	assert.Equal(t, verdict.Inconclusive, later.Kind, "no look, and none that was left for a bound")
	assert.Equal(t, 7, later.NextLook)
}
