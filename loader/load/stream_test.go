package load

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// listener is a server of WebSockets and event streams that records what its clients do.
type listener struct {
	*witness
	interval time.Duration // between two events; 0: as fast as they can be written
	size     int           // bytes of an answer or an event

	received, fragmented, texts atomic.Int64 // messages
	sent                        atomic.Int64 // events
	streams, closed, vanished   atomic.Int64 // ways in which streams have begun and ended
}

func newListener(t *testing.T, protocol Protocol) *listener {
	l := &listener{interval: time.Millisecond, size: answerSize}
	l.witness = newWitness(t, protocol, func(server *http.Server) {
		server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			l.mu.Lock()
			l.requests = append(l.requests, r)
			l.mu.Unlock()
			l.streams.Add(1)
			if r.Header.Get("Upgrade") != "" {
				l.open.Add(1) // Hijack has taken it from the count
				defer l.open.Add(-1)
				l.converse(t, w, r)
				return
			}
			l.stream(w, r)
		})
		counted := server.ConnState
		server.ConnState = func(conn net.Conn, state http.ConnState) {
			counted(conn, state)
			if state == http.StateHijacked {
				l.open.Add(-1)
			}
		}
	})
	return l
}

// converse answers each message of a WebSocket.
func (l *listener) converse(t *testing.T, w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if !assert.NoError(t, err) {
		return
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(-1)
	for {
		kind, message, err := conn.Reader(r.Context())
		var size, reads int64
		for err == nil {
			var n int
			n, err = message.Read(make([]byte, 1<<20))
			size += int64(n)
			reads++
		}
		if err != io.EOF {
			if websocket.CloseStatus(err) == websocket.StatusNormalClosure {
				l.closed.Add(1)
			} else {
				l.vanished.Add(1)
			}
			return
		}
		l.received.Add(1)
		if kind == websocket.MessageText {
			l.texts.Add(1)
		}
		if reads > 2 {
			l.fragmented.Add(1)
		}
		l.mu.Lock()
		l.bodies = append(l.bodies, strings.Repeat("x", int(size)))
		l.mu.Unlock()
		if conn.Write(r.Context(), kind, make([]byte, l.size)) != nil {
			l.vanished.Add(1)
			return
		}
	}
}

// stream sends events until the client has gone.
func (l *listener) stream(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	control := http.NewResponseController(w)
	for r.Context().Err() == nil {
		if _, err := io.WriteString(w, "id: 1\ndata: "+strings.Repeat("x", l.size)+"\n\n: not an event\n\n"); err != nil || control.Flush() != nil {
			break
		}
		l.sent.Add(1)
		select {
		case <-r.Context().Done():
		case <-time.After(l.interval):
		}
	}
	l.vanished.Add(1)
}

// streamPlan is a load of the listener by 8 workers.
func (l *listener) streamPlan(shape string, protocol Protocol, requests uint64) Plan {
	plan := planFor(shape, l.Listener.Addr().String(), Request{Paths: []string{"/a?b=c"}, Header: []Field{{"X-A", "1"}}})
	plan.Protocol, plan.Insecure, plan.Requests = protocol, true, requests
	return plan
}

func (l *listener) assertAllGone(t *testing.T) {
	t.Helper()
	assert.Eventually(t, func() bool { return l.open.Load() == 0 }, time.Minute, time.Millisecond, "all connections are closed")
}

// everyStream runs a test with each protocol of streams.
func everyStream(t *testing.T, test func(t *testing.T, protocol Protocol)) {
	for _, protocol := range Protocols() {
		if protocol.Streams() {
			t.Run(string(protocol), func(t *testing.T) { test(t, protocol) })
		}
	}
}

// status is what an exchange counts as: a message has no status.
func status(protocol Protocol) int {
	if protocol == SSE {
		return 200
	}
	return 0
}

func TestAStreamIsAskedForAndStaysOpen(t *testing.T) {
	everyStream(t, func(t *testing.T, protocol Protocol) {
		l := newListener(t, protocol)
		result, err := Run(t.Context(), l.streamPlan("keepalive", protocol, 100), NewMeter())
		require.NoError(t, err)
		assert.Empty(t, result.Errors)
		assert.Equal(t, map[int]uint64{status(protocol): 100}, result.Codes)
		l.assertAllGone(t)
		assert.LessOrEqual(t, l.streams.Load(), int64(8))
		for _, r := range l.requests {
			assert.Equal(t, "GET", r.Method)
			assert.Equal(t, "/a?b=c", r.RequestURI)
			assert.Equal(t, "1", r.Header.Get("X-A"))
			assert.Equal(t, "leaklab", r.UserAgent())
			assert.Equal(t, protocol.Encrypted(), r.TLS != nil)
		}
		if protocol == SSE {
			assert.GreaterOrEqual(t, l.sent.Load(), int64(100))
			assert.LessOrEqual(t, result.Latency.TotalCount(), l.streams.Load(), "only the first event of a stream has a latency")
			return
		}
		assert.EqualValues(t, 100, l.received.Load())
		assert.EqualValues(t, 100, l.texts.Load())
		assert.EqualValues(t, 100, result.Latency.TotalCount())
		assert.Equal(t, l.streams.Load(), l.closed.Load(), "each is closed as the protocol says")
	})
}

func TestStreamsThatAreKeptServeAllIterations(t *testing.T) {
	everyStream(t, func(t *testing.T, protocol Protocol) {
		for _, shape := range []string{"keepalive", "slow"} {
			l := newListener(t, protocol)
			plan := l.streamPlan(shape, protocol, 32)
			plan.Workers, plan.Kept = 4, new(Kept)
			for range 3 {
				result, err := Run(t.Context(), plan, NewMeter())
				require.NoError(t, err)
				assert.Empty(t, result.Errors, shape)
				assert.EqualValues(t, 32, result.Requests, shape)
				assert.Zero(t, result.Reopened, shape)
				time.Sleep(10 * time.Millisecond)
				assert.Positive(t, l.open.Load(), shape)
			}
			assert.LessOrEqual(t, l.streams.Load(), int64(4), shape)
			plan.Kept.Close()
			l.assertAllGone(t)

			plan.Kept = nil
			before := l.streams.Load()
			for range 2 {
				_, err := Run(t.Context(), plan, NewMeter())
				require.NoError(t, err)
				l.assertAllGone(t)
			}
			assert.Greater(t, l.streams.Load(), before+1, shape)
		}
	})
}

func TestAStreamThatTheServerEndsWhileIdleIsOpenedAgain(t *testing.T) {
	everyStream(t, func(t *testing.T, protocol Protocol) {
		l := newListener(t, protocol)
		plan := l.streamPlan("keepalive", protocol, 100)
		plan.Kept = new(Kept)
		for iteration := range 3 {
			result, err := Run(t.Context(), plan, NewMeter())
			require.NoError(t, err)
			assert.EqualValues(t, 100, result.Requests)
			assert.Empty(t, result.Errors)
			if iteration > 0 {
				assert.Positive(t, result.Reopened)
			}
			for _, c := range plan.Kept.clients { // as a server does that ends
				switch c := c.(type) {
				case *webSocket:
					if c.messages != nil {
						_ = c.over.conn.Close()
						<-c.messages.ended
					}
				case *eventStream:
					if c.events != nil {
						_ = c.over.conn.Close()
						<-c.events.ended
					}
				}
			}
			l.assertAllGone(t)
		}
		plan.Kept.Close()
	})
}

func TestChurnOpensAStreamForEachExchange(t *testing.T) {
	everyStream(t, func(t *testing.T, protocol Protocol) {
		for _, shape := range []string{"churn", "unique"} {
			l := newListener(t, protocol)
			plan := l.streamPlan(shape, protocol, 50)
			plan.Kept = new(Kept)
			result, err := Run(t.Context(), plan, NewMeter())
			require.NoError(t, err)
			assert.Empty(t, result.Errors)
			assert.Zero(t, result.Reopened, "the load itself closes them")
			assert.Equal(t, map[int]uint64{status(protocol): 50}, result.Codes)
			assert.EqualValues(t, 50, result.Latency.TotalCount(), "each has its first event or message")
			l.assertAllGone(t)
			assert.EqualValues(t, 50, l.streams.Load())
			paths := map[string]bool{}
			for _, r := range l.requests {
				paths[r.URL.Path] = true
			}
			assert.Len(t, paths, map[string]int{"churn": 1, "unique": 50}[shape])
			if protocol != SSE {
				assert.Eventually(t, func() bool { return l.closed.Load() == 50 }, time.Minute, time.Millisecond, "in order")
			}
		}
	})
}

func TestAbortLeavesWithoutAWord(t *testing.T) {
	everyStream(t, func(t *testing.T, protocol Protocol) {
		l := newListener(t, protocol)
		result, err := Run(t.Context(), l.streamPlan("abort", protocol, 100), NewMeter())
		require.NoError(t, err)
		assert.Empty(t, result.Errors)
		assert.EqualValues(t, 100, result.Requests)
		l.assertAllGone(t)
		assert.EqualValues(t, 100, l.opened.Load())
		assert.Zero(t, l.closed.Load())
		if protocol == SSE { // half of them leave before the server has the whole request
			assert.EqualValues(t, 50, l.streams.Load())
			return
		}
		assert.EqualValues(t, 100, l.streams.Load())
		assert.EqualValues(t, 50, l.received.Load(), "the others leave in the middle of their message")
		assert.Eventually(t, func() bool { return l.vanished.Load() == 100 }, time.Minute, time.Millisecond)
	})
}

func TestIdleHoldsStreamsWhileFewWork(t *testing.T) {
	everyStream(t, func(t *testing.T, protocol Protocol) {
		l := newListener(t, protocol)
		plan := l.streamPlan("idle", protocol, 0)
		plan.Workers, plan.Duration = 10, 200*time.Millisecond
		var most atomic.Int64
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			for ctx.Err() == nil {
				most.Store(max(most.Load(), l.streams.Load()))
				time.Sleep(time.Millisecond)
			}
		}()
		result, err := Run(t.Context(), plan, NewMeter())
		cancel()
		require.NoError(t, err)
		assert.Empty(t, result.Errors)
		assert.Greater(t, result.Requests, uint64(100))
		assert.EqualValues(t, 101, l.streams.Load())
		l.assertAllGone(t)
	})
}

