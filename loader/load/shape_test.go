package load

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// witness is a server that records what its clients do.
type witness struct {
	*httptest.Server
	opened, open atomic.Int64

	mu       sync.Mutex
	requests []*http.Request
	bodies   []string
	vanished int // clients that disconnected before the response was complete
}

// answerSize exceeds all buffers on the way, so that the server notices a client that does not read.
const answerSize = 100

// newWitness starts a witness, as options change it.
func newWitness(t *testing.T, protocol Protocol, options ...func(*http.Server)) *witness {
	w := &witness{}
	w.Server = httptest.NewUnstartedServer(http.HandlerFunc(w.serve))
	w.Config.ErrorLog = log.New(io.Discard, "", 0) // clients that vanish are no news
	w.Config.Protocols = new(http.Protocols)
	w.Config.Protocols.SetHTTP1(true)
	w.Config.Protocols.SetHTTP2(true)
	w.Config.Protocols.SetUnencryptedHTTP2(true)
	w.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			w.opened.Add(1)
			w.open.Add(1)
		case http.StateClosed:
			w.open.Add(-1)
		}
	}
	for _, option := range options {
		option(w.Config)
	}
	if protocol.Encrypted() {
		w.EnableHTTP2 = true
		w.TLS, w.Config.TLSConfig = w.Config.TLSConfig, nil
		w.StartTLS()
	} else {
		w.Start()
	}
	t.Cleanup(w.Close)
	return w
}

func (w *witness) serve(out http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	vanished := err != nil
	if !vanished && r.Header.Get("X-Abort") != "" {
		out.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(out).Flush()
		select {
		case <-r.Context().Done():
			vanished = true
		case <-time.After(5 * time.Second):
		}
	}
	w.mu.Lock()
	w.requests = append(w.requests, r)
	w.bodies = append(w.bodies, string(body))
	if vanished {
		w.vanished++
	}
	w.mu.Unlock()
	_, _ = io.WriteString(out, strings.Repeat("x", answerSize))
}

// run loads the witness with a shape, and returns the loader's counts.
func (w *witness) run(t *testing.T, shape string, protocol Protocol, request Request, requests uint64) Result {
	t.Helper()
	plan := planFor(shape, w.Listener.Addr().String(), request)
	plan.Protocol, plan.Insecure, plan.Requests = protocol, true, requests
	result, err := Run(t.Context(), plan, NewMeter())
	require.NoError(t, err)
	assert.Empty(t, result.Errors)
	assert.EqualValues(t, requests+uint64(plan.Workers*plan.Behaviour.Idle), result.Requests)
	assert.Eventually(t, func() bool { return w.open.Load() == 0 }, time.Minute, time.Millisecond, "all connections are closed")
	w.mu.Lock()
	t.Cleanup(w.mu.Unlock)
	return result
}

// everyProtocol runs a test with each protocol of requests; everyStream and everyCallProtocol do with the others.
func everyProtocol(t *testing.T, test func(t *testing.T, protocol Protocol)) {
	for _, protocol := range Protocols() {
		if protocol.Streams() || protocol.Calls() {
			continue
		}
		t.Run(string(protocol), func(t *testing.T) { test(t, protocol) })
	}
}

func TestShapesAreDescribedForTables(t *testing.T) {
	assert.Equal(t, []string{"keepalive", "churn", "abort", "slow", "upload", "idle", "unique"}, ShapeNames())
	for _, shape := range Shapes() {
		assert.Equal(t, shape.Name, ShapeNamed(shape.Name).Name)
		assert.NotEmpty(t, shape.Help, shape.Name)
		assert.NotContains(t, shape.Help, "`", "it is plain text")
		assert.NotRegexp(t, `[|\n]`, shape.Help, "it fits into a cell of a table")
	}
	assert.Nil(t, ShapeNamed("none"))
}

