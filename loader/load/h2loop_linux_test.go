package load

import (
	"context"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	xhttp2 "golang.org/x/net/http2"
)

// multiplexed runs a test with each protocol that has streams.
func multiplexed(t *testing.T, test func(t *testing.T, protocol Protocol)) {
	for _, protocol := range []Protocol{H2C, H2} {
		t.Run(string(protocol), func(t *testing.T) { test(t, protocol) })
	}
}

// streamsPlan loads the witness with 10 streams on each of 2 connections.
func (w *witness) streamsPlan(protocol Protocol, requests uint64) Plan {
	plan := planFor("keepalive", w.Listener.Addr().String(), Request{Paths: []string{"/"}})
	plan.Protocol, plan.Insecure, plan.Workers, plan.Streams, plan.Requests = protocol, true, 2, 10, requests
	return plan
}

// answering has the witness answer with the given handler.
func answering(handler http.HandlerFunc) func(*http.Server) {
	return func(server *http.Server) { server.Handler = handler }
}

// All streams of a connection are in use at a time, and no more.
func TestStreamsOfAConnection(t *testing.T) {
	multiplexed(t, func(t *testing.T, protocol Protocol) {
		var open, most atomic.Int64
		w := newWitness(t, protocol, answering(func(out http.ResponseWriter, _ *http.Request) {
			now := open.Add(1)
			for seen := most.Load(); now > seen && !most.CompareAndSwap(seen, now); seen = most.Load() {
			}
			for wait := time.Now(); most.Load() < 20 && time.Since(wait) < 100*time.Millisecond; {
				time.Sleep(time.Millisecond)
			}
			open.Add(-1)
			_, _ = io.WriteString(out, "hello")
		}))
		result, err := Run(t.Context(), w.streamsPlan(protocol, 400), NewMeter())
		require.NoError(t, err)
		assert.Empty(t, result.Errors)
		assert.EqualValues(t, 400, result.Requests)
		assert.EqualValues(t, 20, most.Load())
		assert.EqualValues(t, 2, w.opened.Load())
		assert.Equal(t, 2, result.Connections)
		w.assertAllClosed(t)
	})
}

// A server may allow fewer streams. None of the requests is an error.
func TestALimitOfStreamsIsRespected(t *testing.T) {
	multiplexed(t, func(t *testing.T, protocol Protocol) {
		var open, most atomic.Int64
		w := newWitness(t, protocol, answering(func(out http.ResponseWriter, _ *http.Request) {
			most.Store(max(most.Load(), open.Add(1)))
			time.Sleep(time.Millisecond)
			open.Add(-1)
		}), func(server *http.Server) { server.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 3} })
		plan := w.streamsPlan(protocol, 100)
		plan.Workers = 1
		result, err := Run(t.Context(), plan, NewMeter())
		require.NoError(t, err)
		assert.Empty(t, result.Errors)
		assert.EqualValues(t, 100, result.Requests)
		assert.LessOrEqual(t, most.Load(), int64(3))
	})
}

// Bodies go both ways through windows that they exceed many times.
func TestLargeBodiesOnStreams(t *testing.T) {
	multiplexed(t, func(t *testing.T, protocol Protocol) {
		const size = 2<<20 + 7
		var wrong atomic.Int64
		w := newWitness(t, protocol, answering(func(out http.ResponseWriter, r *http.Request) {
			n, err := io.Copy(io.Discard, r.Body)
			if n != size || err != nil {
				wrong.Add(1)
			}
			_, _ = io.WriteString(out, strings.Repeat("x", size))
		}))
		for _, shape := range []string{"keepalive", "upload"} {
			plan := w.streamsPlan(protocol, 40)
			plan.Timeout = time.Minute
			plan.Behaviour = NewBehaviour(ShapeNamed(shape), Request{Method: "POST", Paths: []string{"/"}, Body: strings.NewReader(strings.Repeat("x", size))}, plan.Address)
			require.True(t, plan.Behaviour.Next().plain(), "the loop sends it")
			result, err := Run(t.Context(), plan, NewMeter())
			require.NoError(t, err)
			assert.Empty(t, result.Errors, shape)
			assert.EqualValues(t, 40, result.Requests, shape)
			assert.Zero(t, wrong.Load(), shape)
		}
	})
}

