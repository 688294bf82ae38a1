package verdict_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"

	"leaklab/loader/verdict"
)

// timed are 12 iterations of 30,000 requests with the given seconds of load each, half a second of rest before each reading, and a
// rest of 5 s at the end. Memory grows by perRequest under load and by perSecond all the time, with noise of that many pages.
func timed(seconds, perRequest, perSecond float64, noise int, r *rand.Rand) ([]verdict.Iteration, *verdict.Rest) {
	const settle, requests, release = 0.5, 30_000, 5
	now, bytes := 1e9, 50e6
	read := func() uint64 {
		level := bytes + float64(4096*(r.IntN(2*noise+1)-noise))
		return uint64(level) / 4096 * 4096
	}
	pass := func(seconds float64) {
		now += seconds
		bytes += perSecond * seconds
	}
	var all []verdict.Iteration
	for range 12 {
		it := verdict.Iteration{Requests: requests}
		pass(settle)
		it.StartSecond, it.StartBytes = now, read()
		pass(seconds)
		bytes += perRequest * requests
		pass(settle)
		it.EndSecond, it.EndBytes = now, read()
		all = append(all, it)
	}
	pass(release)
	return all, &verdict.Rest{Seconds: release, Bytes: read(), EndSecond: now}
}

const (
	withTime   = " grows with time, not with requests: without load by "
	partlyTime = "Part of the growth comes with time: it is "
)

func TestGrowthWithTimeIsTold(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for name, tt := range map[string]struct {
		perRequest, perSecond float64
		noise                 int
		says                  string
	}{
		"a background job":            {0, 200_000, 0, withTime + "200,"},
		"a background job, and noise": {0, 200_000, 4, withTime},
		"a leak of requests":          {20, 0, 4, ""},
		"both":                        {10, 50_000, 1, partlyTime},
		"nothing":                     {0, 0, 4, ""},
		"requests that give back":     {20, -10_000, 4, ""},
	} {
		t.Run(name, func(t *testing.T) {
			its, rest := timed(3, tt.perRequest, tt.perSecond, tt.noise, r)
			v := verdict.Judge(its, verdict.Options{Tolerance: 4, Rest: rest})
			if tt.says == "" {
				assert.NotContains(t, v.Sentence, " time")
				return
			}
			assert.Contains(t, v.Sentence, tt.says)
			assert.Contains(t, v.Explanation, tt.says)
			assert.Equal(t, verdict.Leak, v.Kind)

			for i := range its {
				its[i].StartSecond, its[i].EndSecond = 0, 0
			}
			assert.NotContains(t, verdict.Judge(its, verdict.Options{Tolerance: 4, Rest: rest}).Sentence, " time", "the times are unknown")
		})
	}
}

// What the server frees with its connections at the end says nothing of growth with time.
func TestGrowthWithTimeIsToldThoughConnectionsAreClosed(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	its, rest := timed(3, 0, 200_000, 0, r)
	rest.Bytes -= 3e6
	assert.NotContains(t, verdict.Judge(its, verdict.Options{Tolerance: 4, Rest: rest}).Sentence, withTime, "the server gives back at rest")
	rest.Closed = true
	assert.Contains(t, verdict.Judge(its, verdict.Options{Tolerance: 4, Rest: rest}).Sentence, withTime+"200,")
}

// The figures of growth by time do not depend on how long the load is.
func TestGrowthWithTimeDoesNotDependOnTheLoad(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, seconds := range []float64{1, 3, 10} {
		its, rest := timed(seconds, 0, 409_600, 0, r)
		sentence := verdict.Judge(its, verdict.Options{Tolerance: 4, Rest: rest}).Sentence
		assert.Contains(t, sentence, withTime+"409,")
		assert.Contains(t, sentence, "and by 409,", "over all")
	}
}

// Iterations with requests in very different numbers make no difference: they tell nothing of growth with time.
func TestGrowthWithTimeDoesNotDependOnTheRequests(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	its, rest := timed(3, 0, 409_600, 1, r)
	for i := range its {
		its[i].Requests = []uint64{9000, 300, 4000, 100}[i%4]
		its[i].Parts = map[verdict.Part]uint64{verdict.Live: its[i].EndBytes - 20e6, verdict.Outside: 10e6}
	}
	rest.Parts, rest.PartsSecond = map[verdict.Part]uint64{verdict.Live: rest.Bytes - 20e6, verdict.Outside: 10e6}, rest.EndSecond
	assert.Contains(t, verdict.Judge(its, verdict.Options{Tolerance: 4, Rest: rest}).Sentence, "Live memory"+withTime)
	for i := range its {
		its[i].Parts = nil
	}
	assert.Contains(t, verdict.Judge(its, verdict.Options{Tolerance: 4, Rest: rest}).Sentence, "Resident memory"+withTime)
}

