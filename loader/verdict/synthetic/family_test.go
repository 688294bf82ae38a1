package synthetic

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/verdict"
)

// A leak goes on in the second half. What is none grows more slowly there, or not at all in its last readings if that is its name.
func TestFamiliesAreWhatTheirTruthTells(t *testing.T) {
	const iterations, traces = 40, 10
	names := make(map[string]bool)
	for _, f := range Families() {
		require.False(t, names[f.Name], f.Name)
		names[f.Name] = true
		r := rand.New(rand.NewPCG(7, 7))
		for range traces {
			trace := f.Make(iterations, false, r)
			require.Len(t, trace.Iterations, iterations)
			require.Len(t, trace.Levels, iterations)
			assert.Equal(t, f.Live, trace.LiveLevels != nil, f.Name)
			first, second := verdict.Range{First: 2, Last: iterations / 2}, verdict.Range{First: iterations/2 + 1, Last: iterations}
			of := func(judged verdict.Range) float64 {
				growth := trace.GrowthOf(verdict.Verdict{Judged: judged, Of: verdict.Outside})
				if f.Live {
					growth += trace.GrowthOf(verdict.Verdict{Judged: judged, Of: verdict.Live})
				}
				return growth
			}
			if f.Truth == verdict.Leak {
				assert.Greater(t, of(second), f.Tolerance, f.Name)
				continue
			}
			if f.OfLength {
				assert.Zero(t, of(verdict.Range{First: iterations - 2, Last: iterations}), f.Name)
				continue
			}
			assert.LessOrEqual(t, of(second), max(1.001*of(first), 0.001), "%s: growth does not slow down", f.Name)
		}
	}
}

func TestSameSeedSameTrace(t *testing.T) {
	for _, f := range Families() {
		once, again := f.Make(10, false, rand.New(rand.NewPCG(1, 2))), f.Make(10, false, rand.New(rand.NewPCG(1, 2)))
		assert.Equal(t, once.Iterations, again.Iterations, f.Name)
		assert.Equal(t, once.Levels, again.Levels, f.Name)
		assert.Equal(t, once.Rest(10), again.Rest(10), f.Name)
	}
}

// The requests of a run that goes on until it is decided grow from the sixth iteration on, up to six times those of the first.
func TestIterationsGrow(t *testing.T) {
	l := newLoad(20, 1000, true, rand.New(rand.NewPCG(1, 1)))
	assert.InEpsilon(t, 1000, l.requests[4], 0.11)
	assert.InEpsilon(t, 1300, l.requests[5], 0.11)
	assert.InEpsilon(t, 2197, l.requests[7], 0.11)
	assert.InEpsilon(t, 6000, l.requests[19], 0.11)
	sum := 0.0
	for i, requests := range l.requests {
		sum += requests
		assert.InEpsilon(t, sum/1000, l.done[i], 1e-9)
	}
}

// Entries that expire are held for the bound, and until the next sweep.
func TestExpire(t *testing.T) {
	for _, tt := range []struct{ done, held float64 }{{2, 2}, {8.9, 8.9}, {9, 9}, {11.9, 11.9}, {12, 9}, {14.9, 11.9}, {15, 9}} {
		level, error := expire(tt.done, 9)
		assert.InDelta(t, tt.held, level+error, 1e-9, "after %v", tt.done)
		assert.InDelta(t, min(tt.done, 10.5), level, 1e-9)
	}
}

// After a rest, what expires is gone, and what does not is as at the end of the load.
func TestRest(t *testing.T) {
	for _, f := range Families() {
		trace := f.Make(20, false, rand.New(rand.NewPCG(1, 3)))
		rest := trace.Rest(20)
		if !f.Live {
			assert.Nil(t, rest, f.Name)
			continue
		}
		last := trace.Iterations[19]
		assert.InDelta(t, 2.5, rest.Seconds, 0.2, f.Name)
		assert.InDelta(t, last.EndSecond+rest.Seconds, rest.PartsSecond, 1e-9)
		switch f.Name {
		case "live: entries that expire, within the run":
			assert.Less(t, rest.Parts[verdict.Live], last.Parts[verdict.Live]-1000, f.Name)
		case "live: entries that expire, beyond the run": // the first of them may
		default:
			assert.Equal(t, last.Parts[verdict.Live], rest.Parts[verdict.Live], f.Name)
		}
	}
}
