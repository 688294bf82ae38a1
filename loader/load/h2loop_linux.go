package load

import (
	"io"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// h2BufferSize is how much is received of a connection with streams at a time, in bytes.
const h2BufferSize = 64 << 10

// streamState is the state of a connection with streams in a loop.
type streamState struct {
	*streamConn
	again   []turn // to be sent before others
	planned []turn // that are not due yet, earliest first
	over    bool   // there are no more requests
	back    chan streamsReturned
	watched uint32 // the events that the loop waits for
}

// beginStreams begins with a connection that was handed over. What has arrived in the meantime may be its end.
func (l *loop) beginStreams(c *connState, now time.Time) {
	c.streams.watched = unix.EPOLLIN
	if l.receiveStreams(c) {
		l.continueStreams(c, now)
	}
}

// eventStreams does what an event of epoll asks for.
func (l *loop) eventStreams(c *connState, events uint32) {
	if events&^unix.EPOLLOUT == 0 || l.receiveStreams(c) {
		l.continueStreams(c, time.Now())
	}
}

// receiveStreams reads what has arrived on a connection, and counts the requests that end with it. It returns false if
// the connection has left the loop.
func (l *loop) receiveStreams(c *connState) bool {
	s := c.streams
	l.lendBuffer(s)
	n, arrived, stamped, err := l.receiver.receive(c.fd, l.frames)
	now := time.Now()
	switch {
	case err != nil && again(err):
		n, err = 0, s.read(nil, l.plain) // TLS may have received more than the handshake
	case err == nil && n == 0:
		err = io.EOF
	case err == nil:
		err = s.read(l.frames[:n], l.plain)
		l.bulk = l.bulk || n == len(l.frames)
	}
	unread := time.Duration(0)
	if n > 0 && stamped {
		unread = max(0, time.Duration(now.UnixNano()-arrived.UnixNano()))
		l.stamped = true
	}
	l.settle(s, now, unread)
	if err == nil {
		return true
	}
	err = s.explain(err)
	// The server may have closed a connection that was idle, at the moment that it was used again.
	s.end(err, s.rested && classify(err) == Reset)
	l.settle(s, now, 0)
	if s.next == 1 && len(s.again) > 0 && s.again[0].exchange != nil { // it ended before its first request, which fails
		l.counts.failed(err)
		s.again = s.again[1:]
	}
	l.giveBackStreams(c, streamsReturned{unfit: classify(err) == Connect})
	return false
}

// settle counts the requests that have ended. Those that the server has refused are sent again.
func (l *loop) settle(s *streamState, now time.Time, unread time.Duration) {
	for _, o := range s.done {
		o.turn.tries++
		switch {
		case o.err == nil:
			l.answered(&o.turn, o.code, now, unread)
			s.rested = false
		case o.refused && o.turn.tries < triesLimit:
			s.again = append(s.again, o.turn)
		default:
			l.counts.failed(o.err)
		}
	}
	l.unanswered -= len(s.done)
	clear(s.done)
	s.done = s.done[:0]
}

// continueStreams sends the next requests of a connection, and what else is ready. It gives the connection back when there
// is nothing more to do.
func (l *loop) continueStreams(c *connState, now time.Time) {
	s := c.streams
	l.lendBuffer(s)
	for {
		room := s.room(max(1, l.plan.Streams)) - len(s.planned)
		if room <= 0 && !s.barred() {
			break
		}
		t, more := l.nextOf(s, now)
		if !more {
			break
		}
		if t.intended.After(now) {
			s.planned = append(s.planned, t)
			l.await(c, t.intended)
			continue
		}
		if t.exchange == nil {
			t.exchange, t.start = l.plan.Behaviour.Next(), now
		}
		if plain := t.exchange.plain(); room <= 0 || !plain {
			s.again, s.leaving = append(s.again, t), s.leaving || !plain
			break
		}
		s.send(t)
		l.unanswered++
	}
	s.flush()
	l.reclaimBuffer(s)
	l.settle(s, now, 0) // a body may be unreadable
	idle := len(s.ids) == 0 && len(s.planned) == 0
	switch {
	case s.over && idle && len(s.again) == 0:
		l.giveBackStreams(c, streamsReturned{ended: true})
	case s.leaving && len(s.ids) == 0:
		l.giveBackStreams(c, streamsReturned{})
	default:
		l.watch(c)
	}
}

// lendBuffer lends the loop's buffer to a connection that has nothing unsent, for what it will send. So many connections
// need few buffers, however large their bodies are.
func (l *loop) lendBuffer(s *streamState) {
	if s.out == nil {
		s.out, l.unused = l.unused, nil
	}
}

// reclaimBuffer takes the buffer back, unless the socket has not taken all that is in it.
func (l *loop) reclaimBuffer(s *streamState) {
	if len(s.out) == 0 {
		l.unused, s.out = s.out, nil
	}
	if s.wire != nil && len(s.wire.unsent) == 0 && cap(s.wire.unsent) > frameLimit {
		s.wire.unsent = nil
	}
}

// barred is true if the server allows no stream at all, and no request waits for one. The next then waits until it times
// out, so that the load comes to its end.
func (s *streamState) barred() bool {
	return s.maxStreams == 0 && len(s.ids) == 0 && len(s.planned) == 0 && len(s.again) == 0 && !s.leaving
}

// nextOf returns the next request of a connection, which may not be due yet; false if there is none.
func (l *loop) nextOf(s *streamState, now time.Time) (turn, bool) {
	if len(s.again) > 0 {
		t := s.again[0]
		s.again = s.again[1:]
		return t, true
	}
	if s.over {
		return turn{}, false
	}
	intended, more := l.next.take(now, l.plan.Timeout, l.counts)
	s.over = !more
	return turn{intended: intended}, more
}

// watch waits for what the connection can do next. While much is unsent, what the server sends is not read: it may ask
// for answers without end.
func (l *loop) watch(c *connState) {
	events := uint32(unix.EPOLLIN)
	switch unsent := c.streams.unsent(); {
	case unsent > 3*unsentLimit:
		events = unix.EPOLLOUT
	case unsent > 0:
		events |= unix.EPOLLOUT
	}
	if events != c.streams.watched {
		c.streams.watched = events
		l.poller.change(c.fd, c.number, events)
	}
}

// sendPlanned sends the request of a connection that has become due.
func (l *loop) sendPlanned(c *connState, now time.Time) {
	s := c.streams
	s.again = append(s.again, s.planned[0])
	s.planned = s.planned[1:]
	l.continueStreams(c, now)
}

// expireStreams cancels the requests of a connection that have timed out, sent or not.
func (l *loop) expireStreams(c *connState, now time.Time) {
	s := c.streams
	s.expire(now.Add(-l.plan.Timeout))
	s.again = slices.DeleteFunc(s.again, func(t turn) bool {
		since := t.start
		if t.exchange == nil { // it was planned, and has not been sent
			since = t.intended
		}
		late := now.Sub(since) > l.plan.Timeout
		if late {
			l.counts.overdue()
		}
		return late
	})
	l.settle(s, now, 0)
	l.continueStreams(c, now)
}

// giveBackStreams lets a connection leave the loop. It is closed, unless the iteration is over and the next one is to have
// it.
func (l *loop) giveBackStreams(c *connState, r streamsReturned) {
	l.remove(c)
	s := c.streams
	l.unanswered -= len(s.ids)
	r.again = append(s.again, s.planned...)
	if r.closed = !r.ended || l.plan.Kept == nil || s.leaving; r.closed {
		s.close()
	}
	s.back <- r
}
