package load

import "time"

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
		l.due = append(l.due, c)
	default:
		l.send(c, now)
	}
}

// sendDue sends the queued requests that are due.
func (l *loop) sendDue(now time.Time) {
	for len(l.due) > 0 && !l.due[0].turn.intended.After(now) {
		c := l.due[0]
		l.due = l.due[1:]
		if l.conns[c.number] == c { // still in the loop
			l.send(c, time.Now())
		}
	}
}

// setTimer arms the timer for the next request that is due, or for the given time if that is earlier.
func (l *loop) setTimer(latest time.Time) {
	if len(l.due) > 0 && l.due[0].turn.intended.Before(latest) {
		latest = l.due[0].turn.intended
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