func TestSlowReadsAStreamAFewBytesAtATime(t *testing.T) {
	everyStream(t, func(t *testing.T, protocol Protocol) {
		l := newListener(t, protocol)
		l.interval = 0
		plan := l.streamPlan("slow", protocol, 20)
		plan.Workers = 1
		result, err := Run(t.Context(), plan, NewMeter())
		require.NoError(t, err)
		assert.Empty(t, result.Errors)
		assert.GreaterOrEqual(t, result.Elapsed, 20*(answerSize/slowBytes)*slowPause)
	})
}

func TestUploadSendsAMessageWholeAndInFragments(t *testing.T) {
	for _, protocol := range []Protocol{WS, WSS} {
		for name, size := range map[string]int{"small": 10_000, "large": wireLimit + 10} {
			l := newListener(t, protocol)
			requests := map[string]uint64{"small": 6, "large": 2}[name]
			plan := l.streamPlan("upload", protocol, requests)
			body := strings.NewReader(strings.Repeat("é", size/2))
			plan.Workers, plan.Timeout = 2, time.Minute
			plan.Behaviour = NewBehaviour(ShapeNamed("upload"), Request{Paths: []string{"/"}, Body: body}, plan.Address)
			result, err := Run(t.Context(), plan, NewMeter())
			require.NoError(t, err)
			assert.Empty(t, result.Errors, name)
			assert.Equal(t, requests, result.Requests, name)
			for _, message := range l.bodies {
				assert.Len(t, message, size, name)
			}
			if name == "small" {
				assert.EqualValues(t, 3, l.fragmented.Load())
				assert.EqualValues(t, 6, l.texts.Load(), "it is UTF-8")
			} else {
				assert.Zero(t, l.texts.Load(), "it is not in memory")
			}
			l.assertAllGone(t)
		}
	}
}

