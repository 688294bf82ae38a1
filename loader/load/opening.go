package load

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// streamBufferSize is the size of each buffer of a stream that stays open, in bytes.
const streamBufferSize = 4 << 10

// opening is the response to a request for a stream that stays open. Its header is complete.
type opening struct {
	*http.Response
	reader  *bufio.Reader // what follows
	arrives *arriving     // where the reader reads
}

// arriving reads from a connection, and keeps the error.
type arriving struct {
	io.Reader
	left int // bytes of a header that may still come; -1 after it
	err  error
}

func (a *arriving) Read(p []byte) (int, error) {
	if a.left == 0 {
		a.err = errHeaderLimit
		return 0, a.err
	}
	if a.left > 0 {
		p = p[:min(len(p), a.left)]
	}
	n, err := a.Reader.Read(p)
	if a.left > 0 {
		a.left -= n
	}
	if err != nil {
		a.err = err
	}
	return n, err
}

// ask sends the HTTP/1.1 form of an exchange, over a new connection if there is none, and reads the header of the response.
// The deadline of the connection is that of the exchange then. After a failure the connection is closed.
func (c *connection) ask(ctx context.Context, now time.Time, e *Exchange) (opening, error) {
	if c.conn != nil && c.closedWhileIdle() {
		c.close()
	}
	if c.conn == nil {
		if err := c.open(ctx); err != nil {
			return opening{}, err
		}
	}
	o := opening{arrives: &arriving{Reader: c.conn, left: headerLimit}}
	if e.Slow {
		o.arrives.Reader = &slowReader{c.conn}
	}
	o.reader = bufio.NewReaderSize(o.arrives, streamBufferSize)
	c.deadline = time.Time{}
	err := c.conn.SetDeadline(now.Add(c.timeout))
	if err == nil {
		_, err = c.conn.Write(e.wire)
	}
	for err == nil {
		if o.Response, err = http.ReadResponse(o.reader, &http.Request{Method: http.MethodGet}); err != nil {
			if err = o.arrives.err; err == nil {
				err = errNotHTTP
			}
		} else if o.StatusCode >= 200 || o.StatusCode == http.StatusSwitchingProtocols {
			o.arrives.left = -1
			return o, nil
		}
	}
	c.close()
	return opening{}, c.tls.explain(err)
}

// refuse reads the rest of a response that opens no stream, so that the connection can be used again. It returns the status
// if that is of an error, and else an error. what is what was asked for.
func (c *connection) refuse(o opening, what string) (int, error) {
	if _, err := io.Copy(io.Discard, o.Body); err != nil || o.Close || o.reader.Buffered() > 0 {
		c.close()
	}
	if o.StatusCode >= http.StatusBadRequest {
		return o.StatusCode, nil
	}
	return 0, badResponse(fmt.Sprintf("status %d in answer to %s", o.StatusCode, what))
}

// reset closes the connection by RST, over TLS as well.
func (c *connection) reset() {
	conn := c.conn
	if secure, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = secure.NetConn()
	}
	if tcp, ok := conn.(interface{ SetLinger(int) error }); ok {
		_ = tcp.SetLinger(0)
	}
	if conn != nil {
		_ = conn.Close()
	}
	c.close()
}

// asStream returns the request for a stream that e is about: GET without a body, with header fields besides.
func (e *Exchange) asStream(fields ...Field) *Exchange {
	asked := Exchange{Method: http.MethodGet, Host: e.Host, Path: e.Path, Cut: e.Cut, Slow: e.Slow}
	for _, field := range fields {
		if !e.has(field.Name) {
			asked.Header = append(asked.Header, field)
		}
	}
	asked.Header = append(asked.Header, e.Header...)
	return newExchange(asked, false)
}
