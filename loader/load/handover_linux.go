package load

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// returned is a connection that a loop has handed back to its worker.
type returned struct {
	fd      int    // -1 if it is closed
	turn    turn   // what remains to be done
	sent    int    // bytes sent of its exchange
	partial []byte // what has arrived of its response
	ended   bool   // there are no more requests
	unfit   bool   // a loop cannot serve it
}

// handOver hands the connection to the loop for as long as the loop can serve it, and finishes what the loop has left. It
// returns when the next request is due; false if there is none.
func (w *worker) handOver(ctx context.Context, now *time.Time) (time.Time, bool) {
	for w.loop != nil {
		connection := w.client.(*connection)
		fd, ok := connection.lend()
		if !ok {
			break
		}
		r := w.loop.serve(fd)
		*now = time.Now()
		if r.unfit {
			w.loop = nil
		}
		switch {
		case r.ended:
			if r.fd >= 0 {
				w.plan.Kept.mu.Lock()
				connection.takeBack(r)
				w.plan.Kept.mu.Unlock()
			}
			return time.Time{}, false
		case r.turn.exchange != nil:
			connection.takeBack(r)
			*now = w.finish(ctx, r.turn)
		case !r.turn.intended.IsZero():
			return r.turn.intended, true
		}
	}
	return w.take(*now)
}

// duplicate returns a duplicate of a descriptor, which Go's network poller does not watch.
func duplicate(raw syscall.RawConn) (fd int, err error) {
	var failed error
	err = raw.Control(func(own uintptr) { fd, failed = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 0) })
	return fd, errors.Join(err, failed)
}

// lend returns a duplicate of the open connection's descriptor and closes the connection, since Go's network poller would
// watch it as well. False if there is no open connection, or unread data.
func (c *connection) lend() (fd int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.conn.(*socket)
	if !ok || c.aborted || c.reader != nil && c.reader.Buffered() > 0 || len(s.ahead) > 0 {
		return -1, false
	}
	fd, err := duplicate(s.raw)
	if err != nil {
		return -1, false
	}
	_ = c.conn.Close()
	c.conn = nil
	return fd, true
}

// takeBack takes over a descriptor that was lent, so that its exchange can continue, or a later one use it. On failure
// that starts over.
func (c *connection) takeBack(r returned) {
	file := os.NewFile(uintptr(r.fd), "")
	conn, err := net.FileConn(file)
	_ = file.Close()
	if err != nil {
		return
	}
	if s, ok := newSocket(conn).(*socket); ok && c.use(s) == nil {
		s.ahead, c.sent = r.partial, r.sent
	}
}
