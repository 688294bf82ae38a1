//go:build !linux

package load

import (
	"context"
	"time"
)

// loop exists on Linux only: see loop_linux.go.
type loop struct{}

func startLoops(context.Context, *Plan, pace, *Meter) []*loop { return nil }

func (*loop) stop() {}

// handOver returns when the next request is due; false if there is none.
func (w *worker) handOver(_ context.Context, now *time.Time) (time.Time, bool) { return w.take(*now) }
