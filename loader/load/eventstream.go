package load

import (
	"context"
	"io"
	"mime"
	"net/http"
	"sync/atomic"
	"time"
)

// eventStream is a client of server-sent events over HTTP/1.1 (HTML Living Standard, section 9.2). An exchange is one event
// on a subscription that stays open.
type eventStream struct {
	over    connection
	events  *events // of the subscription; nil if there is none
	rested  bool    // it has been idle since the last iteration
	parted  bool    // the client itself has ended the last one
	dialled uint64  // subscriptions so far, but those in place of one that the client itself has ended
	first   bool    // the last event was the first of its subscription
	unasked atomic.Uint64
}

func (c *eventStream) do(ctx context.Context, now time.Time, e *Exchange) (int, error) {
	rested := c.rested
	c.rested = false
	if e.Cut != CutNothing {
		_, err := c.over.exchange(ctx, now, c.subscription(e))
		c.first = true
		return 0, err
	}
	if c.events != nil && rested && c.events.over() { // the server may end it while it is idle
		c.drop()
	}
	subscribed := c.events != nil
	code, err := c.receive(ctx, now, e)
	if subscribed && (err == io.EOF || rested && classify(err) == Reset) { // a browser subscribes again, too
		code, err = c.receive(ctx, now, e)
	}
	if err == io.EOF {
		err = errNoEvents
	}
	return code, err
}

// receive returns the status of the subscription when its next event has arrived; io.EOF if its response ends before.
func (c *eventStream) receive(ctx context.Context, now time.Time, e *Exchange) (int, error) {
	c.first = c.events == nil
	if c.first {
		if code, err := c.greet(ctx, now, e); err != nil || code != http.StatusOK {
			return code, err
		}
	}
	err := c.events.await(now.Add(c.over.timeout))
	switch {
	case err != nil:
		c.drop()
		return 0, c.over.tls.explain(err)
	case e.Close || e.Unique:
		c.drop()
		c.parted = true
	}
	return http.StatusOK, nil
}

// subscription is the request for the event stream of an exchange.
func (c *eventStream) subscription(e *Exchange) *Exchange {
	return e.asStream(Field{"Accept", "text/event-stream"}, Field{"Cache-Control", "no-store"})
}

// greet subscribes, and returns the status of the response. There are events after http.StatusOK alone.
func (c *eventStream) greet(ctx context.Context, now time.Time, e *Exchange) (int, error) {
	o, err := c.over.ask(ctx, now, c.subscription(e))
	if err != nil {
		return 0, err
	}
	if o.StatusCode != http.StatusOK {
		return c.over.refuse(o, "a request for an event stream")
	}
	if kind, _, err := mime.ParseMediaType(o.Header.Get("Content-Type")); err != nil || kind != "text/event-stream" {
		c.over.close()
		return 0, errNotEvents
	}
	if err := c.over.conn.SetDeadline(time.Time{}); err != nil {
		c.over.close()
		return 0, err
	}
	if !c.parted {
		c.dialled++
	}
	c.parted = false
	c.events = newEvents(o, &c.unasked)
	return http.StatusOK, nil
}

// drop ends the subscription.
func (c *eventStream) drop() {
	c.over.close()
	if c.events != nil {
		c.events.free()
		c.events = nil
	}
}

func (c *eventStream) releaseBuffers() {
	if c.events != nil {
		c.events.ignore()
	}
}

func (c *eventStream) rest() {
	c.releaseBuffers()
	c.rested = c.events != nil
}

func (c *eventStream) opened() uint64 { return c.dialled }

func (c *eventStream) takeUnasked() uint64 { return c.unasked.Swap(0) }

// timed is true for the first event of a subscription: when the server sends another is not up to the client.
func (c *eventStream) timed() bool { return c.first }

func (c *eventStream) close() { c.drop() }

func (c *eventStream) abort() { c.over.abort() }