// sliced is a body that Go cannot compare.
type sliced []string

func (s sliced) Size() int64 { return int64(len(s[0])) }

func (s sliced) ReadAt(p []byte, at int64) (int, error) { return strings.NewReader(s[0]).ReadAt(p, at) }

func TestABodyThatIsNotUTF8IsABinaryMessage(t *testing.T) {
	for _, test := range []struct {
		body  Body
		texts int64
	}{{strings.NewReader("\xff\xfe"), 0}, {strings.NewReader("\ufffd"), 10}, {sliced{"é"}, 10}, {sliced{"\xe9"}, 0}} {
		l := newListener(t, WS)
		plan := l.streamPlan("keepalive", WS, 10)
		plan.Behaviour = NewBehaviour(ShapeNamed("keepalive"), Request{Paths: []string{"/"}, Body: test.body}, plan.Address)
		result, err := Run(t.Context(), plan, NewMeter())
		require.NoError(t, err)
		assert.EqualValues(t, 10, result.Requests)
		assert.EqualValues(t, 10, l.received.Load())
		assert.Equal(t, test.texts, l.texts.Load())
	}
}

func TestAnInterruptEndsEveryShapeOfAStream(t *testing.T) {
	everyStream(t, func(t *testing.T, protocol Protocol) {
		l := newListener(t, protocol)
		for _, shape := range ShapeNames() {
			plan := l.streamPlan(shape, protocol, 0)
			plan.Duration, plan.Timeout = time.Hour, time.Hour
			ctx, cancel := context.WithCancelCause(t.Context())
			enough := errors.New("enough")
			time.AfterFunc(50*time.Millisecond, func() { cancel(enough) })
			_, err := Run(ctx, plan, NewMeter())
			assert.ErrorIs(t, err, enough, shape)
			l.assertAllGone(t)
		}
	})
}

// A message is sent when it is due, and its latency counts from then.
func TestARateOfMessages(t *testing.T) {
	l := newListener(t, WS)
	plan := l.streamPlan("keepalive", WS, 0)
	plan.Rate, plan.Duration = 200, 500*time.Millisecond
	result, err := Run(t.Context(), plan, NewMeter())
	require.NoError(t, err)
	assert.EqualValues(t, 100, result.Requests)
	assert.GreaterOrEqual(t, result.Elapsed, 490*time.Millisecond)
}