// A request that times out leaves the others of its connection alone.
func TestATimeoutOfAStreamIsOneOfItsRequestOnly(t *testing.T) {
	multiplexed(t, func(t *testing.T, protocol Protocol) {
		var asked atomic.Int64
		w := newWitness(t, protocol, answering(func(out http.ResponseWriter, r *http.Request) {
			if asked.Add(1) == 5 {
				<-r.Context().Done()
			}
			time.Sleep(time.Millisecond)
		}))
		plan := w.streamsPlan(protocol, 500)
		plan.Timeout = 500 * time.Millisecond
		result, err := Run(t.Context(), plan, NewMeter())
		require.NoError(t, err)
		assert.Equal(t, map[Reason]uint64{Timeout: 1}, result.Errors)
		assert.EqualValues(t, 499, result.Requests)
		assert.EqualValues(t, 500, asked.Load())
		w.assertAllClosed(t)
	})
}

// A handler that panics resets its stream.
func TestAStreamThatTheServerResets(t *testing.T) {
	multiplexed(t, func(t *testing.T, protocol Protocol) {
		var asked atomic.Int64
		w := newWitness(t, protocol, answering(func(http.ResponseWriter, *http.Request) {
			if asked.Add(1)%10 == 0 {
				panic(http.ErrAbortHandler)
			}
		}))
		result, err := Run(t.Context(), w.streamsPlan(protocol, 500), NewMeter())
		require.NoError(t, err)
		assert.Equal(t, map[Reason]uint64{Reset: 50}, result.Errors)
		assert.EqualValues(t, 450, result.Requests)
		assert.EqualValues(t, 2, w.opened.Load())

		plan := w.streamsPlan(protocol, 50)
		plan.Behaviour = NewBehaviour(ShapeNamed("slow"), Request{Paths: []string{"/"}}, plan.Address)
		result, err = Run(t.Context(), plan, NewMeter())
		require.NoError(t, err)
		assert.Equal(t, map[Reason]uint64{Reset: 5}, result.Errors, "as with Go's client")
	})
}

// The open loop holds with streams: a stall shows in all requests that were due meanwhile.
func TestRateOverStreams(t *testing.T) {
	multiplexed(t, func(t *testing.T, protocol Protocol) {
		begin := sync.OnceValue(time.Now) // at the first request
		w := newWitness(t, protocol, answering(func(http.ResponseWriter, *http.Request) {
			for since := time.Since(begin()); since > 100*time.Millisecond && since < 300*time.Millisecond; since = time.Since(begin()) {
				time.Sleep(time.Millisecond)
			}
		}))
		plan := w.streamsPlan(protocol, 0)
		plan.Rate, plan.Duration = 1000, 500*time.Millisecond
		result, err := Run(t.Context(), plan, NewMeter())
		require.NoError(t, err)
		assert.Empty(t, result.Errors)
		assert.EqualValues(t, 500, result.Requests, "none is left out")
		assert.GreaterOrEqual(t, result.Elapsed, 490*time.Millisecond)
		assert.Greater(t, result.Percentile(75), 50*time.Millisecond, "those due in the stall have waited, though only 20 were sent in it")
	})
}

func TestManyPathsOverStreams(t *testing.T) {
	w := newWitness(t, H2C)
	var paths []string
	for n := range 300 { // more than fit into the table
		paths = append(paths, "/"+strings.Repeat("a", n))
	}
	plan := w.streamsPlan(H2C, 900)
	plan.Behaviour = NewBehaviour(ShapeNamed("keepalive"), Request{Paths: paths}, plan.Address)
	result, err := Run(t.Context(), plan, NewMeter())
	require.NoError(t, err)
	assert.Empty(t, result.Errors)
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := map[string]int{}
	for _, r := range w.requests {
		seen[r.URL.Path]++
	}
	assert.Len(t, seen, 300)
	for path, n := range seen {
		assert.Equal(t, 3, n, path)
	}
}

// framed calls serve with a Framer for each connection to the address that it returns.
func framed(t *testing.T, serve func(conn net.Conn, f *xhttp2.Framer)) string {
	return serveConnections(t, func(conn net.Conn) {
		_, _ = io.ReadFull(conn, make([]byte, len(clientPreface)))
		f := xhttp2.NewFramer(conn, conn)
		_ = f.WriteSettings()
		_ = f.WriteSettingsAck()
		serve(conn, f)
	})
}

// nextRequest returns the stream of the next request, and 0 at the end of the connection.
func nextRequest(f *xhttp2.Framer) uint32 {
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return 0
		}
		if frame.Header().Type == xhttp2.FrameHeaders {
			return frame.Header().StreamID
		}
	}
}

