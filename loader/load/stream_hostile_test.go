package load

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const eventStreamHeader = okLine + "Content-Type: text/event-stream\r\n\r\n"

// accepted is the answer to a WebSocket handshake (RFC 6455, section 4.2.2).
func accepted(r *http.Request) string {
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: " +
		base64.StdEncoding.EncodeToString(sum[:]) + "\r\n\r\n"
}

// poured is what a server of streams writes after the request: first, then rest again and again.
type poured struct {
	unasked     bool // without the answer to a handshake
	first, rest string
	closing     bool
}

// pours starts such a server. It ignores what else it is sent.
func pours(t *testing.T, p poured) string {
	return serveConnections(t, func(conn net.Conn) {
		reader := bufio.NewReader(conn)
		request, err := http.ReadRequest(reader)
		if err != nil {
			return
		}
		go func() { _, _ = io.Copy(io.Discard, reader) }()
		first := p.first
		if request.Header.Get("Upgrade") != "" && !p.unasked {
			first = accepted(request) + first
		}
		_, err = io.WriteString(conn, first)
		for rest := strings.Repeat(p.rest, max(1, 10_000/max(1, len(p.rest)))); err == nil && p.rest != ""; {
			_, err = io.WriteString(conn, rest)
		}
		if !p.closing {
			_, _ = io.Copy(io.Discard, conn)
			time.Sleep(time.Minute)
		}
	})
}

func TestWhatIsWrongWithAStreamIsNamed(t *testing.T) {
	page := strings.Repeat("x", 10_000)
	const chunks = okLine + "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
	for name, test := range map[string]struct {
		poured
		protocol Protocol
		reason   Reason
		cause    string
	}{
		"message without end":           {poured{first: "\x81\x7f\x00\x00\x00\xff\xff\xff\xff\xff", rest: page}, WS, BadResponse, "WebSocket message too large"},
		"fragments without end":         {poured{first: "\x01\x01x", rest: "\x00\x7e\x27\x10" + page}, WS, BadResponse, "WebSocket message too large"},
		"empty fragments without end":   {poured{first: "\x01\x01x", rest: "\x00\x00"}, WS, BadResponse, "WebSocket frames without data"},
		"pings without end":             {poured{rest: "\x89\x04ping"}, WS, BadResponse, "WebSocket frames without data"},
		"continuation of nothing":       {poured{first: "\x80\x01x"}, WS, BadResponse, "malformed WebSocket frame"},
		"ping in fragments":             {poured{first: "\x09\x01x"}, WS, BadResponse, "malformed WebSocket frame"},
		"ping too long":                 {poured{first: "\x89\x7e\x01\x00" + page}, WS, BadResponse, "malformed WebSocket frame"},
		"unknown frame":                 {poured{first: "\x83\x01x"}, WS, BadResponse, "malformed WebSocket frame"},
		"compressed without being so":   {poured{first: "\xc1\x01x"}, WS, BadResponse, "malformed WebSocket frame"},
		"length below zero":             {poured{first: "\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff"}, WS, BadResponse, "malformed WebSocket frame"},
		"closed by the server":          {poured{first: "\x88\x02\x03\xf0"}, WS, Reset, "WebSocket closed with status 1008"},
		"end in a frame":                {poured{first: "\x81\x05x", closing: true}, WS, Reset, ""},
		"end before a payload":          {poured{first: "\x81\x05", closing: true}, WS, Reset, ""},
		"end between fragments":         {poured{first: "\x01\x01x", closing: true}, WS, Reset, ""},
		"silence":                       {poured{}, WS, Timeout, "no message in answer to one"},
		"handshake without end":         {poured{unasked: true, first: "HTTP/1.1 101 X\r\n", rest: "X-A: b\r\n"}, WS, BadResponse, "header too large"},
		"handshake with another key":    {poured{unasked: true, first: "HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n"}, WS, BadResponse, "invalid answer to a WebSocket handshake"},
		"interim answers without end":   {poured{unasked: true, rest: "HTTP/1.1 100 Continue\r\n\r\n"}, WS, BadResponse, "header too large"},
		"no WebSocket":                  {poured{unasked: true, first: okLine + "Content-Length: 0\r\n\r\n"}, WS, BadResponse, "status 200 in answer to a WebSocket handshake"},
		"not HTTP":                      {poured{unasked: true, first: "220 mail.example ESMTP\r\n\r\n"}, WS, BadResponse, "not HTTP"},
		"line without end":              {poured{first: eventStreamHeader + "data: ", rest: page}, SSE, BadResponse, "event too large"},
		"event without end":             {poured{first: eventStreamHeader, rest: "data: x\n"}, SSE, BadResponse, "event too large"},
		"comments without end":          {poured{first: eventStreamHeader, rest: ":\n\n"}, SSE, BadResponse, "event too large"},
		"header without end":            {poured{first: okLine, rest: "X-A: b\r\n"}, SSE, BadResponse, "header too large"},
		"no events":                     {poured{first: eventStreamHeader + "id: 1\n\n", closing: true}, SSE, BadResponse, "event stream without an event"},
		"another type":                  {poured{first: okLine + "Content-Type: text/html\r\n\r\ndata: x\n\n"}, SSE, BadResponse, "the type of the content is not text/event-stream"},
		"no content":                    {poured{first: "HTTP/1.1 204 No Content\r\n\r\n"}, SSE, BadResponse, "status 204 in answer to a request for an event stream"},
		"malformed chunk":               {poured{first: chunks + "x\r\n"}, SSE, BadResponse, "malformed chunk"},
		"chunk extension without end":   {poured{first: chunks + "1;", rest: page}, SSE, BadResponse, "malformed chunk"},
		"chunk that ends too early":     {poured{first: chunks + "9\r\ndata", closing: true}, SSE, Reset, ""},
		"silence after a subscription":  {poured{first: eventStreamHeader}, SSE, Timeout, "no event"},
		"silence before a subscription": {poured{}, SSE, Timeout, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plan := planOf(pours(t, test.poured))
			plan.Protocol, plan.Timeout = test.protocol, time.Minute
			if test.reason == Timeout {
				plan.Timeout = 50 * time.Millisecond
			}
			c := newClient(&plan)
			defer c.close()
			_, err := c.do(t.Context(), time.Now(), plan.Behaviour.Next())
			require.Error(t, err)
			assert.Equal(t, test.reason, classify(err), err)
			assert.Equal(t, test.cause, causeOf(err), err)
		})
	}
}