func TestProtocols(t *testing.T) {
	everyProtocol(t, func(t *testing.T, protocol Protocol) {
		w := newWitness(t, protocol)
		result := w.run(t, "keepalive", protocol, Request{Paths: []string{"/a%20b?c=d", "/e"}, Header: []Field{{"X-A", "1"}}, Host: "example.com"}, 100)
		assert.Equal(t, map[int]uint64{200: 100}, result.Codes)
		assert.LessOrEqual(t, w.opened.Load(), int64(8), "at most a connection for each worker")
		major := map[Protocol]int{HTTP1: 1, HTTPS: 1, H2: 2, H2C: 2}[protocol]
		paths := map[string]int{}
		for _, r := range w.requests {
			assert.Equal(t, major, r.ProtoMajor)
			assert.Equal(t, protocol.Encrypted(), r.TLS != nil)
			assert.Equal(t, "1", r.Header.Get("X-A"))
			assert.Equal(t, "leaklab", r.UserAgent())
			assert.Equal(t, "example.com", r.Host)
			paths[r.RequestURI]++
		}
		assert.Equal(t, map[string]int{"/a%20b?c=d": 50, "/e": 50}, paths, "in turn")
	})
}

func TestCertificatesAreVerified(t *testing.T) {
	for _, protocol := range []Protocol{HTTPS, H2} {
		w := newWitness(t, protocol)
		plan := planOf(w.Listener.Addr().String())
		plan.Protocol = protocol
		result, err := Run(t.Context(), plan, NewMeter())
		require.NoError(t, err)
		assert.Equal(t, 1, int(result.ErrorCount()), protocol)
	}
}

func TestChurnOpensAConnectionForEachRequest(t *testing.T) {
	everyProtocol(t, func(t *testing.T, protocol Protocol) {
		w := newWitness(t, protocol)
		result := w.run(t, "churn", protocol, Request{Paths: []string{"/"}}, 100)
		assert.Equal(t, map[int]uint64{200: 100}, result.Codes)
		assert.EqualValues(t, 100, w.opened.Load())
	})
}

func TestAbortVanishes(t *testing.T) {
	everyProtocol(t, func(t *testing.T, protocol Protocol) {
		w := newWitness(t, protocol)
		request := Request{Method: "POST", Paths: []string{"/"}, Header: []Field{{"X-Abort", "1"}}, Body: strings.NewReader(strings.Repeat("x", 10_000))}
		plan := planFor("abort", w.Listener.Addr().String(), request)
		plan.Protocol, plan.Insecure, plan.Requests = protocol, true, 100
		result, err := Run(t.Context(), plan, NewMeter())
		require.NoError(t, err)
		assert.Empty(t, result.Errors)
		assert.EqualValues(t, 100, result.Requests)
		assert.Eventually(t, func() bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.vanished == 100
		}, time.Minute, 10*time.Millisecond, "half of the clients in the request, half in the answer")
		w.mu.Lock()
		defer w.mu.Unlock()
		whole := 0
		for _, body := range w.bodies {
			if len(body) == 10_000 {
				whole++
			}
		}
		assert.Equal(t, 50, whole)
	})
}

// A server may respond before it has the whole request. A client that vanishes then is no error.
func TestAbortVanishesWhileTheAnswerComes(t *testing.T) {
	everyProtocol(t, func(t *testing.T, protocol Protocol) {
		w := newWitness(t, protocol)
		w.Config.Handler = http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
			control := http.NewResponseController(out)
			assert.NoError(t, control.EnableFullDuplex())
			out.WriteHeader(http.StatusAccepted)
			_ = control.Flush()
			time.Sleep(10 * time.Millisecond)
			_, _ = io.Copy(io.Discard, r.Body)
		})
		// The body is larger than what the server buffers before its handler reads.
		plan := planFor("abort", w.Listener.Addr().String(), Request{Method: "POST", Paths: []string{"/"}, Body: bytes.NewReader(make([]byte, 8<<20))})
		plan.Protocol, plan.Insecure, plan.Requests, plan.Workers = protocol, true, 8, 2
		result, err := Run(t.Context(), plan, NewMeter())
		require.NoError(t, err)
		assert.Empty(t, result.Errors)
		assert.EqualValues(t, 8, result.Requests)
	})
}

