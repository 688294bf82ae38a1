package load

import (
	"sync/atomic"
	"time"
)

// inbox is what arrives on a stream that stays open. One goroutine reads it.
type inbox struct {
	resting atomic.Bool    // nobody is to wait for what arrives
	unasked *atomic.Uint64 // counts what arrives meanwhile, on this stream and others of its client
	arrived chan struct{}  // has an entry if something has arrived
	ended   chan struct{}  // is closed when no more is read
	err     error          // why; set before that
	timer   *time.Timer
}

func newInbox(unasked *atomic.Uint64) inbox {
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	return inbox{unasked: unasked, arrived: make(chan struct{}, 1), ended: make(chan struct{}), timer: timer}
}

// passes counts what has arrived as unasked, and returns true, if nobody is to wait for it.
func (b *inbox) passes() bool {
	resting := b.resting.Load()
	if resting {
		b.unasked.Add(1)
	}
	return resting
}

// await waits for what arrives next until the deadline, and fails with late after it. What has arrived before the end counts.
func (b *inbox) await(deadline time.Time, late error) error {
	b.timer.Reset(time.Until(deadline))
	defer b.timer.Stop()
	select {
	case <-b.arrived:
		return nil
	case <-b.timer.C:
		return late
	case <-b.ended:
	}
	select {
	case <-b.arrived:
		return nil
	default:
		return b.err
	}
}

// discard takes what has arrived, and reports if anything had.
func (b *inbox) discard() bool {
	select {
	case <-b.arrived:
		return true
	default:
		return false
	}
}

// over is true if no more is read.
func (b *inbox) over() bool {
	select {
	case <-b.ended:
		return true
	default:
		return false
	}
}
