// Package load sends requests to a server and counts the responses. It knows nothing about memory.
//
// A worker is one client with one connection. Its requests follow a Shape (load pattern) and a pace: as fast as responses
// arrive (closed loop), or at a fixed rate (open loop). A message of a WebSocket and its answer, or an event of an event
// stream, stand for a request and its response. Plain HTTP/1.1 and HTTP/2 connections are served by event loops on
// Linux (see loop), which have several HTTP/2 streams at a time; all others by a goroutine per worker.
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
	// Control, if not nil, is that of net.Dialer. It may refuse an address that the host resolves to.
	Control   func(network, address string, conn syscall.RawConn) error
	Protocol  Protocol
	Insecure  bool // accept any server certificate
	Behaviour Behaviour
	Workers   int           // clients, each with one connection; see Streams
	Streams   int           // requests in flight on a connection with HTTP/2, if they are plain; 0 is 1
	Duration  time.Duration // no request starts later than this after the first
	Requests  uint64        // if not 0, exactly this many are sent, however long it takes
	Rate      float64       // requests per second over all workers (open loop); 0: closed loop
	Timeout   time.Duration // for connecting, and for a request until its response is complete
	ReadyPath string        // what Probe asks for over HTTP; empty: the load's own request
	Kept      *Kept         // connections that stay open for the next iteration; nil: all are closed at the end of each
}

// Result is the result of one burst of load.
type Result struct {
	Totals
	StartedAt time.Time
	Elapsed   time.Duration // until the last response
	// Reopened is the number of connections that Plan.Kept was to keep, but the server closed. They were opened again.
	Reopened uint64
	// Unasked is the number of events or messages that have arrived on kept connections since the end of the last burst,
	// before their first request of this one. They are not in Totals, since they have no part in the rate.
	Unasked uint64
	// Connections is the number of connections that were open at a time, without those of Behaviour.Idle.
	Connections int
	// Uncounted is true if the number of requests is unknown. The totals are empty then.
	Uncounted bool
	// Reported is true if the totals are from the output of a load tool.
	Reported bool
	// Partial is true if that tool has sent more requests than it reports, such as those of a warm-up.
	Partial bool
	// Notes are sentences on how that tool counts, or on what it did otherwise than its command suggests.
	Notes []string
}

// Arrived is the number of requests that the server has answered, and of what it has sent by itself since the last burst:
// it may have leaked for each of them.
func (r Result) Arrived() uint64 { return r.Requests + r.Unasked }

// Repeat returns a plan that sends as many requests as r, a result of this plan, answered or not. Duration no longer
// matters then.
func (p Plan) Repeat(r Result) Plan {
	sent := r.Requests
	for _, reason := range []Reason{Connect, Timeout, Reset, BadResponse, Other} { // with a status there was a response
		sent += r.Errors[reason]
	}
	p.Requests = max(1, sent-min(sent, uint64(p.Workers*p.Behaviour.Idle))) // idle connections send one each in any case
	return p
}

// Run loads the server by plan and counts into meter. Every request that starts is completed or times out, so that the
// counts match the server's. On return all connections are closed, but those that plan.Kept keeps. It fails with the
// cause of ctx when ctx ends first, and with ErrSilent when the server stops responding. Requests in flight are then
// cancelled, and no connection is kept.
func Run(ctx context.Context, plan Plan, meter *Meter) (Result, error) {
	ctx, giveUp := context.WithCancelCause(ctx)
	var watching sync.WaitGroup
	watching.Go(func() { meter.watch(ctx, plan.silentLimit(), giveUp) })
	idle := holdIdle(ctx, &plan, meter)
	start := time.Now()
	next := newPace(&plan, start)
	loops := startLoops(ctx, &plan, next, meter)
	clients := plan.clients()
	before := opened(clients)
	var workers sync.WaitGroup
	for n, c := range clients {
		workers.Go(func() {
			w := worker{client: c, plan: &plan, next: next, counts: meter.recorder(n)}
			if len(loops) > 0 {
				w.loop = loops[n%len(loops)]
			}
			defer context.AfterFunc(ctx, c.abort)()
			if w.loop != nil && plan.Protocol.multiplexed() {
				w.workStreams(ctx)
			} else {
				w.work(ctx)
			}
		})
	}
	workers.Wait()
	elapsed := time.Since(start)
	for _, l := range loops {
		l.stop()
	}
	unasked := takeUnasked(clients)
	cause := context.Cause(ctx)
	if plan.Kept == nil || cause != nil {
		closeAll(clients)
	} else {
		plan.Kept.rest(clients)
	}
	closeAll(idle)
	totals := meter.closeIteration()
	reopened := plan.reopened(before, opened(clients), totals)
	giveUp(nil)
	watching.Wait()
	if cause != nil {
		return Result{}, cause
	}
	return Result{Totals: totals, StartedAt: start, Elapsed: elapsed, Reopened: reopened, Unasked: unasked, Connections: len(clients)}, nil
}

// working is the number of workers that send requests.
func (p *Plan) working() int {
	return max(1, p.Workers/max(1, p.Behaviour.OneIn))
}

// Connections is the number of connections that are open at a time, idle ones included.
func (p *Plan) Connections() int {
	return p.working() + p.Workers*p.Behaviour.Idle
}

// holdIdle opens the idle connections, with one request each, and returns them.
func holdIdle(ctx context.Context, plan *Plan, meter *Meter) []client {
	idle := make([]client, plan.Workers*plan.Behaviour.Idle)
	var workers sync.WaitGroup
	for worker := range plan.Workers {
		workers.Go(func() {
			counts := meter.recorder(worker)
			for n := worker; n < len(idle); n += plan.Workers {
				c := newClient(plan)
				idle[n] = c
				stop := context.AfterFunc(ctx, c.abort)
				now, e := time.Now(), plan.Behaviour.Next()
				if code, err := c.do(ctx, now, e); err == nil {
					counts.answered(code, latencyOf(c, time.Since(now)), e.hears())
				} else if ctx.Err() == nil {
					counts.failed(err)
				}
				c.releaseBuffers()
				stop()
			}
		})
	}
	workers.Wait()
	return idle
}

// worker sends requests one after the other over its connection.
type worker struct {
	client client
	plan   *Plan
	next   pace
	counts *recorder
	loop   *loop // serves the connection while its requests are plain; nil if there is none
}

// turn is one request of a connection, from its schedule to its response.
type turn struct {
	exchange *Exchange // nil until it is sent
	intended time.Time // scheduled send time
	start    time.Time // actual send time, the first one if it is sent again
	tries    int       // how often an HTTP/2 server has had it
}

// work sends requests until the pace ends or ctx does.
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

// finish performs an exchange and counts it. It returns the time at the end.
func (w *worker) finish(ctx context.Context, t turn) time.Time {
	code, err := w.client.do(ctx, t.start, t.exchange)
	now := time.Now()
	switch {
	case err == nil:
		w.counts.answered(code, latencyOf(w.client, now.Sub(t.intended)), t.exchange.hears())
		return now
	case ctx.Err() == nil: // otherwise the loader cancelled it
		w.counts.failed(err)
	}
	if classify(err) == Connect { // avoids a busy loop against a closed port
		pause(ctx, reconnectPause)
		now = time.Now()
	}
	return now
}

// latencyOf is what the last exchange of a client has taken, or untimed.
func latencyOf(c client, taken time.Duration) time.Duration {
	if c.timed() {
		return taken
	}
	return untimed
}

const reconnectPause = 10 * time.Millisecond

// pause waits for the given time, or until ctx ends.
func pause(ctx context.Context, length time.Duration) {
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