func TestUploadSendsTheBodyWithItsLengthAndInChunks(t *testing.T) {
	body := strings.Repeat("0123456789", 1000)
	everyProtocol(t, func(t *testing.T, protocol Protocol) {
		w := newWitness(t, protocol)
		w.run(t, "upload", protocol, Request{Paths: []string{"/"}, Body: strings.NewReader(body)}, 100)
		chunked := 0
		for n, r := range w.requests {
			assert.Equal(t, "POST", r.Method)
			assert.Equal(t, body, w.bodies[n])
			if r.ContentLength < 0 {
				chunked++
			}
		}
		assert.Equal(t, 50, chunked)
	})
}

func TestUniqueNeverAsksTwice(t *testing.T) {
	everyProtocol(t, func(t *testing.T, protocol Protocol) {
		w := newWitness(t, protocol)
		plan := planFor("unique", w.Listener.Addr().String(), Request{Paths: []string{"/a?b=c", "/d"}})
		plan.Protocol, plan.Insecure, plan.Requests = protocol, true, 50
		for range 2 { // nor in the next iteration
			_, err := Run(t.Context(), plan, NewMeter())
			require.NoError(t, err)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		paths, names := map[string]bool{}, map[string]bool{}
		for _, r := range w.requests {
			paths[r.URL.Path] = true
			assert.Equal(t, strings.HasPrefix(r.URL.Path, "/a-"), r.URL.RawQuery == "b=c")
			for name := range r.Header {
				if strings.HasPrefix(name, "X-Leaklab-") {
					names[name] = true
				}
			}
		}
		assert.Len(t, paths, 100)
		assert.Len(t, names, 100)
	})
}

func TestIdleHoldsIdleConnectionsWhileFewWork(t *testing.T) {
	everyProtocol(t, func(t *testing.T, protocol Protocol) {
		w := newWitness(t, protocol)
		plan := planFor("idle", w.Listener.Addr().String(), Request{Paths: []string{"/"}})
		plan.Protocol, plan.Insecure, plan.Workers, plan.Requests, plan.Duration = protocol, true, 20, 0, 300*time.Millisecond
		meter := NewMeter()
		var most atomic.Int64
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			for ctx.Err() == nil {
				most.Store(max(most.Load(), w.open.Load()))
				time.Sleep(time.Millisecond)
			}
		}()
		result, err := Run(t.Context(), plan, meter)
		cancel()
		require.NoError(t, err)
		assert.Empty(t, result.Errors)
		assert.EqualValues(t, 200+2, most.Load(), "ten idle ones for each worker, and one active worker in ten")
		assert.EqualValues(t, 202, w.opened.Load())
		assert.Greater(t, result.Requests, uint64(200))
		assert.Eventually(t, func() bool { return w.open.Load() == 0 }, time.Minute, time.Millisecond)
	})
}

// A slow reader pauses before each few bytes of the response, which takes many times as long.
func TestSlowReadsAFewBytesAtATime(t *testing.T) {
	everyProtocol(t, func(t *testing.T, protocol Protocol) {
		w := newWitness(t, protocol)
		result := w.run(t, "slow", protocol, Request{Paths: []string{"/"}}, 16)
		assert.Equal(t, map[int]uint64{200: 16}, result.Codes)
		assert.GreaterOrEqual(t, result.Latency.Min(), int64(answerSize/slowBytes*slowPause))
	})
}

