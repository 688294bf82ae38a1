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

// looped is a loop that serves a connection to a server that the test is.
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

// serve has the loop serve the connection while the test is the server, and returns what the loop gives back.
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

func TestLoopReadsAnswersInPieces(t *testing.T) {
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

// What a loop cannot do it gives back as it is, so that the exchange can be finished elsewhere.
func TestLoopGivesBack(t *testing.T) {
	large := "HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n" + strings.Repeat("x", 20_000)
	for _, c := range []struct {
		name   string
		plan   Plan
		server func(*testing.T, *looped)
		check  func(*testing.T, returned)
		counts uint64
	}{
		{"an answer that is larger than its buffer", Plan{Requests: 9}, func(t *testing.T, l *looped) { l.say(t, large) },
			func(t *testing.T, r returned) {
				assert.True(t, r.unfit)
				assert.Equal(t, large[:len(r.partial)], string(r.partial))
				assert.NotEmpty(t, r.partial)
			}, 0},
		{"what is no answer", Plan{Requests: 9}, func(t *testing.T, l *looped) { l.say(t, "SSH-2.0-OpenSSH\r\n\r\n") },
			func(t *testing.T, r returned) { assert.Equal(t, "SSH-2.0-OpenSSH\r\n\r\n", string(r.partial)) }, 0},
		{"a connection that ends", Plan{Requests: 9}, func(t *testing.T, l *looped) {
			l.say(t, okAnswer[:20])
			time.Sleep(10 * time.Millisecond)
			require.NoError(t, l.server.Close())
		}, func(t *testing.T, r returned) { assert.Equal(t, okAnswer[:20], string(r.partial)) }, 0},
		{"a request that takes too long", Plan{Requests: 9, Timeout: 50 * time.Millisecond}, func(*testing.T, *looped) {},
			func(t *testing.T, r returned) {
				assert.False(t, r.unfit)
				assert.GreaterOrEqual(t, time.Since(r.turn.start), 50*time.Millisecond)
			}, 0},
		{"an answer that ends the connection", Plan{Requests: 9}, func(t *testing.T, l *looped) {
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

// An answer that goes on after its end is none, since what follows would be taken for the next.
func TestLoopCountsAnAnswerToNothingAsABadOne(t *testing.T) {
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

// A request that does not fit into what the kernel holds is finished elsewhere, from where it was cut.
func TestLoopGivesBackTheRestOfALongRequest(t *testing.T) {
	body := strings.Repeat("0123456789", 500_000)
	l := newLooped(t, Plan{Requests: 9, Behaviour: NewBehaviour(ShapeNamed("keepalive"), Request{Method: "POST", Paths: []string{"/"}, Body: []byte(body)}, "server")})
	r := l.serve(t, func(*bufio.Reader) {})
	assert.True(t, r.unfit)
	assert.Positive(t, r.sent)
	assert.Less(t, r.sent, len(body))
	assert.NoError(t, unix.Close(r.fd))
}

// A connection that ends while it waits for its turn keeps the turn.
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

// Whatever the server answers, all requests are made, over connections that are opened no more often than need be,
// and no descriptor is left.
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
			if n%5 == 0 { // more than a loop takes
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
	assert.Eventually(t, func() bool { return descriptors(t) <= before+1 }, time.Minute, 10*time.Millisecond, "but for the listener's")
}

func descriptors(t *testing.T) int {
	names, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(names)
}
