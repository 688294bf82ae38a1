package load

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// countingServer is an HTTP server that counts its requests and connections.
type countingServer struct {
	*httptest.Server
	requests, opened, open atomic.Int64
}

func newCountingServer(t *testing.T, handler http.HandlerFunc) *countingServer {
	s := &countingServer{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		handler(w, r)
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			s.opened.Add(1)
			s.open.Add(1)
		case http.StateClosed:
			s.open.Add(-1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	return s
}

func (s *countingServer) plan() Plan {
	return planFor("keepalive", s.Listener.Addr().String(), Request{Paths: []string{"/a?b=c"}})
}

func planFor(shape, address string, request Request) Plan {
	return Plan{
		Address: address, Behaviour: NewBehaviour(ShapeNamed(shape), request, address),
		Workers: 8, Streams: 3, Duration: 200 * time.Millisecond, Timeout: 5 * time.Second,
	}
}

// planOf requests / once.
func planOf(address string) Plan {
	plan := planFor("keepalive", address, Request{Paths: []string{"/"}})
	plan.Workers, plan.Requests = 1, 1
	return plan
}

func hello(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }

func TestEveryRequestIsCountedAsTheServerSawIt(t *testing.T) {
	server := newCountingServer(t, hello)
	plan := server.plan()
	meter := NewMeter()
	for range 2 {
		before := server.requests.Load()
		result, err := Run(t.Context(), plan, meter)
		require.NoError(t, err)
		assert.Positive(t, result.Requests)
		assert.EqualValues(t, server.requests.Load()-before, result.Requests)
		assert.Zero(t, result.ErrorCount())
		assert.Equal(t, map[int]uint64{200: result.Requests}, result.Codes)
		assert.EqualValues(t, result.Requests, result.Latency.TotalCount())
		assert.GreaterOrEqual(t, result.Elapsed, plan.Duration)
	}
	assert.EqualValues(t, server.requests.Load(), meter.Requests())
	assert.EqualValues(t, server.requests.Load(), meter.Snapshot().Requests)
}

func TestAWorkerIsOneConnectionThatTheIterationCloses(t *testing.T) {
	server := newCountingServer(t, hello)
	plan := server.plan()
	plan.Requests = 1000
	for iteration := range 2 {
		_, err := Run(t.Context(), plan, NewMeter())
		require.NoError(t, err)
		assert.EqualValues(t, plan.Workers*(iteration+1), server.opened.Load())
		assert.Eventually(t, func() bool { return server.open.Load() == 0 }, time.Minute, time.Millisecond)
	}
}

func TestRequestsIsExact(t *testing.T) {
	server := newCountingServer(t, hello)
	plan := server.plan()
	for _, n := range []uint64{1, 7, 8, 1001} {
		plan.Requests = n
		before := server.requests.Load()
		result, err := Run(t.Context(), plan, NewMeter())
		require.NoError(t, err)
		assert.Equal(t, n, result.Requests)
		assert.EqualValues(t, n, server.requests.Load()-before)
	}
}

func TestRequestOnTheWire(t *testing.T) {
	var got string
	server := newCountingServer(t, func(_ http.ResponseWriter, r *http.Request) {
		got = fmt.Sprint(r.Method, " ", r.RequestURI, " ", r.Host, " ", r.Proto, " ", r.Header)
	})
	plan := server.plan()
	plan.Requests, plan.Workers = 1, 1
	_, err := Run(t.Context(), plan, NewMeter())
	require.NoError(t, err)
	assert.Equal(t, "GET /a?b=c "+plan.Address+" HTTP/1.1 map[User-Agent:[leaklab]]", got)
}

func TestStatusesAreAnswersAndErrors(t *testing.T) {
	statuses := []int{200, 204, 304, 404, 503}
	var n atomic.Int64
	server := newCountingServer(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(statuses[int(n.Add(1))%len(statuses)])
	})
	plan := server.plan()
	plan.Requests = 1000
	result, err := Run(t.Context(), plan, NewMeter())
	require.NoError(t, err)
	assert.EqualValues(t, 1000, result.Requests)
	assert.Equal(t, map[int]uint64{200: 200, 204: 200, 304: 200, 404: 200, 503: 200}, result.Codes)
	assert.Equal(t, map[Reason]uint64{Status4xx: 200, Status5xx: 200}, result.Errors)
}

// serveConnections calls serve with each connection to the address that it returns, and closes it afterwards.
func serveConnections(t *testing.T, serve func(net.Conn)) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				serve(conn)
			}()
		}
	}()
	return listener.Addr().String()
}