func answerStream(f *xhttp2.Framer, stream uint32) {
	_ = f.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: stream, BlockFragment: []byte{0x88}, EndHeaders: true, EndStream: true})
}

func runOver(t *testing.T, address string, requests uint64) Result {
	t.Helper()
	plan := planOf(address)
	plan.Protocol, plan.Streams, plan.Requests = H2C, 10, requests
	result, err := Run(t.Context(), plan, NewMeter())
	require.NoError(t, err)
	return result
}

// A server may close a connection after some requests, as nginx does by keepalive_requests. Those that it has not
// processed are sent again over another, and no request is an error.
func TestRequestsAfterGOAWAYAreSentAgain(t *testing.T) {
	var answered, opened atomic.Int64
	result := runOver(t, framed(t, func(_ net.Conn, f *xhttp2.Framer) {
		opened.Add(1)
		var last uint32
		for n := 1; ; n++ {
			stream := nextRequest(f)
			if stream == 0 {
				return
			}
			if n == 25 {
				last = stream
				_ = f.WriteGoAway(last, xhttp2.ErrCodeNo, nil)
			}
			if last == 0 || stream <= last {
				answered.Add(1)
				answerStream(f, stream)
			}
		}
	}), 200)
	assert.Empty(t, result.Errors)
	assert.EqualValues(t, 200, result.Requests)
	assert.EqualValues(t, 200, answered.Load())
	assert.EqualValues(t, 8, opened.Load())
}

// A request that the server refuses is sent again, but not for ever.
func TestRefusedRequestsAreSentAgain(t *testing.T) {
	refused := map[bool]*atomic.Int64{false: {}, true: {}}
	for always := range refused {
		address := framed(t, func(_ net.Conn, f *xhttp2.Framer) {
			for n := 0; ; n++ {
				stream := nextRequest(f)
				switch {
				case stream == 0:
					return
				case always || n%7 == 3:
					refused[always].Add(1)
					_ = f.WriteRSTStream(stream, xhttp2.ErrCodeRefusedStream)
				default:
					answerStream(f, stream)
				}
			}
		})
		result := runOver(t, address, 50)
		if always {
			assert.Equal(t, map[Reason]uint64{Reset: 50}, result.Errors)
			assert.EqualValues(t, 50*triesLimit, refused[always].Load())
		} else {
			assert.Empty(t, result.Errors)
			assert.EqualValues(t, 50, result.Requests)
			assert.Positive(t, refused[always].Load())
		}
	}
}

// A server that takes no request at all ends the load as well.
func TestAServerThatAlwaysLeaves(t *testing.T) {
	var opened atomic.Int64
	result := runOver(t, framed(t, func(_ net.Conn, f *xhttp2.Framer) {
		opened.Add(1)
		_ = f.WriteGoAway(0, xhttp2.ErrCodeNo, nil)
		nextRequest(f)
	}), 20)
	assert.EqualValues(t, 20, result.Errors[Reset])
	assert.Zero(t, result.Requests)
	assert.LessOrEqual(t, opened.Load(), int64(20*triesLimit))
}

// A server that allows no stream lets requests time out, which it has not seen.
func TestAServerThatAllowsNoStream(t *testing.T) {
	plan := planOf(framed(t, func(_ net.Conn, f *xhttp2.Framer) {
		_ = f.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingMaxConcurrentStreams, Val: 0})
		for first := true; ; first = false {
			stream := nextRequest(f)
			if stream == 0 {
				return
			}
			if first {
				_ = f.WriteRSTStream(stream, xhttp2.ErrCodeRefusedStream)
			}
		}
	}))
	plan.Protocol, plan.Streams, plan.Requests, plan.Timeout = H2C, 10, 3, 200*time.Millisecond
	result, err := Run(t.Context(), plan, NewMeter())
	require.NoError(t, err)
	assert.Equal(t, map[Reason]uint64{Timeout: 3}, result.Errors)
}

// With a rate, requests that were planned for a connection end in time as well when the server allows no stream any more.
func TestAServerThatAllowsNoStreamAnyMore(t *testing.T) {
	plan := planOf(framed(t, func(_ net.Conn, f *xhttp2.Framer) {
		stream := nextRequest(f)
		_ = f.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: stream, BlockFragment: []byte{0x88}, EndHeaders: true, EndStream: true})
		_ = f.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingMaxConcurrentStreams, Val: 0})
		for nextRequest(f) != 0 {
		}
	}))
	plan.Protocol, plan.Streams, plan.Requests, plan.Rate, plan.Timeout = H2C, 10, 20, 100, 200*time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	result, err := Run(ctx, plan, NewMeter())
	require.NoError(t, err, "it has not hung")
	assert.EqualValues(t, 20, result.Requests+result.ErrorCount())
	assert.Positive(t, result.Errors[Timeout])
}

