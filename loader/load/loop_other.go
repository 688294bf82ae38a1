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

// streamConn exists on Linux only: see h2conn_linux.go.
type streamConn struct{ rested bool }

func (*streamConn) close() {}

func (w *worker) workStreams(ctx context.Context) { w.work(ctx) }

// handOver returns when the next request is due; false if there is none.
func (w *worker) handOver(_ context.Context, now *time.Time) (time.Time, bool) { return w.take(*now) }
