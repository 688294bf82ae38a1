package load

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// streamConn is an HTTP/2 connection that a loop serves: a session and its socket, with TLS if there is one.
type streamConn struct {
	*session
	fd       int
	secure   *tls.Conn // nil without TLS
	security *security
	wire     *wire // of secure

	rested bool // it has been idle since the last iteration
	busy   bool // the socket takes no more for now
}

// wire is the socket below TLS. After the handshake, a loop reads and writes: Read returns what the loop has received,
// and EAGAIN beyond it, after which TLS goes on with what comes later. Write never blocks.
type wire struct {
	net.Conn
	lent     bool
	received []byte // not yet read
	unsent   []byte
}

func (w *wire) Read(b []byte) (int, error) {
	if !w.lent {
		return w.Conn.Read(b)
	}
	if len(w.received) == 0 {
		return 0, unix.EAGAIN
	}
	n := copy(b, w.received)
	w.received = w.received[n:]
	return n, nil
}

func (w *wire) Write(b []byte) (int, error) {
	if !w.lent {
		return w.Conn.Write(b)
	}
	w.unsent = append(w.unsent, b...)
	return len(b), nil
}

// openStreams connects to the server.
func openStreams(ctx context.Context, plan *Plan) (*streamConn, error) {
	dialer := net.Dialer{Timeout: plan.Timeout, Control: plan.Control}
	conn, err := dialer.DialContext(ctx, "tcp", plan.Address)
	if err != nil {
		return nil, connectError{error: err}
	}
	defer conn.Close()
	c := &streamConn{session: newSession(plan.Protocol)}
	if plan.Protocol.Encrypted() {
		c.security = plan.tls("h2")
		c.security.config.DynamicRecordSizingDisabled = true
		c.wire = &wire{Conn: conn}
		if c.secure, err = c.security.handshake(ctx, c.wire, plan.Timeout); err != nil {
			return nil, err
		}
		c.wire.lent = true
	}
	raw := rawOf(conn)
	if raw == nil {
		return nil, connectError{error: errors.ErrUnsupported}
	}
	if c.fd, err = duplicate(raw); err != nil {
		return nil, connectError{error: err}
	}
	return c, nil
}

// read takes in what has arrived on the socket. plain is room for what TLS makes of it.
func (c *streamConn) read(arrived, plain []byte) error {
	if c.secure == nil {
		return c.receive(arrived)
	}
	c.wire.received = arrived
	for {
		n, err := c.secure.Read(plain)
		if failed := c.receive(plain[:n]); failed != nil {
			return failed
		}
		switch {
		case err == nil:
		case again(err):
			return nil
		default:
			return err
		}
	}
}

// flush sends what is ready, and makes more of the bodies ready, until the socket takes no more.
func (c *streamConn) flush() {
	for c.busy = false; !c.busy; {
		unsent := &c.out
		if c.secure != nil {
			if len(c.out) > 0 && len(c.wire.unsent) == 0 {
				_, _ = c.secure.Write(c.out) // fails after an error of reading, which ends the connection
				c.out = c.out[:0]
			}
			unsent = &c.wire.unsent
		}
		if len(*unsent) > 0 {
			n, err := write(c.fd, *unsent)
			if err != nil && !again(err) { // reading tells what it is
				n = len(*unsent)
			}
			c.busy = n < len(*unsent)
			*unsent = (*unsent)[:copy(*unsent, (*unsent)[max(0, n):])]
		}
		c.sendBodies()
		if len(c.out) == 0 {
			return
		}
	}
}

// unsent is how much waits for the socket, in bytes.
func (c *streamConn) unsent() int {
	if c.secure != nil {
		return len(c.out) + len(c.wire.unsent)
	}
	return len(c.out)
}

// explain returns err with its cause, as far as that is known. A server that wants a certificate may close the connection
// before the client has read why.
func (c *streamConn) explain(err error) error {
	if c.security != nil && c.security.asked.Load() && !c.heard && classify(err) == Reset {
		return connectError{error: err, cause: wantsCertificate}
	}
	return c.security.explain(err)
}

// close takes leave of the server, without waiting for it, and closes the connection.
func (c *streamConn) close() {
	c.out = appendGoAway(c.out, c.farewell)
	c.flush()
	if c.secure != nil {
		_ = c.secure.Close() // writes an alert
		c.flush()
	}
	_ = unix.Close(c.fd)
}

// workStreams is work for a plan with HTTP/2. A loop serves the connection while its requests are plain.
func (w *worker) workStreams(ctx context.Context) {
	client := w.client.(*http2)
	var turns []turn // to be done first
	for ctx.Err() == nil {
		now := time.Now()
		if len(turns) == 0 {
			intended, more := w.take(now)
			if !more {
				return
			}
			turns = append(turns, turn{intended: intended})
		}
		if t := &turns[0]; t.exchange == nil {
			if wait := t.intended.Sub(now); wait > 0 {
				pause(ctx, wait)
				now = time.Now()
			}
			t.exchange, t.start = w.plan.Behaviour.Next(), now
		}
		switch t := turns[0]; {
		case now.Sub(t.start) > w.plan.Timeout:
			w.counts.overdue()
			turns = turns[1:]
			continue
		case !t.exchange.plain():
			w.finish(ctx, t)
			turns = turns[1:]
			continue
		}
		if client.streams == nil {
			var err error
			if client.streams, err = openStreams(ctx, w.plan); err != nil {
				if ctx.Err() == nil {
					w.counts.failed(err)
				}
				turns = turns[1:]
				pause(ctx, reconnectPause)
				continue
			}
			client.before++
		}
		r := w.loop.serveStreams(client.streams, turns)
		turns = r.again
		if r.closed {
			client.streams = nil
		}
		if r.ended {
			return
		}
		if r.unfit {
			pause(ctx, reconnectPause)
		}
	}
}

// streamsReturned is a connection with streams that a loop has handed back.
type streamsReturned struct {
	again  []turn // requests that are to be sent, or sent again
	closed bool
	ended  bool // there are no more requests
	unfit  bool // it could not be established
}

// serveStreams has the loop send requests over a connection, the given ones first. It blocks until the connection, or the
// iteration, ends.
func (l *loop) serveStreams(conn *streamConn, first []turn) streamsReturned {
	c := &connState{fd: conn.fd, streams: &streamState{streamConn: conn, again: first, back: make(chan streamsReturned, 1)}}
	l.handIn(c)
	return <-c.streams.back
}