// A connection that ends before its first request fails one request, and is not opened again and again for it.
func TestConnectionsThatEndBeforeTheirFirstRequest(t *testing.T) {
	var opened atomic.Int64
	plan := planOf(serveConnections(t, func(net.Conn) { opened.Add(1) }))
	plan.Protocol, plan.Streams, plan.Requests, plan.Workers = H2C, 10, 5, 1
	result, err := Run(t.Context(), plan, NewMeter())
	require.NoError(t, err)
	assert.EqualValues(t, 5, result.ErrorCount())
	assert.EqualValues(t, 5, result.Errors[Reset], "%v", result.Errors)
	assert.LessOrEqual(t, opened.Load(), int64(6))
}

// What net/http's client finds wrong with an answer is no reset by the server.
func TestABadAnswerOverGosClient(t *testing.T) {
	for name, answer := range map[string]func(f *xhttp2.Framer, stream uint32) error{
		string(BadResponse): func(f *xhttp2.Framer, stream uint32) error {
			return f.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: stream, EndHeaders: true, EndStream: true})
		},
		string(Reset): func(f *xhttp2.Framer, stream uint32) error { return f.WriteRSTStream(stream, xhttp2.ErrCodeInternal) },
	} {
		address := framed(t, func(_ net.Conn, f *xhttp2.Framer) {
			for stream := nextRequest(f); stream != 0; stream = nextRequest(f) {
				_ = answer(f, stream)
			}
		})
		plan := planOf(address)
		plan.Behaviour = NewBehaviour(ShapeNamed("slow"), Request{Paths: []string{"/"}}, address)
		plan.Protocol, plan.Requests, plan.Workers = H2C, 3, 1
		result, err := Run(t.Context(), plan, NewMeter())
		require.NoError(t, err)
		assert.Equal(t, map[Reason]uint64{Reason(name): 3}, result.Errors)
	}
}

// A server that asks without end, and does not read the answers, is not read any more. It takes no memory.
func TestAServerThatAsksWithoutEnd(t *testing.T) {
	for name, ask := range map[string]func(f *xhttp2.Framer) error{
		"PING":     func(f *xhttp2.Framer) error { return f.WritePing(false, [8]byte{}) },
		"SETTINGS": func(f *xhttp2.Framer) error { return f.WriteSettings() },
		"table size": func(f *xhttp2.Framer) error {
			return f.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingHeaderTableSize, Val: 7})
		},
	} {
		var asked atomic.Int64
		plan := planOf(framed(t, func(conn net.Conn, f *xhttp2.Framer) {
			nextRequest(f)
			_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
			for ask(f) == nil {
				asked.Add(1)
			}
		}))
		plan.Protocol, plan.Streams, plan.Timeout = H2C, 10, 500*time.Millisecond
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		result, err := Run(t.Context(), plan, NewMeter())
		runtime.ReadMemStats(&after)
		require.NoError(t, err)
		assert.Equal(t, map[Reason]uint64{Timeout: 1}, result.Errors, name)
		assert.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(16<<20), name)
		assert.Positive(t, asked.Load(), name)
	}
}

// A body that cannot be read any more is no fault of the server.
func TestABodyThatCannotBeReadOnAStream(t *testing.T) {
	w := newWitness(t, H2C)
	plan := w.streamsPlan(H2C, 20)
	body := &failing{Reader: strings.NewReader("hello")}
	plan.Behaviour = NewBehaviour(ShapeNamed("keepalive"), Request{Method: "POST", Paths: []string{"/"}, Body: body}, plan.Address)
	body.fail()
	result, err := Run(t.Context(), plan, NewMeter())
	require.NoError(t, err)
	assert.Equal(t, map[Reason]uint64{Other: 20}, result.Errors)
}

// failing is a body that cannot be read once fail was called.
type failing struct {
	*strings.Reader
	broken atomic.Bool
}

func (f *failing) fail() { f.broken.Store(true) }

func (f *failing) ReadAt(p []byte, at int64) (int, error) {
	if f.broken.Load() {
		return 0, io.ErrUnexpectedEOF
	}
	return f.Reader.ReadAt(p, at)
}
