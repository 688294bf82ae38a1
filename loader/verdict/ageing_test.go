package verdict_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/verdict"
)

// prefork is a server whose master replaces its workers.
type prefork struct {
	workers    int
	life       float64                   // requests of a worker, but for a fifth more or less
	iterations int                       // of 400 requests
	held       func(age float64) float64 // bytes that a worker has gained by the requests that it has answered
	noise      float64                   // of each of its readings, in bytes
}

// run returns iterations of which the server as a whole shows no growth. Levels of workers differ. A worker that is about
// to end has freed what it held at its last reading.
func (p prefork) run(seed uint64) []verdict.Iteration {
	r := rand.New(rand.NewPCG(seed, 7))
	type worker struct {
		pid               int
		age, level, limit float64
	}
	pid := 100
	begin := func() worker {
		pid++
		return worker{pid, 0, 20e6 + 1e6*r.Float64(), p.life * (0.8 + 0.4*r.Float64())}
	}
	alive := make([]worker, p.workers)
	for n := range alive {
		alive[n] = begin()
	}
	var ends []float64
	for range p.iterations {
		ends = append(ends, 100+0.02*r.Float64())
	}
	its := in(trace(400, 100, ends...), verdict.Replaced, 0)
	for i := range its {
		its[i].Workers = append(its[i].Workers, verdict.Worker{PID: 1, Requests: 1, Bytes: 15e6}) // the master
		for n, w := range alive {
			if w.age > w.limit {
				its[i].Parts[verdict.Replaced]++
				alive[n] = begin()
				w = alive[n]
			} else if i > 0 {
				alive[n].age += 400 / float64(p.workers) * (0.6 + 0.8*r.Float64())
			}
			w = alive[n]
			bytes := w.level + p.held(w.age) + p.noise*r.NormFloat64()
			if w.age > w.limit {
				bytes = w.level
			}
			its[i].Workers = append(its[i].Workers, verdict.Worker{PID: w.pid, Started: uint64(w.pid), Requests: w.age, Bytes: uint64(bytes)})
		}
	}
	return its
}

func keeps(bytes float64) func(float64) float64 {
	return func(age float64) float64 { return bytes * age }
}

var coarse = verdict.Options{Tolerance: 512}

func TestWorkersAreJudgedByTheirAge(t *testing.T) {
	const replaced = `\d+ workers were replaced while the growth was judged: what a worker had kept went with it, which hides a leak\. `
	for name, test := range map[string]struct {
		prefork
		options  verdict.Options
		kind     verdict.Kind
		sentence string
	}{
		"a leak": {prefork{4, 800, 20, keeps(2000), 20e3}, coarse, verdict.Leak,
			`^` + replaced + `Leak: as it ages, each worker grows by [\d,]+ bytes a request \([\d,]+ to [\d,]+, 95%\), more than the tolerance of 512, and old workers grow like young ones \(\d+ workers, [\d,]+ requests, after the first [\d.]+ of each\)\.$`},
		"no leak": {prefork{4, 800, 20, keeps(0), 20e3}, coarse, verdict.NoLeak,
			`^` + replaced + `But as it ages, each grows by less than \d+ bytes a request \(95%, \d+ workers, [\d,]+ requests, after the first [\d.]+ of each\)\. No leak: `},
		"young ones warm up": {prefork{4, 800, 20, func(age float64) float64 { return 2e6 * (1 - math.Exp(-age/40)) }, 20e3}, coarse, verdict.NoLeak,
			`But as it ages, each grows by less than`},
		"a cache of each fills": {prefork{4, 800, 20, func(age float64) float64 { return min(2000*age, 1e6) }, 20e3}, coarse, verdict.Inconclusive,
			`but that slows down: [\d,]+ while it is young, -?[\d,.]+ later\. It may be a cache that fills\.`},
		"too noisy": {prefork{4, 800, 20, keeps(0), 2e6}, coarse, verdict.Inconclusive,
			`As it ages, each changes by -[\d,]+ to [\d,]+ bytes a request \(95%, `},
		"they live for too few readings": {prefork{4, 150, 20, keeps(2000), 20e3}, coarse, verdict.Inconclusive,
			`How workers grow by their age is not known: that takes 4 of them, each at 3 end readings after its warm-up, of young and of old age\.`},
		"their runtime collects late": {prefork{4, 800, 20, keeps(2000), 20e3}, verdict.Options{Tolerance: 512, Defers: true}, verdict.Inconclusive,
			`As it ages, each grows by [\d,]+ bytes a request \(.*\), but its runtime lets garbage fill the heap up to a limit\.`},
		"a leak below the tolerance": {prefork{4, 800, 20, keeps(2000), 20e3}, verdict.Options{Tolerance: 4000}, verdict.NoLeak, `But as it ages, each grows by less than`},
	} {
		v := verdict.Judge(test.run(1), test.options)
		assert.Equal(t, test.kind, v.Kind, "%s: %s", name, v.Sentence)
		assert.Regexp(t, test.sentence, v.Sentence, name)
		assert.Positive(t, v.Replaced, name)
	}
}