// An error status is an answer, and the connection is used again.
func TestAnErrorInPlaceOfAStreamIsAnAnswer(t *testing.T) {
	everyStream(t, func(t *testing.T, protocol Protocol) {
		w := newWitness(t, protocol)
		w.Config.Handler = http.NotFoundHandler()
		plan := planFor("keepalive", w.Listener.Addr().String(), Request{Paths: []string{"/"}})
		plan.Protocol, plan.Insecure, plan.Requests, plan.Workers = protocol, true, 20, 2
		result, err := Run(t.Context(), plan, NewMeter())
		require.NoError(t, err)
		assert.Equal(t, map[int]uint64{404: 20}, result.Codes)
		assert.Equal(t, map[Reason]uint64{Status4xx: 20}, result.Errors)
		assert.LessOrEqual(t, w.opened.Load(), int64(2))
	})
}

// Messages and events that are discarded take no memory, however large they are.
func TestLargeMessagesAndEventsTakeNoMemory(t *testing.T) {
	page := strings.Repeat("x", 1<<20)
	for protocol, first := range map[Protocol]string{WS: "\x82\x7f\x00\x00\x00\x00\x00\x80\x00\x00" + strings.Repeat(page, 8), SSE: eventStreamHeader + "data: " + strings.Repeat(page, 8) + "\n\n"} {
		plan := planOf(pours(t, poured{first: first}))
		plan.Protocol, plan.Timeout = protocol, time.Minute
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		result, err := Run(t.Context(), plan, NewMeter())
		require.NoError(t, err)
		runtime.ReadMemStats(&after)
		assert.EqualValues(t, 1, result.Requests, protocol)
		assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(32<<20), protocol) // that of the server included
	}
}

func TestAServerThatHasStoppedAnsweringMessagesIsNamed(t *testing.T) {
	t.Parallel()
	plan := planOf(pours(t, poured{}))
	plan.Protocol, plan.Timeout, plan.Requests, plan.Duration = WS, 200*time.Millisecond, 0, 10*time.Second
	_, err := Run(t.Context(), plan, NewMeter())
	require.ErrorIs(t, err, ErrSilent)
	assert.Regexp(t, `\(timeout \d+: no message in answer to one\)$`, err.Error())
}

// A ping is answered at any time: while a client waits, and while it is idle.
func TestAPingIsAnswered(t *testing.T) {
	const timeout = time.Second // the deadline of what has been written before is over then
	ponged := make(chan struct{}, 10)
	address := serveConnections(t, func(conn net.Conn) {
		reader := bufio.NewReader(conn)
		request, err := http.ReadRequest(reader)
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, accepted(request))
		message := make([]byte, 6+len(greeting))
		if _, err := io.ReadFull(reader, message); err != nil {
			return
		}
		pong := make([]byte, 6+4) // masked
		for n := range 2 {
			if n == 1 {
				_, _ = io.WriteString(conn, "\x81\x01x") // the answer; the second ping comes when the client has been idle for long
				time.Sleep(2 * timeout)
			}
			_, _ = io.WriteString(conn, "\x89\x04ping")
			if _, err := io.ReadFull(reader, pong); err != nil || pong[0] != 0x8a {
				return
			}
			ponged <- struct{}{}
		}
		_, _ = io.Copy(io.Discard, reader)
	})
	plan := planOf(address)
	plan.Protocol, plan.Timeout = WS, timeout
	c := newClient(&plan)
	defer c.close()
	_, err := c.do(t.Context(), time.Now(), plan.Behaviour.Next())
	require.NoError(t, err)
	c.rest()
	for range 2 {
		select {
		case <-ponged:
		case <-time.After(time.Minute):
			require.Fail(t, "no pong")
		}
	}
}

