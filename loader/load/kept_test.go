package load

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// keptPlan loads the witness with 8 workers that keep their connections.
func (w *witness) keptPlan(shape string, protocol Protocol) Plan {
	plan := planFor(shape, w.Listener.Addr().String(), Request{Paths: []string{"/"}})
	plan.Protocol, plan.Insecure, plan.Requests, plan.Kept = protocol, true, 400, new(Kept)
	return plan
}

func (w *witness) assertAllClosed(t *testing.T) {
	t.Helper()
	assert.Eventually(t, func() bool { return w.open.Load() == 0 }, time.Minute, time.Millisecond)
}

func TestKeptConnectionsServeAllIterations(t *testing.T) {
	everyProtocol(t, func(t *testing.T, protocol Protocol) {
		for _, shape := range []string{"keepalive", "slow", "upload", "unique"} {
			w := newWitness(t, protocol)
			plan := w.keptPlan(shape, protocol)
			if shape == "slow" {
				plan.Requests = 32
			}
			meter := NewMeter()
			for iteration := range 3 {
				result, err := Run(t.Context(), plan, meter)
				require.NoError(t, err)
				assert.Equal(t, plan.Requests, result.Requests, shape)
				assert.Empty(t, result.Errors, shape)
				assert.Zero(t, result.Reopened, shape)
				assert.Equal(t, plan.Workers, result.Connections, shape)
				if iteration == 0 {
					continue
				}
				assert.Positive(t, w.open.Load(), shape)
				assert.LessOrEqual(t, w.opened.Load(), int64(plan.Workers), shape)
			}
			plan.Kept.Close()
			plan.Kept.Close()
			w.assertAllClosed(t)
		}
	})
}

// To open idle connections is the load of the shape idle, in each iteration.
func TestIdleConnectionsAreNotKept(t *testing.T) {
	w := newWitness(t, HTTP1)
	plan := w.keptPlan("idle", HTTP1)
	meter := NewMeter()
	for iteration := range 2 {
		_, err := Run(t.Context(), plan, meter)
		require.NoError(t, err)
		assert.EqualValues(t, 1+80*(iteration+1), w.opened.Load())
		assert.Eventually(t, func() bool { return w.open.Load() == 1 }, time.Minute, time.Millisecond)
	}
	plan.Kept.Close()
	w.assertAllClosed(t)
}

// A shape that closes connections itself has none to keep.
func TestLoadThatClosesConnectionsIsNoServerThatDoes(t *testing.T) {
	for _, shape := range []string{"churn", "abort"} {
		w := newWitness(t, HTTP1)
		plan := w.keptPlan(shape, HTTP1)
		for range 2 {
			result, err := Run(t.Context(), plan, NewMeter())
			require.NoError(t, err)
			assert.Empty(t, result.Errors, shape)
			assert.Zero(t, result.Reopened, shape)
		}
		w.assertAllClosed(t)
	}
}

// A server may close connections that are idle for too long.
func TestConnectionsThatTheServerClosesBetweenIterationsAreOpenedAgain(t *testing.T) {
	everyProtocol(t, func(t *testing.T, protocol Protocol) {
		w := newWitness(t, protocol)
		plan := w.keptPlan("keepalive", protocol)
		meter := NewMeter()
		for iteration := range 3 {
			opened := w.opened.Load()
			result, err := Run(t.Context(), plan, meter)
			require.NoError(t, err)
			assert.EqualValues(t, 400, result.Requests)
			assert.Empty(t, result.Errors)
			if iteration > 0 {
				// A worker may have come too late for a request before, and opens its first connection now.
				assert.LessOrEqual(t, result.Reopened, uint64(w.opened.Load()-opened))
				assert.Positive(t, result.Reopened)
			}
			w.CloseClientConnections()
			w.assertAllClosed(t)
		}
		plan.Kept.Close()
	})
}

// The server's idle timeout may end just when the next iteration begins. A connection that it closes in the middle of one
// is an error as always.
func TestARequestThatMeetsTheEndOfAnIdleConnectionIsSentAgain(t *testing.T) {
	plan := planOf(answersThen(t, okLine+"Content-Length: 2\r\n\r\nok", "")) // the second request has no answer
	plan.Kept = new(Kept)
	t.Cleanup(plan.Kept.Close)
	meter := NewMeter()
	for range 3 {
		result, err := Run(t.Context(), plan, meter)
		require.NoError(t, err)
		assert.EqualValues(t, 1, result.Requests)
		assert.Empty(t, result.Errors)
	}
	plan.Requests = 2
	result, err := Run(t.Context(), plan, meter)
	require.NoError(t, err)
	assert.EqualValues(t, 1, result.Requests)
	assert.Equal(t, map[Reason]uint64{Reset: 1}, result.Errors)
}

// No connection is kept when the load was cancelled.
func TestNoConnectionIsKeptAfterStop(t *testing.T) {
	everyProtocol(t, func(t *testing.T, protocol Protocol) {
		w := newWitness(t, protocol)
		plan := w.keptPlan("keepalive", protocol)
		meter := NewMeter()
		_, err := Run(t.Context(), plan, meter)
		require.NoError(t, err)
		plan.Kept.Stop()
		w.assertAllClosed(t)
		for iteration := range 2 {
			result, err := Run(t.Context(), plan, meter)
			require.NoError(t, err)
			assert.Equal(t, plan.Requests, result.Requests)
			assert.Zero(t, result.Reopened)
			assert.EqualValues(t, plan.Workers*(iteration+2), w.opened.Load())
			w.assertAllClosed(t)
		}
	})
}

