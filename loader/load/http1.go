package load

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
)

// connection is a keep-alive HTTP/1.1 connection that is opened when it is first needed and again after a
// failure. Bodies are read to the end and thrown away, so its memory does not depend on their size.
type connection struct {
	address string
	timeout time.Duration

	mu      sync.Mutex // guards conn and aborted, between the worker and abort
	conn    net.Conn
	aborted bool

	reader   *bufio.Reader
	response fasthttp.Response
}

const readBufferSize = 8 << 10 // also the longest response header that is accepted

var errAborted = errors.New("aborted")

// do sends the request and reads the answer. It returns the status code, or the reason why there is none.
func (c *connection) do(ctx context.Context, now time.Time, request []byte) (int, Reason) {
	if c.conn == nil {
		if err := c.open(ctx); err != nil {
			return 0, Connect
		}
	}
	err := c.conn.SetDeadline(now.Add(c.timeout))
	if err == nil {
		_, err = c.conn.Write(request)
	}
	if err == nil {
		err = c.read()
	}
	if err != nil {
		c.close()
		return 0, classify(err)
	}
	if c.response.ConnectionClose() {
		c.close()
	}
	return c.response.StatusCode(), ""
}

func (c *connection) open(ctx context.Context) error {
	dialer := net.Dialer{Timeout: c.timeout}
	conn, err := dialer.DialContext(ctx, "tcp", c.address)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.aborted {
		return errors.Join(errAborted, conn.Close())
	}
	c.conn = conn
	if c.reader == nil {
		c.reader = bufio.NewReaderSize(conn, readBufferSize)
	} else {
		c.reader.Reset(conn)
	}
	return nil
}

// read reads one response, without its body when that has a known length: skipping is cheaper.
func (c *connection) read() error {
	c.response.SkipBody = true
	if err := c.response.ReadLimitBody(c.reader, 0); err != nil {
		return err
	}
	if code := c.response.StatusCode(); code == fasthttp.StatusNoContent || code == fasthttp.StatusNotModified {
		return nil
	}
	if length := c.response.Header.ContentLength(); length >= 0 {
		_, err := c.reader.Discard(length)
		return err
	}
	c.response.StreamBody = true
	if err := c.response.ReadBody(c.reader, 0); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, c.response.BodyStream())
	return errors.Join(err, c.response.CloseBodyStream())
}

func (c *connection) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

// abort makes the request in flight fail, and all later ones. It may be called from any goroutine.
func (c *connection) abort() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.aborted = true
	if c.conn != nil {
		_ = c.conn.Close()
	}
}

func classify(err error) Reason {
	var timeout interface{ Timeout() bool } // fasthttp's timeouts are no net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return Timeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed):
		return Reset
	default:
		return BadResponse
	}
}

// Probe asks the server for path once. It returns the status code of the answer, or what went wrong.
func Probe(ctx context.Context, address, path string, timeout time.Duration) (int, error) {
	c := &connection{address: address, timeout: timeout}
	defer c.close()
	code, reason := c.do(ctx, time.Now(), encodeRequest(address, path))
	if reason != "" {
		return 0, fmt.Errorf("no answer from http://%s%s (%s)", address, path, reason)
	}
	return code, nil
}