// The examples are those of the HTML Living Standard, section 9.2.6, and its grammar of lines.
func TestEventsAreFoundInAStream(t *testing.T) {
	for stream, want := range map[string]int{
		"data: YHOO\ndata: +2\ndata: 10\n\n": 1,
		": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event": 2,
		"data\n\ndata\ndata\n\ndata:":            2,
		"data:test\n\ndata: test\n\n":            2,
		"\ufeffdata: x\r\n\r\ndata: y\r\r":       2,
		"\ufeff\ufeffdata: x\n\n":                0,
		"data: x\r\n\rdata: y\n\r\n":             2,
		"event: ping\n\nid: 7\n\nretry: 10\n\n":  0,
		"database: x\n\n Data: x\n\nDATA: x\n\n": 0,
		"":                                       0,
	} {
		p := eventParser{reader: bufio.NewReader(strings.NewReader(stream))}
		found := 0
		for p.next() == nil {
			found++
		}
		assert.Equal(t, want, found, "%q", stream)
	}
}

func FuzzEvents(f *testing.F) {
	f.Add("data: x\r\n\r\ndata\n\n: comment\n\n")
	f.Fuzz(func(t *testing.T, stream string) {
		p := eventParser{reader: bufio.NewReaderSize(strings.NewReader(stream), 16)}
		found := 0
		for p.next() == nil {
			found++
		}
		assert.LessOrEqual(t, found, strings.Count(stream, "data"))
	})
}

// A stream is ready when it is open, whether events come or not.
func TestProbeOfAStream(t *testing.T) {
	for name, test := range map[string]struct {
		poured
		protocol Protocol
		code     int
	}{
		"silent WebSocket":    {poured{}, WS, 0},
		"silent event stream": {poured{first: eventStreamHeader}, SSE, 200},
		"no event stream":     {poured{first: "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"}, SSE, 404},
		"no WebSocket":        {poured{unasked: true, first: "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"}, WS, 404},
	} {
		plan := planOf(pours(t, test.poured))
		plan.Protocol = test.protocol
		code, err := Probe(t.Context(), plan)
		assert.NoError(t, err, name)
		assert.Equal(t, test.code, code, name)
	}
	plan := planOf(pours(t, poured{unasked: true, first: okLine + "Content-Length: 0\r\n\r\n"}))
	plan.Protocol = WS
	_, err := Probe(t.Context(), plan)
	assert.EqualError(t, err, "no answer from ws://"+plan.Address+"/ (bad_response: status 200 in answer to a WebSocket handshake)")
}

// Over HTTP a response has to end. That of an event stream does not, and waiting changes nothing.
func TestProbeOfAResponseWithoutEnd(t *testing.T) {
	for _, protocol := range []Protocol{HTTP1, HTTPS, H2, H2C} {
		w := newWitness(t, protocol)
		w.Config.Handler = http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
			out.Header().Set("Content-Type", "text/event-stream")
			_ = http.NewResponseController(out).Flush()
			<-r.Context().Done()
		})
		plan := planFor("keepalive", w.Listener.Addr().String(), Request{Paths: []string{"/events"}})
		plan.Protocol, plan.Insecure, plan.Timeout = protocol, true, 300*time.Millisecond
		_, err := Probe(t.Context(), plan)
		require.ErrorIs(t, err, ErrEndless, protocol)
		assert.EqualError(t, err, protocol.Scheme()+"://"+plan.Address+"/events: the response has begun but does not end; PROTOCOL=sse is for event streams")
	}
}

func TestProbeOfAnotherPath(t *testing.T) {
	for _, protocol := range Protocols() {
		w := newWitness(t, protocol)
		w.Config.Handler = http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/ready" || r.Method != "GET" || r.Header.Get("Upgrade") != "" {
				out.WriteHeader(http.StatusTeapot)
			}
		})
		request := Request{Method: "POST", Paths: []string{"/"}, Body: strings.NewReader("x")}
		plan := planFor("keepalive", w.Listener.Addr().String(), request)
		plan.Protocol, plan.Insecure, plan.ReadyPath = protocol, true, "/ready"
		code, err := Probe(t.Context(), plan)
		assert.NoError(t, err, protocol)
		assert.Equal(t, 200, code, protocol)
		plan.ReadyPath = "/not-yet"
		_, err = Probe(t.Context(), plan)
		assert.ErrorContains(t, err, "/not-yet answers 418 I'm a teapot", protocol)
	}
}
