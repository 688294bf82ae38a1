package synthetic

import (
	"math"
	"math/rand/v2"
	"slices"

	"leaklab/loader/verdict"
)

const mebibyte = 1 << 20

// Family is servers of one kind, whose truth is known. They differ in size, speed and noise.
type Family struct {
	Name string
	// Truth is verdict.Leak or verdict.NoLeak.
	Truth verdict.Kind
	// Tolerance is the growth, in bytes per request, above which the truth is a leak.
	Tolerance float64
	// Live is set if live memory is known.
	Live bool
	// OfLength is set if the course depends on the end of the run: before that it is not what the name tells.
	OfLength bool
	requests float64 // mean of an iteration
	course   func(l load, r *rand.Rand) course
}

// Families returns all families, with resident memory alone first, then with live memory.
func Families() []Family {
	all := slices.Concat(pools(), saturations(), staircases(), levels(), bounded(), warmUps(), teeth(), steadyLeaks(),
		fewRequests(), liveFamilies())
	for i := range all {
		all[i].Tolerance = 4
	}
	return append(all, smallLeaks()...)
}

// course is what a server of a family holds at each end reading, in bytes.
type course struct {
	level  []float64 // the truth of resident memory, or of memory outside the heap if live memory is known
	errors []float64 // what readings differ by from it; nil if by nothing
	// live is the truth of live memory, liveErrors what readings differ by from it. Both are nil if it is not known.
	live, liveErrors []float64
	// rested is the truth of live memory after a rest, both in mean iterations; nil if nothing changes without load.
	rested func(done, rest float64) float64
}

// load is the requests of a trace.
type load struct {
	requests []float64 // of each iteration
	done     []float64 // up to the end of each iteration, in mean iterations
}

// growFrom is the iteration, counted from 1, from which on a run that goes on until it is decided has ever more requests,
// growBy the ratio, and growUpTo the most, in first iterations.
const (
	growFrom = 6
	growBy   = 1.3
	growUpTo = 6
)

// The lengths of a mean iteration in seconds, as of a run that goes on until it is decided.
const (
	liveSeconds     = 0.5
	residentSeconds = 3.0
)

// newLoad draws the requests of the iterations, each with up to a tenth more or less than the mean.
func newLoad(iterations int, mean float64, grows bool, r *rand.Rand) load {
	var l load
	done, planned := 0.0, mean
	for i := range iterations {
		if grows && i+1 >= growFrom {
			planned = min(growUpTo*mean, growBy*planned)
		}
		requests := max(1, math.Round(planned*(0.9+0.2*r.Float64())))
		done += requests / mean
		l.requests, l.done = append(l.requests, requests), append(l.done, done)
	}
	return l
}

// at is a function of the requests so far, in mean iterations, at each end reading.
func (l load) at(f func(done float64) float64) []float64 {
	values := make([]float64, len(l.done))
	for i, done := range l.done {
		values[i] = f(done)
	}
	return values
}

// Make returns a trace with the given number of iterations. If grows is set, each iteration from the sixth on has 1.3 times
// the requests of the one before, up to 6 times those of the first. The same state of r gives the same trace.
func (f Family) Make(iterations int, grows bool, r *rand.Rand) Trace {
	l := newLoad(iterations, f.requests, grows, r)
	c := f.course(l, r)
	base := (10 + 20*r.Float64()) * megabyte
	t := Trace{Levels: c.level, LiveLevels: c.live}
	length := residentSeconds
	if f.Live {
		length = liveSeconds
	}
	end, now := base, 1.0
	for i, level := range c.level {
		start := end
		end = max(0, base+level+errorAt(c.errors, i))
		t.Iterations = append(t.Iterations, verdict.Iteration{
			Requests: uint64(l.requests[i]), StartBytes: pages(start), EndBytes: pages(end),
			StartSecond: now, EndSecond: 1 + length*l.done[i],
		})
		now = 1 + length*l.done[i]
	}
	if c.live != nil {
		heapBase, slack := (2+8*r.Float64())*megabyte, (5+40*r.Float64())*megabyte
		addLive(&t, func(i int) float64 { return heapBase + c.live[i] + errorAt(c.liveErrors, i) }, slack, r)
		t.freed = func(n int, seconds float64) float64 {
			if c.rested == nil {
				return 0
			}
			return c.live[n-1] - c.rested(l.done[n-1], seconds/length)
		}
	}
	return t
}

// errorAt is one of the errors, 0 if there are none.
func errorAt(errors []float64, i int) float64 {
	if errors == nil {
		return 0
	}
	return errors[i]
}

// between draws a number between two others, so that its logarithm is uniform.
func between(low, high float64, r *rand.Rand) float64 { return low * math.Pow(high/low, r.Float64()) }

// anyNoise draws a noise model, and n errors of it: none, white noise, AR(1) with 0.6, or a random walk. The standard
// deviation of the first two is 0.02 to 0.3 MB, that of the steps of the walk 0.4 times as much, as in Plan.
func anyNoise(n int, r *rand.Rand) []float64 {
	size := between(0.02, 0.3, r) * megabyte
	switch r.IntN(4) {
	case 0:
		return nil
	case 1:
		return noise(n, size, 0, r)
	case 2:
		return noise(n, size, 0.6, r)
	}
	return noise(n, 0.4*size, 1, r)
}

// noise draws n errors with the standard deviation and the persistence of a Plan.
func noise(n int, size, persistence float64, r *rand.Rand) []float64 {
	fresh := size
	if persistence < 1 {
		fresh *= math.Sqrt(1 - persistence*persistence)
	}
	errors := []float64{size * r.NormFloat64()}
	for len(errors) < n {
		errors = append(errors, persistence*errors[len(errors)-1]+fresh*r.NormFloat64())
	}
	return errors
}
