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
		l.sentDueAt = now
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

// nextDue is when the next request is due, or the given time if that is earlier.
func (l *loop) nextDue(latest time.Time) time.Time {
	if len(l.due) > 0 && l.due[0].at.Before(latest) {
		latest = l.due[0].at
		if next := l.sentDueAt.Add(timerResolution); latest.Before(next) {
			latest = next
		}
	}
	return latest
}

// sleepsUntil sleeps until a request is due on a connection that is free for it, if that is soon, and returns true then.
// Responses need not wake the loop, since the kernel stamps their arrival. Go's scheduler does not know of the sleep: it
// would look for other work and wake other threads for it, each time, which takes more CPU time than the requests.
func (l *loop) sleepsUntil(until time.Time) bool {
	if !l.sleeps || !l.stamped || len(l.due) == 0 {
		return false
	}
	left := time.Until(until)
	if left > 2*timerResolution {
		return false
	}
	if left > 0 {
		l.poller.rest()
		sleep(max(1, left-timerSlack))
	}
	return true
}
