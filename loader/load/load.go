// Package load sends requests to a server and counts what comes back. It knows nothing about memory.
package load

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// Plan describes the load of one iteration.
type Plan struct {
	Address  string        // host:port to connect to
	Path     string        // request target, for example /hello/warp
	Workers  int           // connections, each with one request in flight at a time
	Duration time.Duration // no request starts later than this after the first one
	Requests uint64        // if not 0, exactly this many requests are sent, however long it takes
	Timeout  time.Duration // for connecting, and for a request from its first byte to the end of the answer
}

// Result is what one iteration of load did.
type Result struct {
	Totals
	StartedAt time.Time
	Elapsed   time.Duration // until the last answer
}

// Run drives the server by plan and counts into meter. Every request that was started is completed or times
// out, so that the counts are those the server saw, and all connections are closed on return: iterations are
// equal. It fails only when ctx ends before the plan does; the requests in flight are then given up.
func Run(ctx context.Context, plan Plan, meter *Meter) (Result, error) {
	request := encodeRequest(plan.Address, plan.Path)
	start := time.Now()
	more := untilTime(start.Add(plan.Duration))
	if plan.Requests > 0 {
		more = untilCount(plan.Requests)
	}
	var workers sync.WaitGroup
	for worker := range plan.Workers {
		workers.Go(func() {
			c := &connection{address: plan.Address, timeout: plan.Timeout}
			defer c.close()
			stop := context.AfterFunc(ctx, c.abort)
			defer stop()
			work(ctx, c, request, more, meter.recorder(worker))
		})
	}
	workers.Wait()
	elapsed := time.Since(start)
	totals := meter.closeIteration()
	if ctx.Err() != nil {
		return Result{}, context.Cause(ctx)
	}
	return Result{Totals: totals, StartedAt: start, Elapsed: elapsed}, nil
}

// work sends requests one after the other until more says no.
func work(ctx context.Context, c *connection, request []byte, more func(time.Time) bool, counts *recorder) {
	now := time.Now()
	for ctx.Err() == nil && more(now) {
		start := now
		code, reason := c.do(ctx, start, request)
		now = time.Now()
		switch {
		case reason == "":
			counts.answered(code, now.Sub(start))
		case ctx.Err() != nil:
			return // the failure is ours
		default:
			counts.failed(reason)
		}
		if reason == Connect { // do not spin against a closed port
			select {
			case <-ctx.Done():
			case <-time.After(reconnectPause):
			}
			now = time.Now()
		}
	}
}

const reconnectPause = 10 * time.Millisecond

func untilTime(deadline time.Time) func(time.Time) bool {
	return func(now time.Time) bool { return now.Before(deadline) }
}

func untilCount(n uint64) func(time.Time) bool {
	var taken atomic.Uint64
	return func(time.Time) bool { return taken.Add(1) <= n }
}

// encodeRequest returns the bytes of a request, which are the same each time.
func encodeRequest(address, path string) []byte {
	var header fasthttp.RequestHeader
	header.SetMethod(fasthttp.MethodGet)
	header.SetRequestURI(path)
	header.SetHost(address)
	header.SetUserAgent("leaklab")
	return header.Header()
}
