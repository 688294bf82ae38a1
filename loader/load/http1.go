package load

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"
)

// connection is an HTTP/1.1 client. It discards bodies as it reads them, so its memory does not depend on their size.
type connection struct {
	address string
	timeout time.Duration
	control func(string, string, syscall.RawConn) error
	tls     *security // nil without TLS

	mu      sync.Mutex // guards conn and aborted, between the worker and abort
	conn    net.Conn
	aborted bool

	raw      syscall.RawConn // of conn; nil if it has no file descriptor
	reader   *bufio.Reader   // nil while conn is idle
	deadline time.Time       // of conn
	sent     int             // bytes of the next exchange that conn has already sent
	last     time.Time       // start of the last exchange
	rested   bool            // conn has been idle since the last iteration
	dialled  uint64          // connections so far
}

const (
	readBufferSize = 8 << 10
	deadlineSlack  = 16               // a request may exceed the timeout by one part in this many
	closeLimit     = time.Second      // for the server to close a connection on request
	idleFrom       = time.Millisecond // after the start of an exchange; later, the server may have closed the connection
	// longestIdleRead bounds the wait for the rest of what a TLS server has sent on an idle connection.
	longestIdleRead = 100 * time.Millisecond
)

var errAborted = errors.New("aborted")

// setUp prepares a new connection for the plan.
func (c *connection) setUp(plan *Plan) {
	c.address, c.timeout, c.control = plan.Address, plan.Timeout, plan.Control
	if plan.Protocol.Encrypted() {
		c.tls = plan.tls("http/1.1")
	}
}

func (c *connection) do(ctx context.Context, now time.Time, e *Exchange) (int, error) {
	rested := c.rested
	c.rested = false
	if c.conn != nil && c.sent == 0 && now.Sub(c.last) >= idleFrom && c.closedWhileIdle() {
		c.close()
	}
	answer, err := c.exchange(ctx, now, e)
	if err != nil && rested && !answer.begun() && classify(err) == Reset { // the server closed it at that moment
		answer, err = c.exchange(ctx, now, e)
	}
	return answer.code, err
}

// exchange sends a request, over a new connection if there is none, and reads the response.
func (c *connection) exchange(ctx context.Context, now time.Time, e *Exchange) (response, error) {
	c.last = now
	answer := response{budget: headerLimit}
	if c.conn == nil {
		if err := c.open(ctx); err != nil {
			return answer, err
		}
	}
	if c.reader == nil {
		c.reader = bufio.NewReaderSize(c.conn, readBufferSize)
	}
	if e.Cut != CutNothing {
		return answer, c.vanish(now, e)
	}
	err := c.limit(now)
	if e.Slow {
		c.reader.Reset(&slowReader{c.conn})
	}
	if s, ok := c.conn.(*socket); ok && !e.streamed {
		s.pending, c.sent = e.wire[c.sent:], 0
	} else if err == nil {
		err = e.send(c.conn, sizeOf(e.Body))
	}
	if err == nil {
		answer, err = readResponse(c.reader, e.Method)
	}
	if err == nil && c.reader.Buffered() > 0 && answer.code != http.StatusSwitchingProtocols {
		err = errDataAfterEnd
	}
	if err != nil {
		c.close()
		if answer.code >= 200 && (classify(err) == Timeout || ctx.Err() != nil) {
			err = errEndless
		}
		return response{budget: answer.budget}, c.tls.explain(err)
	}
	if e.Close {
		c.awaitClose()
	}
	if e.Close || answer.close {
		c.close()
	}
	return answer, nil
}

