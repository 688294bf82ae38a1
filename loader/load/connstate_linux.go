package load

import (
	"errors"
	"net/http"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// connState is the state of one connection in a loop.
type connState struct {
	fd      int
	number  int32 // its index in the loop, and its number in epoll
	turn    turn
	partial []byte // what has arrived of an incomplete response
	back    chan returned
	streams *streamState // nil with HTTP/1.1, for which all but fd and number is
}

// sent is how many bytes of the current exchange were sent.
func (c *connState) sent() int {
	if c.turn.exchange == nil {
		return 0
	}
	return len(c.turn.exchange.wire)
}

// send sends the next request of a connection.
func (l *loop) send(c *connState, now time.Time) {
	c.turn.exchange, c.turn.start = l.plan.Behaviour.Next(), now
	sent := 0
	if c.turn.exchange.plain() {
		sent, _ = write(c.fd, c.turn.exchange.wire)
	}
	if sent < len(c.turn.exchange.wire) {
		l.giveBack(c, returned{turn: c.turn, sent: max(0, sent), unfit: true})
	}
}

// receive reads what has arrived on a connection. It counts a complete response and begins the next request.
func (l *loop) receive(c *connState) {
	n, arrived, stamped, err := l.receiver.receive(c.fd, l.buffer[copy(l.buffer[:], c.partial):])
	if err != nil && again(err) {
		return
	}
	l.arrived.rest = l.buffer[:len(c.partial)+max(0, n)]
	if n <= 0 || c.turn.exchange == nil { // end of stream, or data without a request
		l.giveBack(c, returned{turn: c.turn, sent: c.sent(), partial: c.partial})
		return
	}
	whole := l.arrived.rest
	l.reader.Reset(&l.arrived)
	answer, err := readResponse(l.reader, c.turn.exchange.Method)
	switch {
	case errors.Is(err, errIncomplete) && len(whole) < len(l.buffer):
		c.partial = append(c.partial[:0], whole...)
		return
	case err != nil:
		l.giveBack(c, returned{turn: c.turn, sent: c.sent(), partial: append([]byte(nil), whole...), unfit: true})
		return
	}
	now := time.Now()
	c.partial = c.partial[:0]
	more := l.reader.Buffered() > 0 || len(l.arrived.rest) > 0
	if more && answer.code != http.StatusSwitchingProtocols { // data after the end of the response
		l.counts.failed(errDataAfterEnd)
	} else {
		unread := time.Duration(0)
		if stamped {
			unread = max(0, time.Duration(now.UnixNano()-arrived.UnixNano()))
		}
		l.stamped = stamped
		l.answered(&c.turn, answer.code, now, unread)
	}
	c.turn = turn{}
	if answer.close || more {
		l.giveBack(c, returned{})
		return
	}
	l.begin(c, now)
}

// write is write(2) without notice to Go's scheduler, which is right for a call that never blocks.
func write(fd int, b []byte) (int, error) {
	n, _, failed := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	if failed != 0 {
		return 0, failed
	}
	return int(n), nil
}

// errIncomplete is the error of reading past what has arrived of a response.
var errIncomplete = errors.New("incomplete response")

// arrivedBytes reads what has arrived so far.
type arrivedBytes struct{ rest []byte }

func (a *arrivedBytes) Read(b []byte) (int, error) {
	if len(a.rest) == 0 {
		return 0, errIncomplete
	}
	n := copy(b, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

// answered counts a response that is read now, and that has waited for that for unread.
func (l *loop) answered(t *turn, code int, now time.Time, unread time.Duration) {
	taken := now.Sub(t.start)
	l.responseTime += (taken - l.responseTime) / 64
	l.counts.answered(code, now.Sub(t.intended)-min(unread, taken), true) // the system's clock may have been set
}
