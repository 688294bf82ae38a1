// Package load sends requests to a server and counts what comes back. It knows nothing about memory.
package load

import (
	"context"
	"sync"
	"syscall"
	"time"
)

// Plan describes the load of one iteration.
type Plan struct {
	Address string // host:port to connect to
	// Control, if it is not nil, is a net.Dialer's, and may refuse an address that the host resolves to.
	Control   func(network, address string, conn syscall.RawConn) error
	Protocol  Protocol
	Insecure  bool // any certificate of the server is taken
	Behaviour Behaviour
	Workers   int           // connections, each with one request in flight at a time
	Duration  time.Duration // no request starts later than this after the first one
	Requests  uint64        // if not 0, exactly this many requests are sent, however long it takes
	Rate      float64       // requests per second over all workers; 0: as fast as they are answered
	Timeout   time.Duration // for connecting, and for a request from its first byte to the end of the answer
}

// Result is what one iteration of load did.
type Result struct {
	Totals
	StartedAt time.Time
	Elapsed   time.Duration // until the last answer
	// Uncounted is true if nobody could tell how many requests there were; the totals are empty then.
	Uncounted bool
}

// Repeat returns the plan that sends as many requests as another load by the same plan did, answered or not, whatever
// DURATION it had.
func (p Plan) Repeat(r Result) Plan {
	sent := r.Requests
	for _, reason := range []Reason{Connect, Timeout, Reset, BadResponse} { // of the other reasons there was an answer
		sent += r.Errors[reason]
	}
	p.Requests = max(1, sent-min(sent, uint64(p.Workers*p.Behaviour.Idle))) // silent connections send one each in any case
	return p
}

// Run drives the server by plan and counts into meter. Every request that was started is completed or times
// out, so that the counts are those the server saw, and all connections are closed on return: iterations are
// equal. It fails only when ctx ends before the plan does, or with an ErrSilent when the server answers nothing any more;
// the requests in flight are then given up.
func Run(ctx context.Context, plan Plan, meter *Meter) (Result, error) {
	ctx, giveUp := context.WithCancelCause(ctx)
	var watching sync.WaitGroup
	watching.Go(func() { meter.watch(ctx, plan.silentLimit(), giveUp) })
	silent := holdSilent(ctx, &plan, meter)
	start := time.Now()
	next := newPace(&plan, start)
	loops := startLoops(ctx, &plan, next, meter)
	var workers sync.WaitGroup
	for n := range plan.working() {
		workers.Go(func() {
			w := worker{client: newClient(&plan), plan: &plan, next: next, counts: meter.recorder(n)}
			if len(loops) > 0 {
				w.loop = loops[n%len(loops)]
			}
			defer w.client.close()
			defer context.AfterFunc(ctx, w.client.abort)()
			w.work(ctx)
		})
	}
	workers.Wait()
	elapsed := time.Since(start)
	for _, l := range loops {
		l.stop()
	}
	for _, c := range silent { // all at a time, since each may have to wait for the server
		workers.Go(c.close)
	}
	workers.Wait()
	totals := meter.closeIteration()
	cause := context.Cause(ctx)
	giveUp(nil)
	watching.Wait()
	if cause != nil {
		return Result{}, cause
	}
	return Result{Totals: totals, StartedAt: start, Elapsed: elapsed}, nil
}

// working is how many of the workers work.
func (p *Plan) working() int {
	return max(1, p.Workers/max(1, p.Behaviour.OneIn))
}

// Connections is how many the workers have open at a time, the silent ones counted in.
func (p *Plan) Connections() int {
	return p.working() + p.Workers*p.Behaviour.Idle
}

// holdSilent opens the connections that are to be silent, with one request each, and returns them.
func holdSilent(ctx context.Context, plan *Plan, meter *Meter) []client {
	silent := make([]client, plan.Workers*plan.Behaviour.Idle)
	var workers sync.WaitGroup
	for worker := range plan.Workers {
		workers.Go(func() {
			counts := meter.recorder(worker)
			for n := worker; n < len(silent); n += plan.Workers {
				c := newClient(plan)
				silent[n] = c
				stop := context.AfterFunc(ctx, c.abort)
				now, e := time.Now(), plan.Behaviour.Next()
				if code, reason := c.do(ctx, now, e); reason == "" {
					counts.answered(code, time.Since(now), e.hears())
				} else if ctx.Err() == nil {
					counts.failed(reason)
				}
				c.releaseBuffers()
				stop()
			}
		})
	}
	workers.Wait()
	return silent
}

// worker sends requests one after the other, over a connection of its own.
type worker struct {
	client client
	plan   *Plan
	next   pace
	counts *recorder
	loop   *loop // carries the connection while its requests are plain; nil if there is none
}

// turn is a request that is to be sent, or has been.
type turn struct {
	exchange *Exchange // nil until it is sent
	intended time.Time // when it is due
	start    time.Time // when it was sent
}

// work sends requests until there is no next.
func (w *worker) work(ctx context.Context) {
	now := time.Now()
	intended, more := w.take(now)
	for more && ctx.Err() == nil {
		start := now
		if wait := intended.Sub(now); wait > 0 {
			pause(ctx, wait)
			start = time.Now()
		}
		now = w.finish(ctx, turn{intended: intended, start: start, exchange: w.plan.Behaviour.Next()})
		intended, more = w.handOver(ctx, &now)
	}
}

func (w *worker) take(now time.Time) (time.Time, bool) {
	return w.next.take(now, w.plan.Timeout, w.counts)
}

// finish does an exchange and counts it. It returns when that was.
func (w *worker) finish(ctx context.Context, t turn) time.Time {
	code, reason := w.client.do(ctx, t.start, t.exchange)
	now := time.Now()
	switch {
	case reason == "":
		w.counts.answered(code, now.Sub(t.intended), t.exchange.hears())
	case ctx.Err() == nil: // else the failure is ours
		w.counts.failed(reason)
	}
	if reason == Connect { // do not spin against a closed port
		pause(ctx, reconnectPause)
		now = time.Now()
	}
	return now
}

const reconnectPause = 10 * time.Millisecond

// pause waits, or until ctx ends.
func pause(ctx context.Context, length time.Duration) {
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
