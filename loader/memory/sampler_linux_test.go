package memory

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// timesOf runs a Sampler with a Reader that calls read, and returns when each call began, and how long it took.
func timesOf(t *testing.T, local bool, calls int, read func()) (began []time.Time, took []time.Duration) {
	t.Helper()
	sampler := NewSampler(func(context.Context) (Reading, error) {
		began = append(began, time.Now())
		if len(began) > calls {
			return Reading{}, ErrGone
		}
		read()
		took = append(took, time.Since(began[len(began)-1]))
		return Reading{Total: 1}, nil
	})
	sampler.Local = local
	assert.ErrorIs(t, sampler.Run(t.Context()), ErrGone)
	return began, took
}

// On a busy machine a reading waits for a processor. A peak would be missed if there were fewer of them.
func TestAReadingThatWaitsIsNoReasonToReadLess(t *testing.T) {
	began, took := timesOf(t, true, 4, func() { time.Sleep(SampleInterval) })
	waited := time.Duration(0)
	for _, one := range took {
		waited += one
	}
	assert.Less(t, began[4].Sub(began[0]), mostBusy/4*waited)
}

// The time in which the server is read is a small part of all, whether this machine reads it or it has to answer.
func TestReadingTakesASmallPartOfTheTime(t *testing.T) {
	const busy = 10 * time.Millisecond
	for local, read := range map[bool]func(){
		true: func() {
			for begin := threadTime(); threadTime()-begin < busy; {
			}
		},
		false: func() { time.Sleep(busy) },
	} {
		began, took := timesOf(t, local, 2, read)
		for n := range took {
			assert.GreaterOrEqual(t, began[n+1].Sub(began[n])-took[n], (mostBusy-1)*busy, "local: %v", local)
		}
	}
}