func TestACancelledLoadKeepsNoConnection(t *testing.T) {
	w := newWitness(t, HTTP1)
	plan := w.keptPlan("keepalive", HTTP1)
	plan.Requests, plan.Duration = 0, time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := Run(ctx, plan, NewMeter())
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	w.assertAllClosed(t)
}

// Between two requests of an iteration as well, whoever serves the connection.
func TestConnectionsThatTheServerClosesWhileIdleAreOpenedAgain(t *testing.T) {
	everyProtocol(t, func(t *testing.T, protocol Protocol) {
		for _, shape := range []string{"keepalive", "slow"} {
			w := newWitness(t, protocol, func(server *http.Server) { server.IdleTimeout = 10 * time.Millisecond })
			plan := w.keptPlan(shape, protocol)
			plan.Workers, plan.Requests, plan.Rate = 1, 6, 10
			result, err := Run(t.Context(), plan, NewMeter())
			require.NoError(t, err)
			assert.EqualValues(t, 6, result.Requests, shape)
			assert.Empty(t, result.Errors, shape)
			assert.Greater(t, w.opened.Load(), int64(1), shape)
			assert.EqualValues(t, w.opened.Load()-1, result.Reopened, shape)
			plan.Kept.Close()
			w.assertAllClosed(t)
		}
	})
}

// Without a loop too, which serves neither TLS nor slow readers, and exists on Linux only.
func TestAClientOpensAConnectionAgainThatTheServerHasClosed(t *testing.T) {
	for _, protocol := range []Protocol{HTTP1, HTTPS} {
		for _, shape := range []string{"keepalive", "slow"} {
			w := newWitness(t, protocol)
			plan := w.keptPlan(shape, protocol)
			c := newClient(&plan)
			for n := range 3 {
				code, err := c.do(t.Context(), time.Now(), plan.Behaviour.Next())
				assert.NoError(t, err, "%s %s", protocol, shape)
				assert.Equal(t, 200, code, "%s %s", protocol, shape)
				assert.EqualValues(t, n+1, c.opened(), "%s %s", protocol, shape)
				w.CloseClientConnections()
				w.assertAllClosed(t)
				time.Sleep(2 * idleFrom)
			}
			c.close()
		}
	}
}

// A server of TLS 1.3 sends tickets after the handshake. They are no sign of an end.
func TestAnIdleConnectionThatIsOpenIsUsedAgain(t *testing.T) {
	for _, protocol := range []Protocol{HTTP1, HTTPS} {
		w := newWitness(t, protocol)
		plan := w.keptPlan("keepalive", protocol)
		c := newClient(&plan)
		for range 3 {
			_, err := c.do(t.Context(), time.Now(), plan.Behaviour.Next())
			assert.NoError(t, err, protocol)
			assert.EqualValues(t, 1, c.opened(), protocol)
			time.Sleep(2 * idleFrom)
		}
		c.close()
	}
}

// What arrives late of TLS itself is read, and the connection stays in use.
func TestARecordOfTLSWhileIdleIsNoEnd(t *testing.T) {
	near, far := tcpPair(t)
	// Go's server sends tickets to clients that use them; others send them to all.
	s := &security{config: &tls.Config{InsecureSkipVerify: true, ClientSessionCache: tls.NewLRUClientSessionCache(1)}}
	server := tls.Server(far, &tls.Config{Certificates: []tls.Certificate{expired(t)}})
	secure := tls.Client(near, s.config)
	done := make(chan error, 1)
	go func() { done <- server.Handshake() }()
	require.NoError(t, secure.Handshake())
	require.NoError(t, <-done)
	c := &connection{tls: s, timeout: time.Second}
	require.NoError(t, c.use(secure))
	assert.Eventually(t, func() bool { return c.arrived() }, time.Minute, time.Millisecond, "the ticket is there")
	assert.False(t, c.closedWhileIdle(), "it is read")
	assert.False(t, c.arrived())
	assert.False(t, c.closedWhileIdle())
	require.NoError(t, server.Close())
	assert.Eventually(t, func() bool { return c.arrived() }, time.Minute, time.Millisecond, "the alert is there")
	assert.True(t, c.closedWhileIdle())
	c.close()
}

// arrived is true if there is something to read on the connection itself, its end included.
func (c *connection) arrived() bool {
	var failed error
	err := c.raw.Control(func(fd uintptr) { _, _, failed = syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK) })
	return err == nil && failed == nil
}

// tcpPair returns the two ends of a connection.
func tcpPair(t *testing.T) (near, far net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	near, err = net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	far, err = listener.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _ = near.Close(); _ = far.Close() })
	return near, far
}

// A worker that has had no turn has opened no connection.
func TestConnectionsThatWereNotOpenedAreMissing(t *testing.T) {
	w := newWitness(t, HTTP1)
	plan := w.keptPlan("keepalive", HTTP1)
	assert.False(t, plan.Kept.Missing())
	plan.Requests = 1
	meter := NewMeter()
	_, err := Run(t.Context(), plan, meter)
	require.NoError(t, err)
	assert.True(t, plan.Kept.Missing())
	plan.Requests = 0
	for tries := 0; plan.Kept.Missing() && tries < 20; tries++ {
		_, err = Run(t.Context(), plan, meter)
		require.NoError(t, err)
	}
	assert.False(t, plan.Kept.Missing())
	assert.EqualValues(t, plan.Workers, w.opened.Load())
	plan.Kept.Close()
	assert.False(t, plan.Kept.Missing(), "none is kept")
}