func TestHEADHasNoBody(t *testing.T) {
	everyProtocol(t, func(t *testing.T, protocol Protocol) {
		w := newWitness(t, protocol)
		result := w.run(t, "keepalive", protocol, Request{Method: "HEAD", Paths: []string{"/"}}, 20)
		assert.Equal(t, map[int]uint64{200: 20}, result.Codes)
		assert.LessOrEqual(t, w.opened.Load(), int64(8))
	})
}

func TestAnInterruptEndsEveryShape(t *testing.T) {
	everyProtocol(t, func(t *testing.T, protocol Protocol) {
		w := newWitness(t, protocol)
		for _, shape := range ShapeNames() {
			plan := planFor(shape, w.Listener.Addr().String(), Request{Paths: []string{"/"}, Body: strings.NewReader("hello")})
			plan.Protocol, plan.Insecure, plan.Duration, plan.Timeout = protocol, true, time.Hour, time.Hour
			ctx, cancel := context.WithCancelCause(t.Context())
			enough := errors.New("enough")
			time.AfterFunc(50*time.Millisecond, func() { cancel(enough) })
			_, err := Run(ctx, plan, NewMeter())
			assert.ErrorIs(t, err, enough, shape)
		}
	})
}

// The open loop sends at fixed intervals and measures latency from the scheduled send time (no coordinated omission). A
// stall of the server shows in all requests that were due meanwhile.
func TestRateIsKeptWhateverTheServerDoes(t *testing.T) {
	begin := time.Now()
	stall := func() bool {
		since := time.Since(begin) % time.Second
		return since > 300*time.Millisecond && since < 600*time.Millisecond
	}
	server := newCountingServer(t, func(http.ResponseWriter, *http.Request) {
		for stall() {
			time.Sleep(time.Millisecond)
		}
	})
	plan := server.plan()
	plan.Workers, plan.Rate, plan.Duration = 2, 500, time.Second
	begin = time.Now()
	result, err := Run(t.Context(), plan, NewMeter())
	require.NoError(t, err)
	assert.EqualValues(t, 500, result.Requests, "none is left out")
	assert.GreaterOrEqual(t, result.Percentile(99), 200*time.Millisecond)
	assert.Greater(t, result.Percentile(80), 10*time.Millisecond, "those due in the stall have waited, though only two were sent in it")
	assert.GreaterOrEqual(t, result.Elapsed, 990*time.Millisecond)

	plan.Requests, plan.Rate = 50, 1000
	result, err = Run(t.Context(), plan, NewMeter())
	require.NoError(t, err)
	assert.EqualValues(t, 50, result.Requests, "REQUESTS has the last word")
}

func TestRequestsThatAreDueForTooLongTimeOutUnsent(t *testing.T) {
	server := newCountingServer(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	plan := server.plan()
	plan.Workers, plan.Rate, plan.Duration, plan.Timeout = 1, 1000, 200*time.Millisecond, 100*time.Millisecond
	result, err := Run(t.Context(), plan, NewMeter())
	require.NoError(t, err)
	assert.Equal(t, map[Reason]uint64{Timeout: 200}, result.Errors)
	assert.Less(t, server.requests.Load(), int64(10))
	assert.Less(t, result.Elapsed, 5*time.Second, "it does not wait for each of them")
}

func TestTheUserAgentMayBeAnother(t *testing.T) {
	everyProtocol(t, func(t *testing.T, protocol Protocol) {
		for _, shape := range []string{"keepalive", "slow"} {
			w := newWitness(t, protocol)
			plan := planFor(shape, w.Listener.Addr().String(), Request{Paths: []string{"/"}, Header: []Field{{"user-agent", "other"}}})
			plan.Protocol, plan.Insecure, plan.Requests = protocol, true, 3
			_, err := Run(t.Context(), plan, NewMeter())
			require.NoError(t, err)
			w.mu.Lock()
			for _, r := range w.requests {
				assert.Equal(t, []string{"other"}, r.Header["User-Agent"], shape)
			}
			w.mu.Unlock()
		}
	})
}
