package synthetic

import (
	"math"
	"math/rand/v2"

	"leaklab/loader/verdict"
)

// LivePattern is the course of live memory.
type LivePattern string

// The patterns of live memory. All but Clean keep an object a request.
const (
	Clean LivePattern = "clean"
	List  LivePattern = "list" // to the byte
	Dict  LivePattern = "dict" // in a hash table that doubles when two thirds are taken, as CPython's dict
	Map   LivePattern = "map"  // in a hash table that doubles when it is full, as V8's Map
)

// LivePatterns returns all patterns of live memory.
func LivePatterns() []LivePattern { return []LivePattern{Clean, List, Dict, Map} }

// SplitPlan holds the parameters of a trace with live memory.
type SplitPlan struct {
	Live       LivePattern
	Iterations int
	Requests   float64 // an iteration, with up to a tenth more or less
	Object     float64 // bytes that a request keeps, apart from the table
	// LiveNoise is the standard deviation of live memory, in bytes; that of its steps, which are a random walk, is a
	// quarter.
	LiveNoise float64
	// Outside is the plan of memory outside the heap: its pattern, growth, noise and persistence. A warm-up comes with it.
	Outside Plan
}

// MakeSplit returns a trace with live memory, memory outside the heap, and slack that is caught anywhere in the cycle of a
// collector. Levels are those of memory outside the heap. The same state of r gives the same trace.
func MakeSplit(p SplitPlan, r *rand.Rand) Trace {
	p.Outside.Iterations = p.Iterations
	t := makeTrace(p.Outside, p.Requests, r)
	base, heap := (2+8*r.Float64())*megabyte, (5+40*r.Float64())*megabyte
	walk, kept := 0.0, 0.0
	addLive(&t, func(i int) float64 {
		kept += float64(t.Iterations[i].Requests)
		walk += p.LiveNoise / 4 * r.NormFloat64()
		live := base + 60_000*(1-math.Exp(-1.5*float64(i+1))) + walk + p.LiveNoise*r.NormFloat64()
		if p.Live != Clean {
			live += p.Object*kept + table(p.Live, kept)
		}
		return live
	}, heap, r)
	return t
}

// addLive makes the readings of a trace those of memory outside the heap, and adds live memory, in bytes at each end
// reading, and up to as much slack as given.
func addLive(t *Trace, live func(i int) float64, slack float64, r *rand.Rand) {
	for i := range t.Iterations {
		it := &t.Iterations[i]
		held, outside := max(0, live(i)), it.EndBytes
		it.Parts = map[verdict.Part]uint64{verdict.Live: uint64(held), verdict.Outside: outside}
		it.EndBytes = pages(float64(outside) + held + slack*r.Float64())
		if i+1 < len(t.Iterations) {
			t.Iterations[i+1].StartBytes = pages(float64(outside) + held + slack/10)
		}
	}
}

// table is the size in bytes of a hash table with the given entries, at 40 bytes a place.
func table(pattern LivePattern, entries float64) float64 {
	full := 1.0
	switch pattern {
	case List, Clean:
		return 0
	case Dict:
		full = 2.0 / 3
	}
	return 40 * math.Pow(2, math.Ceil(math.Log2(max(8, entries/full))))
}
