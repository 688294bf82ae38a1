package load

import (
	"context"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pusher is a server of one stream that sends an event or a message when it is told to, and answers each message.
type pusher struct {
	*witness
	push  chan struct{}
	going atomic.Int64 // streams
}

func newPusher(t *testing.T, protocol Protocol) *pusher {
	p := &pusher{push: make(chan struct{})}
	p.witness = newWitness(t, protocol, func(server *http.Server) {
		server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if protocol != SSE {
				p.converse(w, r)
				return
			}
			w.Header().Set("Content-Type", "text/event-stream")
			p.sendTo(r.Context(), func() error {
				_, err := io.WriteString(w, "data: x\n\n")
				_ = http.NewResponseController(w).Flush()
				return err
			})
		})
	})
	return p
}

func (p *pusher) converse(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = conn.CloseNow() }()
	ctx, cancel := context.WithCancel(context.Background())
	send := func() error { return conn.Write(ctx, websocket.MessageText, []byte("x")) }
	go func() {
		defer cancel()
		for err := error(nil); err == nil; {
			if _, _, err = conn.Read(ctx); err == nil {
				err = send()
			}
		}
	}()
	p.sendTo(ctx, send)
}

func (p *pusher) sendTo(ctx context.Context, send func() error) {
	p.going.Add(1)
	defer p.going.Add(-1)
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.push:
			if send() != nil {
				return
			}
		}
	}
}

func (p *pusher) pushes(n uint64) {
	for range n {
		p.push <- struct{}{}
	}
}

// streamOf returns of the stream of a client what it counts, if it rests, and how to end it.
func streamOf(c client) (unasked *atomic.Uint64, resting *atomic.Bool, end func()) {
	switch c := c.(type) {
	case *webSocket:
		m, conn := c.messages, c.over.conn
		return &c.unasked, &m.resting, func() { _ = conn.Close(); <-m.ended }
	case *eventStream:
		s, conn := c.events, c.over.conn
		return &c.unasked, &s.resting, func() { _ = conn.Close(); <-s.ended }
	}
	panic("no stream")
}

// What a server sends between two iterations is counted in the second, but not as a request of the load. It is not lost if
// the stream ends in the meantime.
func TestWhatArrivesBetweenIterationsIsCountedApart(t *testing.T) {
	everyStream(t, func(t *testing.T, protocol Protocol) {
		p := newPusher(t, protocol)
		plan := planFor("keepalive", p.Listener.Addr().String(), Request{Paths: []string{"/"}})
		plan.Protocol, plan.Insecure, plan.Workers, plan.Kept = protocol, true, 1, new(Kept)
		meter := NewMeter()
		resting := new(atomic.Bool)
		for n, iteration := range []struct {
			requests, unasked uint64
			ends              bool // the server ends the stream in the rest before
		}{{10, 0, false}, {5, 7, false}, {4, 0, false}, {3, 2, true}, {6, 1, false}} {
			if n > 0 {
				var unasked *atomic.Uint64
				var end func()
				unasked, resting, end = streamOf(plan.Kept.clients[0])
				p.pushes(iteration.unasked)
				require.Eventually(t, func() bool { return unasked.Load() == iteration.unasked }, time.Minute, time.Millisecond)
				if iteration.ends {
					end()
					resting = new(atomic.Bool)
					require.Eventually(t, func() bool { return p.going.Load() == 0 }, time.Minute, time.Millisecond)
				}
			}
			if plan.Requests = iteration.requests; protocol == SSE {
				go func() {
					for resting.Load() {
						time.Sleep(time.Millisecond)
					}
					p.pushes(iteration.requests)
				}()
			}
			result, err := Run(t.Context(), plan, meter)
			require.NoError(t, err)
			assert.Empty(t, result.Errors)
			assert.Equal(t, map[int]uint64{status(protocol): iteration.requests}, result.Codes)
			assert.Equal(t, iteration.requests, result.Requests)
			assert.Equal(t, iteration.unasked, result.Unasked)
			assert.Equal(t, iteration.requests+iteration.unasked, result.Arrived())
		}
		assert.EqualValues(t, 10+5+4+3+6, meter.Requests())
		plan.Kept.Close()
	})
}