// rawServer answers every request with the bytes of answer, and then closes the connection if closing is set.
func rawServer(t *testing.T, answer string, closing bool) string {
	return serveConnections(t, func(conn net.Conn) {
		reader := bufio.NewReader(conn)
		for {
			if _, err := http.ReadRequest(reader); err != nil {
				return
			}
			if _, err := io.WriteString(conn, answer); err != nil || closing {
				return
			}
		}
	})
}

// answersThen answers the requests of each connection with the given bytes, one after the other, and then closes it.
func answersThen(t *testing.T, answers ...string) string {
	return serveConnections(t, func(conn net.Conn) {
		reader := bufio.NewReader(conn)
		for _, answer := range answers {
			if _, err := http.ReadRequest(reader); err != nil {
				return
			}
			if _, err := io.WriteString(conn, answer); err != nil {
				return
			}
		}
	})
}

func TestOddResponses(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	big := strings.Repeat("x", 1<<20)
	for name, test := range map[string]struct {
		answer  string
		closing bool
		code    int
		reason  Reason
	}{
		"content length":              {answer: ok + "Content-Length: 2\r\n\r\nhi", code: 200},
		"large body":                  {answer: ok + "Content-Length: 1048576\r\n\r\n" + big, code: 200},
		"chunked":                     {answer: ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n3\r\nyou\r\n0\r\n\r\n", code: 200},
		"chunked, with trailer":       {answer: ok + "Transfer-Encoding: chunked\r\nTrailer: T\r\n\r\n2\r\nhi\r\n0\r\nT: 1\r\n\r\n", code: 200},
		"ends with the connection":    {answer: ok + "\r\nhello", closing: true, code: 200},
		"HTTP/1.0":                    {answer: "HTTP/1.0 200 OK\r\n\r\nhello", closing: true, code: 200},
		"told to close":               {answer: ok + "Connection: close\r\nContent-Length: 2\r\n\r\nhi", closing: true, code: 200},
		"interim response":            {answer: "HTTP/1.1 100 Continue\r\n\r\n" + ok + "Content-Length: 2\r\n\r\nhi", code: 200},
		"no content":                  {answer: "HTTP/1.1 204 No Content\r\n\r\n", code: 204},
		"not modified, with a length": {answer: "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", code: 304},
		"closed at once":              {answer: "", closing: true, reason: Reset},
		"body cut off":                {answer: ok + "Content-Length: 9\r\n\r\nhi", closing: true, reason: Reset},
		"chunk cut off":               {answer: ok + "Transfer-Encoding: chunked\r\n\r\n9\r\nhi", closing: true, reason: Reset},
		"header cut off":              {answer: ok + "Content-Le", closing: true, reason: Reset},
		"not HTTP":                    {answer: "220 mail.example ESMTP\r\n\r\n", closing: true, reason: BadResponse},
		"header too large":            {answer: ok + "X: " + big + "\r\n\r\n", closing: true, reason: BadResponse},
		"longer than it says":         {answer: ok + "Content-Length: 2\r\n\r\nhi!", reason: BadResponse},
		"two answers":                 {answer: strings.Repeat(ok+"Content-Length: 0\r\n\r\n", 2), reason: BadResponse},
		"no answer":                   {answer: "", reason: Timeout},
		"body that does not end":      {answer: ok + "Content-Length: 9\r\n\r\nhi", reason: Timeout},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plan := planOf(rawServer(t, test.answer, test.closing))
			plan.Requests, plan.Timeout = 3, 300*time.Millisecond
			result, err := Run(t.Context(), plan, NewMeter())
			require.NoError(t, err)
			if test.reason != "" {
				assert.Equal(t, map[Reason]uint64{test.reason: 3}, result.Errors)
				assert.Zero(t, result.Requests)
				return
			}
			assert.Equal(t, map[int]uint64{test.code: 3}, result.Codes)
			assert.Empty(t, result.Errors)
		})
	}
}

func TestNoServerListens(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())

	plan := planOf(address)
	plan.Workers, plan.Requests, plan.Duration = 4, 0, 100*time.Millisecond
	result, err := Run(t.Context(), plan, NewMeter())
	require.NoError(t, err)
	assert.Zero(t, result.Requests)
	assert.Positive(t, result.Errors[Connect])
	assert.LessOrEqual(t, result.Errors[Connect], uint64(plan.Workers)*uint64(result.Elapsed/reconnectPause+2), "no busy loop")

	_, err = Probe(t.Context(), plan)
	assert.ErrorContains(t, err, "no answer from http://"+address+"/ (connect)")
}

