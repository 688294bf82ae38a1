package load

import (
	"slices"
	"time"
)

// timerResolution bounds how often the timer fires. A wake-up for each of thousands of requests a second would cost more
// CPU time than the requests. A request is sent late by at most this; its latency includes that.
const timerResolution = time.Millisecond / 2

// begin sends the next request of a connection, or queues it until it is due.
func (l *loop) begin(c *connState, now time.Time) {
	intended, more := l.next.take(now, l.plan.Timeout, l.counts)
	c.turn = turn{intended: intended}
	switch {
	case !more:
		l.giveBack(c, returned{ended: true})
	case intended.After(now):
		l.await(c, intended)
	default:
		l.send(c, now)
	}
}

// dueConn is a connection whose next request is due at a time.
type dueConn struct {
	*connState
	at time.Time
}

// await queues a connection until its next request is due. That is nearly always later than those in the queue.
func (l *loop) await(c *connState, due time.Time) {
	n := len(l.due)
	for n > 0 && l.due[n-1].at.After(due) {
		n--
	}
	l.due = slices.Insert(l.due, n, dueConn{c, due})
}

// sendDue sends the queued requests that are due.
func (l *loop) sendDue(now time.Time) {
	for len(l.due) > 0 && !l.due[0].at.After(now) {
		c := l.due[0].connState
		l.due = l.due[1:]
		switch {
		case l.conns[c.number] != c: // it has left the loop
		case c.streams != nil:
			l.sendPlanned(c, time.Now())
		default:
			l.send(c, time.Now())
		}
	}
}

// setTimer arms the timer for the next request that is due, or for the given time if that is earlier.
func (l *loop) setTimer(latest time.Time) {
	if len(l.due) > 0 && l.due[0].at.Before(latest) {
		latest = l.due[0].at
		if next := l.timer.fired.Add(timerResolution); latest.Before(next) {
			latest = next
		}
	}
	l.timer.arm(latest)
}

// awaitsOnlyTimer is true shortly before a request is due on a connection that is free for it. Responses need not wake
// the loop then, since the kernel stamps their arrival.
func (l *loop) awaitsOnlyTimer(now time.Time) bool {
	return l.stamped && len(l.due) > 0 && l.timer.armed.Sub(now) <= 2*timerResolution
}
