package load

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

const okAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// looped is a loop with a connection to a server, which the test plays.
type looped struct {
	*loop
	fd     int
	server net.Conn
	meter  *Meter
}

func newLooped(t *testing.T, plan Plan) *looped {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	require.NoError(t, err)
	file := os.NewFile(uintptr(pair[1]), "server")
	server, err := net.FileConn(file)
	require.NoError(t, err)
	require.NoError(t, file.Close())
	t.Cleanup(func() { _ = server.Close() })
	require.NoError(t, server.SetDeadline(time.Now().Add(20*time.Second)))
	if plan.Behaviour.Next == nil {
		plan.Behaviour = NewBehaviour(ShapeNamed("keepalive"), Request{Paths: []string{"/"}}, "server")
	}
	if plan.Timeout == 0 {
		plan.Timeout = 20 * time.Second
	}
	meter := NewMeter()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	l, err := newLoop(&plan, newPace(&plan, time.Now()), meter.recorder(0))
	require.NoError(t, err)
	go l.run(ctx)
	t.Cleanup(l.stop)
	return &looped{loop: l, fd: pair[0], server: server, meter: meter}
}

// serve has the loop serve the connection while the test plays the server, and returns what the loop gives back.
func (l *looped) serve(t *testing.T, server func(requests *bufio.Reader)) returned {
	back := make(chan returned, 1)
	go func() { back <- l.loop.serve(l.fd) }()
	server(bufio.NewReader(l.server))
	select {
	case r := <-back:
		return r
	case <-time.After(20 * time.Second):
		require.Fail(t, "the loop keeps the connection")
		return returned{}
	}
}

func await(t *testing.T, requests *bufio.Reader) {
	_, err := http.ReadRequest(requests)
	require.NoError(t, err)
}

func (l *looped) say(t *testing.T, text string) {
	_, err := io.WriteString(l.server, text)
	require.NoError(t, err)
}

func TestLoopReadsPartialResponses(t *testing.T) {
	l := newLooped(t, Plan{Requests: uint64(len(okAnswer))})
	r := l.serve(t, func(requests *bufio.Reader) {
		for cut := range len(okAnswer) {
			await(t, requests)
			l.say(t, okAnswer[:cut])
			time.Sleep(time.Millisecond)
			l.say(t, okAnswer[cut:])
		}
	})
	assert.True(t, r.ended)
	totals := l.meter.Snapshot()
	assert.Equal(t, map[int]uint64{200: uint64(len(okAnswer))}, totals.Codes)
	assert.Empty(t, totals.Errors)
}