func TestCancelGivesUpTheRequestsInFlight(t *testing.T) {
	release := make(chan struct{})
	server := newCountingServer(t, func(http.ResponseWriter, *http.Request) { <-release })
	t.Cleanup(sync.OnceFunc(func() { close(release) }))
	plan := server.plan()
	plan.Timeout = time.Hour
	meter := NewMeter()
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	go func() {
		for server.requests.Load() < int64(plan.Workers) {
			time.Sleep(time.Millisecond)
		}
		cancel(cause)
	}()
	_, err := Run(ctx, plan, meter)
	assert.ErrorIs(t, err, cause)
	totals := meter.Snapshot()
	assert.Zero(t, totals.ErrorCount(), "they are not the server's errors")
}

func TestProbeTellsTheStatus(t *testing.T) {
	server := newCountingServer(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) })
	code, err := Probe(t.Context(), planOf(server.Listener.Addr().String()))
	require.NoError(t, err)
	assert.Equal(t, 404, code)
}

func TestLatencyIsExactToOnePercent(t *testing.T) {
	totals := newTotals()
	for ms := range 1000 {
		totals.answered(200, time.Duration(ms+1)*time.Millisecond)
	}
	for percentile, want := range map[float64]time.Duration{50: 500 * time.Millisecond, 90: 900 * time.Millisecond, 99: 990 * time.Millisecond} {
		assert.InEpsilon(t, want, totals.Percentile(percentile), 0.01)
	}
	assert.Equal(t, time.Second, totals.MaxLatency, "the worst case is exact")
	assert.Equal(t, time.Second, totals.Percentile(100))
	assert.Equal(t, 500500*time.Millisecond, totals.SumLatency)

	totals.answered(200, 2*time.Hour)
	assert.Equal(t, 2*time.Hour, totals.MaxLatency)
	assert.EqualValues(t, 1001, totals.Latency.TotalCount(), "a latency above the range counts as the longest")

	totals.reset()
	assert.Zero(t, totals.Percentile(99))
}

func TestEachRequestHasItsTimeoutThoughTheDeadlineIsSeldomMoved(t *testing.T) {
	near, far := net.Pipe()
	t.Cleanup(func() { _ = near.Close(); _ = far.Close() })
	const timeout = time.Hour
	c := &connection{timeout: timeout, conn: near}
	start, moved := time.Now(), 0
	for n := range 1000 {
		now, before := start.Add(time.Duration(n)*timeout/100), c.deadline
		require.NoError(t, c.limit(now))
		left := c.deadline.Sub(now)
		assert.GreaterOrEqual(t, left, timeout)
		assert.LessOrEqual(t, left, timeout+timeout/deadlineSlack)
		if c.deadline != before {
			moved++
		}
	}
	assert.Less(t, moved, 200)
}

// The repetition sends as many requests, answered or not.
func TestRepeatSendsAsManyRequests(t *testing.T) {
	for _, test := range []struct {
		name, shape string
		plan        Plan
		result      Totals
		want        uint64
	}{
		{"answered", "keepalive", Plan{Duration: time.Second}, Totals{Requests: 70}, 70},
		{"failed", "keepalive", Plan{Requests: 80}, Totals{Requests: 70, Errors: map[Reason]uint64{Connect: 1, Timeout: 2, Reset: 3, BadResponse: 4, Other: 5, Status4xx: 50, Status5xx: 5}}, 85},
		{"idle connections", "idle", Plan{Workers: 3}, Totals{Requests: 70}, 40},
		{"none", "keepalive", Plan{}, Totals{}, 1},
	} {
		test.plan.Behaviour = NewBehaviour(ShapeNamed(test.shape), Request{Paths: []string{"/"}}, "")
		again := test.plan.Repeat(Result{Totals: test.result})
		assert.Equal(t, test.want, again.Requests, test.name)
	}
}

func TestControlRefusesAddresses(t *testing.T) {
	for _, protocol := range Protocols() {
		s := newCountingServer(t, func(http.ResponseWriter, *http.Request) {})
		plan := s.plan()
		plan.Protocol, plan.Requests, plan.Workers = protocol, 2, 1
		var asked atomic.Value
		plan.Control = func(_, address string, _ syscall.RawConn) error {
			asked.Store(address)
			return errors.New("not that one")
		}
		result, err := Run(t.Context(), plan, NewMeter())
		require.NoError(t, err)
		assert.EqualValues(t, 2, result.Errors[Connect], protocol)
		assert.Zero(t, s.opened.Load(), protocol)
		assert.Equal(t, plan.Address, asked.Load(), protocol)
	}
}
