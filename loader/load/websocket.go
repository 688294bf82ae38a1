package load

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"reflect"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"
)

// greeting is the message that is sent without a body.
const greeting = "leaklab"

// webSocket is a client of the WebSocket protocol (RFC 6455). An exchange is a message and the next one that is received.
type webSocket struct {
	over     connection
	messages *messages // of the open WebSocket; nil if there is none
	rested   bool      // it has been idle since the last iteration
	parted   bool      // the client itself has closed the last one
	dialled  uint64    // opened so far, but those in place of one that the client itself has closed
	unasked  atomic.Uint64

	body Body // whose kind is known
	kind websocket.MessageType
}

func (c *webSocket) do(ctx context.Context, now time.Time, e *Exchange) (int, error) {
	rested := c.rested
	c.rested = false
	if c.messages != nil && c.messages.over() { // the server may close it while it is idle, but not break the protocol
		err := c.messages.err
		c.drop()
		if classify(err) != Reset {
			return 0, err
		}
	}
	code, err := c.exchange(ctx, now, e)
	if err != nil && rested && classify(err) == Reset { // the server closed it at that moment
		code, err = c.exchange(ctx, now, e)
	}
	return code, err
}

// exchange sends a message, over a new WebSocket if there is none, and waits for the next one. It returns the status of an
// HTTP response in place of a WebSocket, and 0 for a message, which has none.
func (c *webSocket) exchange(ctx context.Context, now time.Time, e *Exchange) (int, error) {
	if c.messages == nil {
		if code, err := c.greet(ctx, now, e); err != nil || code != 0 {
			return code, err
		}
	}
	m := c.messages
	m.expect(e)
	err := m.send(now, e, c.kindOf(e))
	if e.Cut == CutRequest && m.under.cut() {
		c.vanish()
		return 0, nil
	}
	if err == nil {
		err = m.await(now.Add(c.over.timeout), errNoMessage)
	}
	switch {
	case err != nil:
		c.drop()
	case e.Cut != CutNothing:
		c.vanish()
	case e.Close || e.Unique:
		c.part()
	}
	return 0, c.over.tls.explain(err)
}

// greet opens a WebSocket. It returns the status of the response if there is none; 0 if it is open.
func (c *webSocket) greet(ctx context.Context, now time.Time, e *Exchange) (int, error) {
	h := &handshake{over: &c.over, ctx: ctx, now: now, exchange: e}
	conn, _, err := websocket.Dial(context.Background(), "ws://server/", &websocket.DialOptions{
		HTTPClient:     &http.Client{Transport: h},
		OnPingReceived: func(context.Context, []byte) bool { return h.under.pinged() },
	})
	switch {
	case h.err != nil:
		return 0, h.err
	case h.code != 0:
		return h.code, nil
	case err != nil:
		c.over.close()
		return 0, errHandshake
	}
	if err := c.over.conn.SetDeadline(time.Time{}); err != nil {
		c.over.close()
		return 0, err
	}
	if !c.parted {
		c.dialled++
	}
	c.parted = false
	c.messages = newMessages(conn, h.under, &c.unasked)
	return 0, nil
}

// kindOf is the kind of message that an exchange sends: text if it is UTF-8, and binary if it is not, or is not in memory.
func (c *webSocket) kindOf(e *Exchange) websocket.MessageType {
	switch {
	case e.streamed:
		return websocket.MessageBinary
	case sizeOf(e.Body) == 0:
		return websocket.MessageText
	case !reflect.TypeOf(e.Body).Comparable():
		return kindOf(e.Body)
	case c.body != e.Body:
		c.body, c.kind = e.Body, kindOf(e.Body)
	}
	return c.kind
}

// kindOf is the kind of message for a body, which is read for that.
func kindOf(b Body) websocket.MessageType {
	content := bufio.NewReader(io.NewSectionReader(b, 0, b.Size()))
	for {
		r, size, err := content.ReadRune()
		switch {
		case err == io.EOF:
			return websocket.MessageText
		case err != nil || r == utf8.RuneError && size == 1:
			return websocket.MessageBinary
		}
	}
}

// part closes the WebSocket as the protocol says, if there is one. The server has some time to answer.
func (c *webSocket) part() {
	if c.messages == nil {
		return
	}
	c.messages.part(min(c.over.timeout, closeLimit))
	c.drop()
	c.parted = true
}

// vanish closes the connection by RST, without a close frame.
func (c *webSocket) vanish() {
	c.over.reset()
	c.drop()
	c.parted = true
}

// drop frees the WebSocket, whose connection is closed.
func (c *webSocket) drop() {
	c.over.close()
	if c.messages != nil {
		c.messages.free()
		c.messages = nil
	}
}

func (c *webSocket) releaseBuffers() {}

func (c *webSocket) rest() {
	if c.rested = c.messages != nil; c.rested {
		c.messages.resting.Store(true)
	}
}

func (c *webSocket) opened() uint64 { return c.dialled }

func (c *webSocket) takeUnasked() uint64 { return c.unasked.Swap(0) }

func (c *webSocket) timed() bool { return true }

func (c *webSocket) close() {
	c.part()
	c.over.close()
}

func (c *webSocket) abort() { c.over.abort() }

// handshake sends one request to open a WebSocket. It is the http.RoundTripper of the library, and keeps how it ended.
type handshake struct {
	over     *connection
	ctx      context.Context
	now      time.Time
	exchange *Exchange

	under *underlay // what the WebSocket is over; nil if there is none
	code  int       // of the response if it is an error; 0 if it is not
	err   error
}

// RoundTrip returns a response only if the server has switched protocols.
func (h *handshake) RoundTrip(r *http.Request) (*http.Response, error) {
	asked := h.exchange.asStream(Field{"Connection", "Upgrade"}, Field{"Upgrade", "websocket"},
		Field{"Sec-WebSocket-Version", r.Header.Get("Sec-WebSocket-Version")}, Field{"Sec-WebSocket-Key", r.Header.Get("Sec-WebSocket-Key")})
	o, err := h.over.ask(h.ctx, h.now, asked)
	if err == nil && o.StatusCode != http.StatusSwitchingProtocols {
		h.code, err = h.over.refuse(o, "a WebSocket handshake")
		h.err = err
		if err == nil {
			err = errHandshake
		}
		return nil, err
	}
	if err != nil {
		h.err = err
		return nil, err
	}
	o.Header.Del("Sec-WebSocket-Protocol") // any that the server chooses will do
	ahead, _ := o.reader.Peek(o.reader.Buffered())
	h.under = &underlay{Conn: h.over.conn, timeout: h.over.timeout, ahead: append([]byte(nil), ahead...)}
	h.under.left.Store(-1)
	o.Body = h.under
	return o.Response, nil
}
