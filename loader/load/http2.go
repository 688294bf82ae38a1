package load

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"
)

// http2 is an HTTP/2 client with one connection, and one stream at a time unless a loop serves it.
type http2 struct {
	plan   *Plan
	conn   *h2conn
	before uint64          // connections without those of conn
	rested bool            // conn has been idle since the last iteration
	ctx    context.Context // ends with abort
	stop   context.CancelFunc

	streams *streamConn // what a loop serves in place of conn; nil if there is none
}

func newHTTP2(plan *Plan) *http2 {
	c := &http2{plan: plan, conn: newH2Conn(plan)}
	c.ctx, c.stop = context.WithCancel(context.Background())
	return c
}

func (c *http2) do(ctx context.Context, now time.Time, e *Exchange) (int, error) {
	rested := c.rested
	c.rested = false
	code, err := c.attempt(ctx, now, e)
	if err != nil && rested && code == 0 && classify(err) == Reset { // the server closed it at that moment
		code, err = c.attempt(ctx, now, e)
	}
	return code, err
}

// attempt performs an exchange, over a new connection if there is none. The status is 0 if there was no response at all.
func (c *http2) attempt(ctx context.Context, now time.Time, e *Exchange) (int, error) {
	ctx, cancel := context.WithDeadline(ctx, now.Add(c.plan.Timeout))
	defer cancel()
	defer context.AfterFunc(c.ctx, cancel)()
	code, err := c.exchange(ctx, cancel, e)
	if code != 0 {
		c.conn.answered.Store(true)
	}
	if e.Close { // a client that vanishes resets its stream only, and keeps the connection
		c.conn.transport.CloseIdleConnections()
	}
	if err == nil {
		return code, nil
	}
	if code != 0 && ctx.Err() != nil && c.ctx.Err() == nil && e.Cut == CutNothing {
		err = errEndless
		if c.plan.Protocol.Calls() {
			err = errLongCall
		}
	}
	c.conn.close() // as over HTTP/1.1: the server may have stopped reading
	err = c.conn.explain(err)
	c.before += c.conn.dialled.Load()
	c.conn = newH2Conn(c.plan)
	return code, err
}

// exchange returns the status of the response; 0 if the client vanished before it.
func (c *http2) exchange(ctx context.Context, cancel func(), e *Exchange) (int, error) {
	request := &http.Request{
		Method: e.Method,
		URL:    &url.URL{Scheme: c.plan.Protocol.Scheme(), Host: c.plan.Address, Opaque: e.Path},
		Host:   e.Host,
		Header: make(http.Header, len(e.Header)+1),
	}
	if !e.has("User-Agent") {
		request.Header.Set("User-Agent", "leaklab")
	}
	for _, field := range e.Header {
		request.Header.Add(field.Name, field.Value)
	}
	size := sizeOf(e.Body)
	if size > 0 {
		request.Body = io.NopCloser(marked{io.NewSectionReader(e.Body, 0, size)})
		request.ContentLength = size
		if e.Chunked {
			request.ContentLength = -1
		}
	}
	if e.Cut == CutRequest {
		// The stream is reset after half of the body, even if it is empty.
		request.Body = io.NopCloser(&vanishing{vanish: cancel})
		if size > 0 {
			request.Body = io.NopCloser(&vanishing{first: io.NewSectionReader(e.Body, 0, size/2), vanish: cancel})
		}
		request.ContentLength = -1
	}
	code, err := c.answer(request.WithContext(ctx), e)
	if e.Cut == CutRequest && errors.Is(ctx.Err(), context.Canceled) && c.ctx.Err() == nil {
		return code, nil // the client vanished, before or during the response
	}
	return code, err
}

// answer sends a request and reads the response; the status is 0 without one.
func (c *http2) answer(request *http.Request, e *Exchange) (int, error) {
	response, err := c.conn.transport.RoundTrip(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	switch {
	case e.Cut == CutAnswer:
	case e.Slow:
		_, err = io.Copy(io.Discard, &slowReader{during{request.Context(), response.Body}})
	default:
		_, err = io.Copy(io.Discard, response.Body)
	}
	if !c.plan.Protocol.Calls() || err != nil || e.Cut == CutAnswer {
		return response.StatusCode, err
	}
	end := callEndIn(response.Trailer)
	if !end.told {
		end = callEndIn(response.Header)
	}
	return end.status(response.StatusCode)
}

// during is a reader that fails once its context has ended, even if data is buffered.
type during struct {
	ctx context.Context
	io.Reader
}

func (d during) Read(p []byte) (int, error) {
	if err := d.ctx.Err(); err != nil {
		return 0, err
	}
	return d.Reader.Read(p)
}

// vanishing is a body whose sender vanishes after the first part.
type vanishing struct {
	first  io.Reader // nil if there is none
	vanish func()
}

func (v *vanishing) Read(p []byte) (int, error) {
	if v.first != nil {
		if n, err := v.first.Read(p); n > 0 || err == nil {
			return n, nil
		}
	}
	v.vanish()
	return 0, context.Canceled
}

func (c *http2) releaseBuffers() {}

func (c *http2) rest() {
	c.rested = c.conn.inUse()
	if c.streams != nil {
		c.streams.rested = true
	}
}

func (c *http2) timed() bool { return true }

func (c *http2) opened() uint64 { return c.before + c.conn.dialled.Load() }

func (c *http2) takeUnasked() uint64 { return 0 }

func (c *http2) close() {
	if c.streams != nil {
		c.streams.close()
		c.streams = nil
	}
	c.conn.end()
}

func (c *http2) abort() { c.stop() }
