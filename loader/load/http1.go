package load

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
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
	tls     *tls.Config // nil without TLS

	mu      sync.Mutex // guards conn and aborted, between the worker and abort
	conn    net.Conn
	aborted bool

	reader   *bufio.Reader
	deadline time.Time // of conn
	sent     int       // bytes of the next exchange that conn has already sent
}

const (
	readBufferSize = 8 << 10
	deadlineSlack  = 16          // a request may exceed the timeout by one part in this many
	closeLimit     = time.Second // for the server to close a connection on request
)

var errAborted = errors.New("aborted")

func (c *connection) do(ctx context.Context, now time.Time, e *Exchange) (int, Reason) {
	if c.conn == nil {
		if err := c.open(ctx); err != nil {
			return 0, Connect
		}
	}
	if e.Cut != CutNothing {
		return c.vanish(now, e)
	}
	err := c.limit(now)
	if e.Slow {
		c.reader.Reset(&slowReader{c.conn})
	}
	if s, ok := c.conn.(*socket); ok {
		s.pending, c.sent = e.wire[c.sent:], 0
	} else if err == nil {
		_, err = c.conn.Write(e.wire)
	}
	var answer response
	if err == nil {
		answer, err = readResponse(c.reader, e.Method)
	}
	if err == nil && c.reader.Buffered() > 0 && answer.code != http.StatusSwitchingProtocols {
		err = errBadResponse // data after its end, which would become part of the next response
	}
	if err != nil {
		c.close()
		return 0, classify(err)
	}
	if e.Close {
		c.awaitClose()
	}
	if e.Close || answer.close {
		c.close()
	}
	return answer.code, ""
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
func (c *connection) vanish(now time.Time, e *Exchange) (int, Reason) {
	defer c.close()
	if conn, ok := c.conn.(interface{ SetLinger(int) error }); ok {
		_ = conn.SetLinger(0) // close sends RST, and the port is free at once
	}
	err := c.limit(now)
	if err == nil && e.Cut == CutRequest {
		_, err = c.conn.Write(e.wire[:len(e.wire)/2])
	}
	if err == nil && e.Cut == CutAnswer {
		if _, err = c.conn.Write(e.wire); err == nil {
			_, err = c.reader.Peek(1)
		}
	}
	if err != nil {
		return 0, classify(err)
	}
	return 0, ""
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
		return err
	}
	if c.tls != nil {
		secure := tls.Client(conn, c.tls)
		ctx, cancel := context.WithTimeout(ctx, c.timeout)
		defer cancel()
		if err := secure.HandshakeContext(ctx); err != nil {
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
		return errors.Join(errAborted, conn.Close())
	}
	c.conn, c.deadline = conn, time.Time{}
	if c.reader == nil {
		c.reader = bufio.NewReaderSize(conn, readBufferSize)
	} else {
		c.reader.Reset(conn)
	}
	return nil
}

func (c *connection) releaseBuffers() { c.reader = nil }

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

func classify(err error) Reason {
	var network net.Error
	switch {
	case errors.As(err, &network) && network.Timeout():
		return Timeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed):
		return Reset
	default:
		return BadResponse
	}
}

// Probe sends the first request of plan once and returns the status code of the response. It fails without a response
// within plan.Timeout, and when ctx ends first.
func Probe(ctx context.Context, plan Plan) (int, error) {
	c := newClient(&plan)
	defer c.close()
	stop := context.AfterFunc(ctx, c.abort)
	defer stop()
	e := *plan.Behaviour.Next()
	e.Cut, e.Slow = CutNothing, false
	code, reason := c.do(ctx, time.Now(), &e)
	if reason == Reset && ctx.Err() != nil { // aborted above
		reason = Timeout
	}
	if reason != "" {
		return 0, fmt.Errorf("no answer from %s://%s%s (%s)", plan.Protocol.Scheme(), plan.Address, e.Path, reason)
	}
	return code, nil
}

func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}