// A loop gives back what it cannot do unchanged, so that the worker can finish the exchange.
func TestLoopGivesBack(t *testing.T) {
	large := "HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n" + strings.Repeat("x", 20_000)
	for _, c := range []struct {
		name   string
		plan   Plan
		server func(*testing.T, *looped)
		check  func(*testing.T, returned)
		counts uint64
	}{
		{"a response larger than its buffer", Plan{Requests: 9}, func(t *testing.T, l *looped) { l.say(t, large) },
			func(t *testing.T, r returned) {
				assert.True(t, r.unfit)
				assert.Equal(t, large[:len(r.partial)], string(r.partial))
				assert.NotEmpty(t, r.partial)
			}, 0},
		{"not a response", Plan{Requests: 9}, func(t *testing.T, l *looped) { l.say(t, "SSH-2.0-OpenSSH\r\n\r\n") },
			func(t *testing.T, r returned) { assert.Equal(t, "SSH-2.0-OpenSSH\r\n\r\n", string(r.partial)) }, 0},
		{"a closed connection", Plan{Requests: 9}, func(t *testing.T, l *looped) {
			l.say(t, okAnswer[:20])
			time.Sleep(10 * time.Millisecond)
			require.NoError(t, l.server.Close())
		}, func(t *testing.T, r returned) { assert.Equal(t, okAnswer[:20], string(r.partial)) }, 0},
		{"a timeout", Plan{Requests: 9, Timeout: 50 * time.Millisecond}, func(*testing.T, *looped) {},
			func(t *testing.T, r returned) {
				assert.False(t, r.unfit)
				assert.GreaterOrEqual(t, time.Since(r.turn.start), 50*time.Millisecond)
			}, 0},
		{"a response with Connection: close", Plan{Requests: 9}, func(t *testing.T, l *looped) {
			l.say(t, strings.Replace(okAnswer, "\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1))
		}, func(t *testing.T, r returned) { assert.Nil(t, r.turn.exchange) }, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLooped(t, c.plan)
			r := l.serve(t, func(requests *bufio.Reader) {
				await(t, requests)
				c.server(t, l)
			})
			assert.False(t, r.ended)
			c.check(t, r)
			if r.turn.exchange != nil {
				assert.Len(t, r.turn.exchange.wire, r.sent)
				assert.Equal(t, l.fd, r.fd)
				assert.NoError(t, unix.Close(r.fd))
			} else {
				assert.Equal(t, -1, r.fd)
			}
			assert.Equal(t, c.counts, l.meter.Requests())
		})
	}
}

// Data after the end of a response is an error: it would be read as the next response.
func TestLoopCountsDataAfterAResponseAsABadOne(t *testing.T) {
	l := newLooped(t, Plan{Requests: 9})
	r := l.serve(t, func(requests *bufio.Reader) {
		await(t, requests)
		l.say(t, okAnswer+okAnswer)
	})
	assert.Equal(t, returned{fd: -1}, r)
	totals := l.meter.Snapshot()
	assert.Zero(t, totals.Requests)
	assert.Equal(t, map[Reason]uint64{BadResponse: 1}, totals.Errors)
}

func TestLoopGivesBackWhatIsNotPlain(t *testing.T) {
	l := newLooped(t, Plan{Requests: 9, Behaviour: NewBehaviour(ShapeNamed("slow"), Request{Paths: []string{"/"}}, "server")})
	r := l.serve(t, func(*bufio.Reader) {})
	assert.True(t, r.turn.exchange.Slow)
	assert.True(t, r.unfit)
	assert.Zero(t, r.sent)
	assert.NoError(t, unix.Close(r.fd))
}

// The worker finishes a request that does not fit into the socket buffer, from where it was cut.
func TestLoopGivesBackTheRestOfALongRequest(t *testing.T) {
	body := strings.Repeat("0123456789", 500_000)
	l := newLooped(t, Plan{Requests: 9, Behaviour: NewBehaviour(ShapeNamed("keepalive"), Request{Method: "POST", Paths: []string{"/"}, Body: strings.NewReader(body)}, "server")})
	r := l.serve(t, func(*bufio.Reader) {})
	assert.True(t, r.unfit)
	assert.Positive(t, r.sent)
	assert.Less(t, r.sent, len(body))
	assert.NoError(t, unix.Close(r.fd))
}

// A connection that is closed before its next request is due keeps that turn.
func TestLoopGivesBackATurnThatIsNotDue(t *testing.T) {
	l := newLooped(t, Plan{Rate: 0.1, Requests: 2})
	r := l.serve(t, func(requests *bufio.Reader) {
		await(t, requests)
		l.say(t, okAnswer)
		time.Sleep(10 * time.Millisecond)
		require.NoError(t, l.server.Close())
	})
	assert.False(t, r.ended)
	assert.Nil(t, r.turn.exchange)
	assert.True(t, r.turn.intended.After(time.Now()))
}

// Whatever the server answers, all requests are sent, over no more connections than necessary, and no file descriptor
// leaks.
func TestConnectionsComeAndGoBetweenLoopsAndWorkers(t *testing.T) {
	before := descriptors(t)
	var answered, opened atomic.Int64
	address := serveConnections(t, func(conn net.Conn) {
		opened.Add(1)
		for requests := bufio.NewReader(conn); ; {
			if _, err := http.ReadRequest(requests); err != nil {
				return
			}
			n := answered.Add(1)
			field, body := "", "ok"
			if n%5 == 0 { // more than the loop's buffer
				body = strings.Repeat("x", 30_000)
			}
			if n%7 == 0 {
				field = "Connection: close\r\n"
			}
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n%s\r\n", field)
			_, _ = fmt.Fprintf(conn, "%x\r\n%s\r\n0\r\n\r\n", len(body), body)
			if field != "" {
				return
			}
		}
	})
	plan := planFor("keepalive", address, Request{Paths: []string{"/"}})
	plan.Requests, plan.Workers = 700, 3
	result, err := Run(t.Context(), plan, NewMeter())
	require.NoError(t, err)
	assert.Empty(t, result.Errors)
	assert.EqualValues(t, 700, result.Requests)
	assert.EqualValues(t, 700, answered.Load())
	assert.LessOrEqual(t, opened.Load(), int64(700/7+plan.Workers))
	assert.Eventually(t, func() bool { return descriptors(t) <= before+1 }, time.Minute, 10*time.Millisecond, "except the listener's")
}

func descriptors(t *testing.T) int {
	names, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(names)
}