func TestALeakInWorkersHasTheirFigures(t *testing.T) {
	v := verdict.Judge(prefork{4, 800, 20, keeps(2000), 20e3}.run(1), coarse)
	require.NotNil(t, v.Ageing)
	assert.Equal(t, verdict.Workers, v.Of)
	assert.Equal(t, []float64{v.Ageing.Growth, v.Ageing.Lower, v.Ageing.Upper}, []float64{v.Growth, v.Lower, v.Upper})
	assert.InDelta(t, 2000, v.Growth, v.Upper-v.Growth)
	assert.NotContains(t, v.Explanation, "2,0", "the line above it has the figure")
	assert.Contains(t, v.Explanation, "As it ages, each worker grows by more than the tolerance")
	assert.Regexp(t, `^slope within workers, cluster jackknife over \d+ workers`, v.Statistic)
	assert.Less(t, v.GrowthOf(verdict.Held).Growth, 100.0, "of the server as a whole")
	assert.Empty(t, v.Advice)
}

// A sequential run is decided at its looks alone, and not early for a leak.
func TestWorkersOfASequentialRun(t *testing.T) {
	its := prefork{8, 400, 20, keeps(4000), 5e3}.run(3)
	options := verdict.Options{Tolerance: 512, MaxIterations: 20}
	for n := 1; n <= len(its); n++ {
		v := verdict.Judge(its[:n], options)
		if v.Kind == verdict.Leak {
			assert.Contains(t, verdict.Looks(20), n)
			assert.GreaterOrEqual(t, n, 10)
		}
	}
	assert.Equal(t, verdict.Leak, verdict.Judge(its, options).Kind)
}

// What was replaced after a restart is another server's.
func TestWorkersBeforeARestartAreNotJudged(t *testing.T) {
	its := append(prefork{4, 800, 20, keeps(2000), 20e3}.run(1), prefork{4, 800, 20, keeps(0), 20e3}.run(2)...)
	v := verdict.Judge(in(its, verdict.Restarts, 1, 20), coarse)
	assert.Equal(t, verdict.NoLeak, v.Kind, v.Sentence)
	assert.Contains(t, v.Sentence, "restarted before iteration 21")
}

// The interval holds the truth in 95% of runs, with few workers as with many, and few clean ones are called a leak.
func TestIntervalsOfWorkersHoldTheTruth(t *testing.T) {
	const runs = 80
	for _, p := range []prefork{{2, 800, 16, keeps(1000), 400e3}, {4, 800, 24, keeps(1000), 400e3}, {16, 200, 40, keeps(1000), 400e3}} {
		held, known := 0, 0
		for seed := range uint64(runs) {
			v := verdict.Judge(p.run(seed), coarse)
			if v.Ageing == nil {
				continue
			}
			known++
			if v.Ageing.Lower <= 1000 && 1000 <= v.Ageing.Upper {
				held++
			}
		}
		assert.Greater(t, known, runs/4, "%d workers", p.workers)
		assert.GreaterOrEqual(t, float64(held), 0.91*float64(known), "%d workers", p.workers)

		p.held = keeps(0)
		alarms := 0
		for seed := range uint64(runs) {
			if verdict.Judge(p.run(seed), verdict.Options{Tolerance: 1}).Kind == verdict.Leak {
				alarms++
			}
		}
		assert.LessOrEqual(t, alarms, runs/40, "%d workers", p.workers)
	}
}

// The server as a whole grows in neither run.
func TestWorkersOfTwoRunsAreCompared(t *testing.T) {
	sound, leaks := prefork{4, 800, 20, keeps(0), 20e3}.run(2), prefork{4, 800, 20, keeps(2000), 20e3}.run(1)
	worse := verdict.Compare(sound, leaks, coarse)
	assert.Equal(t, verdict.Worse, worse.Change)
	assert.Equal(t, verdict.Workers, worse.Of)
	assert.InDelta(t, 2000, worse.Difference, worse.Upper-worse.Difference)
	assert.Regexp(t, `^Worse: the new run grows more, by [\d,]+ bytes a request \(.*\) in memory of a worker\.$`, worse.Sentence)
	assert.InDelta(t, 0, worse.Old.GrowthOf(verdict.Workers).Growth, 400)
	assert.Equal(t, verdict.Fixed, verdict.Compare(leaks, sound, coarse).Change)
	assert.Equal(t, verdict.Same, verdict.Compare(leaks, leaks, coarse).Change)
	assert.Equal(t, verdict.Worse, verdict.ComparePaired(judged(sound), judged(leaks), coarse).Change)
	assert.Equal(t, verdict.Held, verdict.Compare(sound, sound, coarse).Of)
}

// What the server as a whole holds is flat because workers were replaced, and tells nothing then.
func TestWorkersOfOneRunAloneAreNotCompared(t *testing.T) {
	leaks, hides := prefork{4, 800, 20, keeps(2000), 20e3}.run(1), prefork{4, 150, 20, keeps(2000), 20e3}.run(1)
	flat := made(1, 0, 3e5)
	for name, runs := range map[string][2][]verdict.Iteration{
		"a leak before": {leaks, flat}, "a leak now": {flat, leaks}, "it may hide before": {hides, flat}, "it may hide now": {flat, hides}, "it may hide in both": {hides, hides},
	} {
		for _, c := range []verdict.Comparison{
			verdict.Compare(runs[0], runs[1], coarse), verdict.ComparePaired(judgedBy(runs[0], coarse), judgedBy(runs[1], coarse), coarse),
		} {
			assert.Equal(t, verdict.CannotTell, c.Change, name)
			assert.False(t, c.Estimated, name)
			assert.Zero(t, c.Judged, name)
			assert.Equal(t, [3]float64{}, [3]float64{c.Difference, c.Lower, c.Upper}, name)
			assert.Equal(t, "Cannot tell: workers were replaced, and how they grow by their age is not known of both.", c.Sentence, name)
		}
	}
}
