// Package synthetic makes traces of resident memory with known true growth: the
// published patterns of leaks and of their look-alikes, with noise. It is for tests and
// calibration of package verdict; the lab itself does not use it.
package synthetic

import (
	"math"
	"math/rand/v2"

	"leaklab/loader/verdict"
)

const (
	// requestsPerIteration is the mean of Make; each iteration has up to a tenth more or less.
	requestsPerIteration = 30000
	megabyte             = 1e6
)

// Pattern is the course of memory, apart from warm-up and noise.
type Pattern string

// The patterns. The first five have constant growth.
const (
	Flat     Pattern = "flat"      // no growth
	Steady   Pattern = "steady"    // in every request
	SawTooth Pattern = "saw-tooth" // steady, plus a tooth of 3 to 6 iterations with negative steps
	Steps    Pattern = "steps"     // steady, through an allocator that requests the gain of 1.5 to 3 iterations at a time
	Jumps    Pattern = "jumps"     // in equal jumps at random, in two iterations of five
	Plateau  Pattern = "plateau"   // linear for a quarter to a half of the run, then none
	Log      Pattern = "log"       // a cache that fills as the logarithm of the requests
	Filling  Pattern = "filling"   // a cache with a fixed number of keys, requested at random: 1-exp(-x)
)

// Patterns returns all patterns.
func Patterns() []Pattern {
	return []Pattern{Flat, Steady, SawTooth, Steps, Jumps, Plateau, Log, Filling}
}

// Plan holds the parameters of a trace.
type Plan struct {
	Pattern    Pattern
	Iterations int
	// Growth is in bytes per request; for caches, in the first iteration.
	Growth float64
	// Noise is the standard deviation of a reading's noise, in bytes; of its steps, if
	// Persistence is 1.
	Noise float64
	// Persistence of the noise: 0 is white noise, between 0 and 1 AR(1), 1 a random walk.
	Persistence float64
}

// Trace is iterations, with the level without noise, in bytes, at each end reading.
type Trace struct {
	Plan       Plan
	Iterations []verdict.Iteration
	Levels     []float64
	// LiveLevels is the same of live memory; nil if that is not known. Levels is then of memory outside the heap.
	LiveLevels []float64
	freed      func(n int, seconds float64) float64 // live memory freed in a rest after n iterations, in bytes
}

// Rest is the reading after a rest that follows the first n iterations; nil if live memory is not known. The rest is a quarter of
// the time that they took, but 2 to 15 s. What the server frees in it is still resident.
func (t Trace) Rest(n int) *verdict.Rest {
	if t.freed == nil {
		return nil
	}
	last := t.Iterations[n-1]
	seconds := min(15, max(2, (last.EndSecond-t.Iterations[0].StartSecond)/4))
	live := float64(last.Parts[verdict.Live]) - t.freed(n, seconds)
	return &verdict.Rest{
		Seconds: seconds, Bytes: last.EndBytes, EndSecond: last.EndSecond + seconds, PartsSecond: last.EndSecond + seconds,
		Parts: map[verdict.Part]uint64{verdict.Live: uint64(max(0, live)), verdict.Outside: last.Parts[verdict.Outside]},
	}
}

// GrowthOf is the true growth, in bytes per request, of what the verdict rests on, over the range that it judged.
func (t Trace) GrowthOf(v verdict.Verdict) float64 {
	if v.Of == verdict.Live {
		return Trace{Iterations: t.Iterations, Levels: t.LiveLevels}.Growth(v.Judged)
	}
	return t.Growth(v.Judged)
}

// Growth is the true growth in bytes per request over the range: the plan's if it is
// constant, else the gain of the level over the range by the requests in it.
func (t Trace) Growth(judged verdict.Range) float64 {
	switch t.Plan.Pattern {
	case Flat:
		return 0
	case Steady, SawTooth, Steps, Jumps:
		return t.Plan.Growth
	}
	requests := 0.0
	for _, it := range t.Iterations[judged.First-1 : judged.Last] {
		requests += float64(it.Requests)
	}
	return (t.Levels[judged.Last-1] - t.Levels[judged.First-2]) / requests
}

// Make returns a trace of the plan. The same state of r gives the same trace.
func Make(p Plan, r *rand.Rand) Trace { return makeTrace(p, requestsPerIteration, r) }

// makeTrace is Make with the mean of requests in an iteration.
func makeTrace(p Plan, requestsPerIteration float64, r *rand.Rand) Trace {
	t := Trace{Plan: p}
	n := float64(p.Iterations)
	gain := p.Growth * requestsPerIteration
	base := (10 + 20*r.Float64()) * megabyte
	warmUp := (3 + 6*r.Float64()) * megabyte // nine tenths of it in the first iteration
	stop := n * (0.25 + 0.25*r.Float64())
	keys := n * (0.2 + 0.4*r.Float64())
	period := 3 + r.IntN(4)
	phase := r.IntN(period)
	step := gain * (1.5 + 1.5*r.Float64())
	taken := step * r.Float64() // of the first step, before the run
	jumps := 0.0
	noise := p.Noise * r.NormFloat64()
	fresh := p.Noise
	if p.Persistence < 1 {
		fresh *= math.Sqrt(1 - p.Persistence*p.Persistence)
	}
	done, end := 0.0, base // requests so far, in iterations; the previous reading
	for i := range p.Iterations {
		requests := math.Round(requestsPerIteration * (0.9 + 0.2*r.Float64()))
		done += requests / requestsPerIteration
		level, around := base+warmUp*(1-math.Exp(-2.5*float64(i+1))), 0.0
		switch p.Pattern {
		case Steady:
			level += gain * done
		case SawTooth:
			level += gain * done
			around = gain / 2 * float64((i+phase)%period)
		case Steps:
			level += gain * done
			around = step*math.Ceil((gain*done+taken)/step) - gain*done
		case Jumps:
			if r.Float64() < 0.4 {
				jumps += gain / 0.4
			}
			level += gain * done
			around = jumps - gain*done
		case Plateau:
			level += gain * min(done, stop)
		case Log:
			level += gain * math.Log1p(20*done) / math.Log(21)
		case Filling:
			level += gain * keys * (1 - math.Exp(-done/keys))
		}
		start := end
		end = max(0, level+around+noise)
		t.Iterations = append(t.Iterations, verdict.Iteration{
			Requests: uint64(requests), StartBytes: pages(start), EndBytes: pages(end),
		})
		t.Levels = append(t.Levels, level)
		noise = p.Persistence*noise + fresh*r.NormFloat64()
	}
	return t
}

// pages rounds bytes down to whole pages of 4096 bytes.
func pages(bytes float64) uint64 {
	return uint64(bytes) / 4096 * 4096
}