// closedWhileIdle is true if the server has closed an idle connection, or has sent what was not asked for. A TLS server
// may have sent a ticket, or an alert that it closes; they are read. On a busy machine the deadline may have passed before
// that, so it is tried again while there is something to read.
func (c *connection) closedWhileIdle() bool {
	if c.raw == nil {
		return false
	}
	for wait := time.Millisecond; wait <= longestIdleRead; wait *= 2 {
		var n int
		var failed error
		peek := func(fd uintptr) { n, _, failed = syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK) }
		switch err := c.raw.Control(peek); {
		case err != nil:
			return true
		case failed != nil:
			return !again(failed)
		case n == 0 || c.tls == nil:
			return true
		}
		c.deadline = time.Time{}
		if c.conn.SetReadDeadline(time.Now().Add(wait)) != nil {
			return true
		}
		if _, err := c.conn.Read(make([]byte, 1)); err == nil || classify(err) != Timeout {
			return true
		}
	}
	return true
}

// limit sets the deadline of an exchange that starts now. Setting a deadline has a cost, so it is set ahead by
// 1/deadlineSlack and not moved for each exchange.
func (c *connection) limit(now time.Time) error {
	if c.deadline.Sub(now) >= c.timeout {
		return nil
	}
	c.deadline = now.Add(c.timeout + c.timeout/deadlineSlack)
	return c.conn.SetDeadline(c.deadline)
}

// vanish sends half of the request, or all of it and waits for the first byte of the response, then resets the connection.
func (c *connection) vanish(now time.Time, e *Exchange) error {
	defer c.close()
	if conn, ok := c.conn.(interface{ SetLinger(int) error }); ok {
		_ = conn.SetLinger(0) // close sends RST, and the port is free at once
	}
	err := c.limit(now)
	switch {
	case err != nil:
	case e.Cut == CutRequest && e.streamed:
		err = e.send(c.conn, sizeOf(e.Body)/2)
	case e.Cut == CutRequest:
		_, err = c.conn.Write(e.wire[:len(e.wire)/2])
	default:
		if err = e.send(c.conn, sizeOf(e.Body)); err == nil {
			_, err = c.reader.Peek(1)
		}
	}
	return c.tls.explain(err)
}

// awaitClose waits until the server has closed the connection, as requested. The side that closes first keeps the port in
// TIME_WAIT, and here that must be the server.
func (c *connection) awaitClose() {
	if c.conn.SetReadDeadline(time.Now().Add(min(c.timeout, closeLimit))) == nil {
		_, _ = c.reader.ReadByte()
	}
}

func (c *connection) open(ctx context.Context) error {
	dialer := net.Dialer{Timeout: c.timeout, Control: c.control}
	conn, err := dialer.DialContext(ctx, "tcp", c.address)
	if err != nil {
		return connectError{error: err}
	}
	c.dialled++
	if c.tls != nil {
		secure, err := c.tls.handshake(ctx, conn, c.timeout)
		if err != nil {
			return errors.Join(err, conn.Close())
		}
		conn = secure
	} else {
		conn = newSocket(conn)
	}
	return c.use(conn)
}

// use makes conn the connection.
func (c *connection) use(conn net.Conn) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.aborted {
		return connectError{error: errors.Join(errAborted, conn.Close())}
	}
	c.conn, c.raw, c.deadline = conn, rawOf(conn), time.Time{}
	if c.reader != nil {
		c.reader.Reset(conn)
	}
	return nil
}

// rawOf returns access to the file descriptor of a connection; nil if it has none.
func rawOf(conn net.Conn) syscall.RawConn {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	if system, ok := conn.(syscall.Conn); ok {
		if raw, err := system.SyscallConn(); err == nil {
			return raw
		}
	}
	return nil
}

func (c *connection) releaseBuffers() { c.reader = nil }

func (c *connection) rest() {
	c.releaseBuffers()
	c.rested = c.conn != nil
}

func (c *connection) opened() uint64 { return c.dialled }

func (c *connection) takeUnasked() uint64 { return 0 }

func (c *connection) timed() bool { return true }

func (c *connection) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

// abort may be called from any goroutine.
func (c *connection) abort() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.aborted = true
	if c.conn != nil {
		_ = c.conn.Close()
	}
}

func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}
