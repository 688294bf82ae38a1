package load

import (
	"bufio"
	"context"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// loop is an event loop that serves connections with plain requests. It waits for all their responses at once,
// and sends the next request when one is complete. With HTTP/1.1 this costs two system calls per request plus an amortised
// epoll_wait, and no goroutine switch. A worker hands its connection over, and gets it back when the loop cannot serve
// it. Reasons are a response larger than the buffer, a closed connection and a timeout.
//
// With HTTP/2 it serves the streams of each connection in the same way (see session). One call receives the responses of
// many streams, and one sends the next requests.
//
// A wake-up costs CPU time on both sides, since the server's thread performs it. So a loop delays its next poll while
// many responses are outstanding (see batch), or while a connection awaits its next request (see sleepsUntil).
// Latencies stay right, since the kernel stamps arrivals.
type loop struct {
	plan   *Plan
	next   pace
	counts *recorder

	poller *poller
	wakeup *wakeup
	timer  *timer

	mu       sync.Mutex // guards arrivals and stopped
	arrivals []*connState
	stopped  bool

	conns     []*connState // by number; nil where one has left
	vacant    []int32      // the numbers of those
	due       []dueConn    // those that wait until their next request is due, earliest first
	sentDueAt time.Time    // when the last of them was sent
	checked   time.Time    // when timeouts were last looked for
	sleeps    bool         // its thread may block without notice to Go's scheduler: there are others for other goroutines

	unanswered   int           // requests on connections with streams
	stamped      bool          // the kernel stamps arrivals
	responseTime time.Duration // moving average, from a request until its response is read

	receiver receiver
	buffer   [readBufferSize]byte
	arrived  arrivedBytes
	reader   *bufio.Reader
	frames   []byte // what has arrived of a connection with streams
	plain    []byte // what TLS makes of it
	unused   []byte // see lendBuffer
	bulk     bool   // more than fits into frames has arrived since the last poll
}

// newLoop returns a loop that is not running yet, or the error of a system call.
func newLoop(plan *Plan, next pace, counts *recorder) (*loop, error) {
	l := &loop{plan: plan, next: next, counts: counts, sleeps: runtime.GOMAXPROCS(0) > 1}
	if plan.Protocol.multiplexed() {
		l.frames, l.plain = make([]byte, h2BufferSize), make([]byte, frameLimit)
	} else {
		l.reader = bufio.NewReaderSize(&l.arrived, readBufferSize)
	}
	var err error
	if l.wakeup, err = newWakeup(); err != nil {
		return nil, err
	}
	if l.timer, err = newTimer(); err != nil {
		l.wakeup.close()
		return nil, err
	}
	if l.poller, err = newPoller(l.wakeup, l.timer); err != nil {
		l.timer.close()
		l.wakeup.close()
		return nil, err
	}
	return l, nil
}

// startLoops returns running loops for the plan's workers: one per two CPUs, since the server needs CPUs as well. With
// two CPUs and no RATE there are two loops, as one would leave CPU time idle. There are none for HTTP/1.1 over TLS and for
// streams that stay open, or when file descriptors run out.
func startLoops(ctx context.Context, plan *Plan, next pace, meter *Meter) []*loop {
	if plan.Protocol == HTTPS || plan.Protocol.Streams() {
		return nil
	}
	var loops []*loop
	processors := runtime.GOMAXPROCS(0)
	share := max(1, processors/2)
	if plan.Rate == 0 {
		share = max(share, min(2, processors))
	}
	for n := range min(plan.working(), share) {
		l, err := newLoop(plan, next, meter.recorder(n))
		if err != nil {
			break
		}
		loops = append(loops, l)
		go l.run(ctx)
	}
	return loops
}

// serve sends requests over a connection for as long as they are plain, and returns what remains. The connection's worker
// calls it; it blocks until then.
func (l *loop) serve(fd int) returned {
	c := &connState{fd: fd, back: make(chan returned, 1)}
	l.handIn(c)
	return <-c.back
}

func (l *loop) handIn(c *connState) {
	l.mu.Lock()
	l.arrivals = append(l.arrivals, c)
	l.mu.Unlock()
	l.wakeup.signal()
}

// stop ends a loop that holds no connection.
func (l *loop) stop() {
	l.mu.Lock()
	l.stopped = true
	l.mu.Unlock()
	l.wakeup.signal()
}

// run serves the connections until the loop is stopped, and frees the loop's descriptors. When ctx ends, it gives all
// connections back.
func (l *loop) run(ctx context.Context) {
	defer l.wakeup.close()
	defer l.timer.close()
	defer l.poller.close()
	defer context.AfterFunc(ctx, l.wakeup.signal)()
	interval := max(l.plan.Timeout/deadlineSlack, time.Millisecond)
	l.checked = time.Now()
	for {
		events := l.wait(l.checked.Add(interval))
		l.bulk = false
		l.handle(events)
		if l.arrive() {
			return
		}
		now := time.Now()
		l.sendDue(now)
		if ctx.Err() != nil || now.Sub(l.checked) >= interval {
			l.checked = now
			l.expire(ctx, now)
		}
		l.batch()
	}
}

// wait returns what there is to receive. If there is nothing yet, it waits for that until the next request is due, or until
// the given time if that is earlier.
func (l *loop) wait(latest time.Time) []unix.EpollEvent {
	until := l.nextDue(latest)
	if l.sleepsUntil(until) {
		return l.poller.poll()
	}
	events := l.poller.poll()
	if len(events) == 0 {
		l.timer.arm(until)
		l.poller.wait()
		events = l.poller.poll()
	}
	return events
}

func (l *loop) handle(events []unix.EpollEvent) {
	for _, event := range events {
		switch event.Fd {
		case wakeupNumber:
			l.wakeup.reset()
		case timerNumber:
			l.timer.expired()
		default:
			switch c := l.conns[event.Fd]; {
			case c == nil:
			case c.streams != nil:
				l.eventStreams(c, event.Events)
			default:
				l.receive(c)
			}
		}
	}
}

// arrive takes in the connections that were handed over. It returns true once the loop is stopped.
func (l *loop) arrive() bool {
	l.mu.Lock()
	arrivals, stopped := l.arrivals, l.stopped
	l.arrivals = nil
	l.mu.Unlock()
	for _, c := range arrivals {
		if n := len(l.vacant); n > 0 {
			c.number, l.vacant = l.vacant[n-1], l.vacant[:n-1]
			l.conns[c.number] = c
		} else {
			c.number = int32(len(l.conns))
			l.conns = append(l.conns, c)
		}
		failed := l.poller.add(c.fd, c.number)
		stampArrivals(c.fd)
		switch {
		case c.streams != nil && failed != nil:
			l.giveBackStreams(c, streamsReturned{unfit: true})
		case c.streams != nil:
			l.beginStreams(c, time.Now())
		case failed != nil:
			l.giveBack(c, returned{unfit: true})
		default:
			l.begin(c, time.Now())
		}
	}
	return stopped
}

// expire gives back the connections whose request has timed out, and all of them once ctx has ended.
func (l *loop) expire(ctx context.Context, now time.Time) {
	for _, c := range l.conns {
		switch {
		case c == nil:
		case c.streams != nil && ctx.Err() != nil:
			l.giveBackStreams(c, streamsReturned{ended: true})
		case c.streams != nil:
			l.expireStreams(c, now)
		case ctx.Err() != nil:
			l.giveBack(c, returned{ended: true})
		case c.turn.exchange != nil && now.Sub(c.turn.start) > l.plan.Timeout:
			l.giveBack(c, returned{turn: c.turn, sent: c.sent(), partial: c.partial})
		}
	}
	if ctx.Err() != nil {
		l.due = nil
	}
}

// giveBack lets a connection leave the loop. It is closed unless an exchange is in progress, or the iteration is over and
// the next one is to have it.
func (l *loop) giveBack(c *connState, r returned) {
	l.remove(c)
	r.fd = c.fd
	if r.turn.exchange == nil && (!r.ended || l.plan.Kept == nil) {
		_ = unix.Close(c.fd)
		r.fd = -1
	}
	c.back <- r
}

func (l *loop) remove(c *connState) {
	l.conns[c.number] = nil
	l.vacant = append(l.vacant, c.number)
	l.poller.remove(c.fd)
}
