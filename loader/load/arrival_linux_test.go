package load

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// stamped is a connection to a server, which the test plays.
type stamped struct {
	receiver
	server net.Conn
	raw    syscall.RawConn
}

// newStamped returns one whose arrivals the kernel timestamps. The kernel starts that with a delay after the first
// socket asks for it. It goes on until the last such socket closes, at the end of the test.
func newStamped(t *testing.T) *stamped {
	connections, end := make(chan net.Conn, 1), make(chan struct{})
	address := serveConnections(t, func(conn net.Conn) {
		connections <- conn
		<-end
	})
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = conn.Close()
		close(end)
	})
	s := &stamped{server: <-connections}
	s.raw, err = conn.(*net.TCPConn).SyscallConn()
	require.NoError(t, err)
	require.NoError(t, s.raw.Control(func(fd uintptr) { stampArrivals(int(fd)) }))
	require.Eventually(t, func() bool {
		_, err := io.WriteString(s.server, "x")
		require.NoError(t, err)
		_, _, known := s.read(t)
		return known
	}, time.Minute, time.Millisecond, "the kernel sets no timestamps")
	return s
}

func (s *stamped) read(t *testing.T) (text string, came time.Time, known bool) {
	buffer := make([]byte, 100)
	var n int
	var err error
	require.NoError(t, s.raw.Read(func(fd uintptr) bool {
		n, came, known, err = s.receive(int(fd), buffer)
		return !again(err)
	}))
	require.NoError(t, err)
	return string(buffer[:n]), came, known
}

func TestReceiverReturnsTheTimeOfArrival(t *testing.T) {
	s := newStamped(t)
	for _, said := range []string{"first", "second"} {
		before := time.Now()
		_, err := io.WriteString(s.server, said)
		require.NoError(t, err)
		after := time.Now()
		time.Sleep(20 * time.Millisecond)
		text, came, known := s.read(t)
		assert.Equal(t, said, text)
		require.True(t, known)
		assert.False(t, came.Before(before.Round(0)), "%v is before %v", came, before)
		assert.False(t, came.After(after.Round(0)), "%v is after %v", came, after)
	}
}

// The time that a response waits while the loop cannot read does not count as latency.
func TestLatencyEndsWhenTheResponseArrives(t *testing.T) {
	newStamped(t)
	const held = 300 * time.Millisecond
	start := time.Now()
	var connected atomic.Int32
	release, said := make(chan struct{}), make(chan struct{})
	var until time.Duration // when the second response was sent
	address := serveConnections(t, func(conn net.Conn) {
		second := connected.Add(1) == 2
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
			return
		}
		if second {
			<-release
		}
		_, _ = io.WriteString(conn, okAnswer)
		if second {
			until = time.Since(start)
			close(said)
		}
		_, _ = conn.Read(make([]byte, 1))
	})
	plan := planFor("keepalive", address, Request{Paths: []string{"/"}})
	meter := NewMeter()
	asked := 0
	// After the first response the loop asks for the next request. The pace blocks until the second has waited for a while.
	l, err := newLoop(&plan, func(now time.Time) (time.Time, bool) {
		asked++
		if asked == 3 {
			close(release)
			<-said
			time.Sleep(held)
		}
		return now, asked <= 2
	}, meter.recorder(0))
	require.NoError(t, err)
	back := make(chan returned, 2)
	for n := range int32(2) {
		c := newClient(&plan).(*connection)
		require.NoError(t, c.open(t.Context()))
		require.Eventually(t, func() bool { return connected.Load() == n+1 }, time.Minute, time.Millisecond)
		fd, ok := c.lend()
		require.True(t, ok)
		l.arrivals = append(l.arrivals, &connState{fd: fd, back: back})
	}
	go l.run(t.Context())
	defer l.stop()
	l.wakeup.signal()
	assert.True(t, (<-back).ended)
	assert.True(t, (<-back).ended)
	totals := meter.Snapshot()
	assert.EqualValues(t, 2, totals.Requests)
	assert.LessOrEqual(t, totals.MaxLatency, until)
	assert.GreaterOrEqual(t, time.Since(start)-until, held, "it waited that long")
}