// Where live memory is judged, one more reading of it after the rest tells.
func TestGrowthOfLiveMemoryWithTime(t *testing.T) {
	for name, tt := range map[string]struct {
		part   verdict.Part
		gained uint64 // in the rest
		says   string
	}{
		"live memory, with time":     {verdict.Live, 250_000, withTime + "50,000 bytes/second (49,590 to 50,410, 95%), and by 50,000 in the whole run."},
		"live memory, with requests": {verdict.Live, 0, ""},
		"live memory, both":          {verdict.Live, 75_000, partlyTime + "15,000 bytes/second"},
		"outside, with time":         {verdict.Outside, 2_500_000, withTime + "500,000 bytes/second"},
		"outside, with requests":     {verdict.Outside, 20_000, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var its []verdict.Iteration
			perIteration := map[verdict.Part]uint64{verdict.Live: 0, verdict.Outside: 0}
			perIteration[tt.part] = 200_000 // each takes 4 s
			if tt.part == verdict.Outside {
				perIteration[tt.part] = 2_000_000
			}
			for n := range uint64(12) {
				its = append(its, verdict.Iteration{
					Requests: 3000, StartBytes: 90e6, EndBytes: 90e6, StartSecond: 1e9 + 4*float64(n), EndSecond: 1e9 + 4*float64(n) + 3.5,
					Parts: map[verdict.Part]uint64{verdict.Live: 4e6 + n*perIteration[verdict.Live], verdict.Outside: 10e6 + n*perIteration[verdict.Outside]},
				})
			}
			last := its[11]
			rest := &verdict.Rest{Seconds: 5, Bytes: 90e6, PartsSecond: last.EndSecond + 5, Parts: map[verdict.Part]uint64{
				verdict.Live: last.Parts[verdict.Live], verdict.Outside: last.Parts[verdict.Outside],
			}}
			rest.Parts[tt.part] += tt.gained
			v := verdict.Judge(its, verdict.Options{Tolerance: 4, Rest: rest})
			assert.Equal(t, verdict.Leak, v.Kind, v.Sentence)
			if tt.says == "" {
				assert.NotContains(t, v.Sentence, " time")
			} else {
				assert.Contains(t, v.Sentence, tt.says)
			}
			assert.NotContains(t, verdict.Judge(its, verdict.Options{Tolerance: 4}).Sentence, " time", "without a rest")
		})
	}
}

// Memory that falls is neither flat after a warm-up nor growth by less than a negative figure.
func TestFallingMemory(t *testing.T) {
	var its []verdict.Iteration
	for n := range uint64(12) {
		its = append(its, verdict.Iteration{Requests: 10_000, StartBytes: 50e6, EndBytes: 90_112_000 - 4096*300*n})
	}
	v := verdict.Judge(its, verdict.Options{Tolerance: 4})
	assert.Equal(t, verdict.NoLeak, v.Kind)
	assert.Equal(t, verdict.PatternFalling, v.Pattern)
	assert.Regexp(t, `resident memory falls by 1[12]\d bytes a request \(\d+(\.\d)? to \d+, 95%;`, v.Sentence)
	assert.Contains(t, v.Explanation, "resident memory falls (iterations")
	assert.NotContains(t, v.Sentence, "grows")
	assert.NotContains(t, v.Sentence, " -")

	for n := range its {
		its[n].EndBytes = 90_112_000 - 4096*100*uint64(n) + uint64((n+1)%2)*20<<20
	}
	v = verdict.Judge(its, verdict.Options{Tolerance: 4})
	assert.Equal(t, verdict.Inconclusive, v.Kind, v.Sentence)
	assert.Contains(t, v.Sentence, "falls by ")
	assert.Contains(t, v.Advice, "take a tolerance above ")
	assert.NotContains(t, v.Sentence, "by -")

	its = nil
	for n := range uint64(12) {
		its = append(its, verdict.Iteration{Requests: 3000, StartBytes: 90e6, EndBytes: 90e6, Parts: map[verdict.Part]uint64{
			verdict.Live: 9e6 - 30_000*n, verdict.Outside: 10e6 + 3_000_000*n,
		}})
	}
	v = verdict.Judge(its, verdict.Options{Tolerance: 4})
	assert.Contains(t, v.Sentence, "Live memory falls by more than ")
	assert.NotContains(t, v.Sentence, "less than")
}
