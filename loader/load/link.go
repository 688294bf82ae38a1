package load

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// receiveBuffer is how many bytes of an answer over HTTP/2 may wait to be read: a stream's window as the protocol has it
// by default, of which net/http would make 4 MiB.
const receiveBuffer = 64 << 10

// link is a connection that speaks HTTP/2. When it is closed, nothing of it is left, though a server that does not read
// may have streams that would never end.
type link struct {
	transport *http.Transport

	mu     sync.Mutex
	open   map[*tracked]bool // as a rule one
	closed bool
}

// tracked is a connection that its link knows until it is closed.
type tracked struct {
	net.Conn
	of *link
}

func (t *tracked) Close() error {
	t.of.mu.Lock()
	delete(t.of.open, t)
	t.of.mu.Unlock()
	return t.Conn.Close()
}

// newLink returns a link that connects when it is first used.
func newLink(plan *Plan) *link {
	l := &link{open: make(map[*tracked]bool)}
	dialer := net.Dialer{Timeout: plan.Timeout, Control: plan.Control}
	l.transport = &http.Transport{
		Protocols:              new(http.Protocols),
		DisableCompression:     true,
		MaxResponseHeaderBytes: headerLimit,
		HTTP2:                  &http.HTTP2Config{MaxReceiveBufferPerStream: receiveBuffer, MaxReceiveBufferPerConnection: receiveBuffer},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, plan.Address)
			if err != nil {
				return nil, dialError{err}
			}
			return l.track(conn)
		},
	}
	if plan.Protocol == H2 {
		l.transport.Protocols.SetHTTP2(true)
		l.transport.TLSClientConfig = plan.tls("h2")
		l.transport.TLSHandshakeTimeout = plan.Timeout
	} else {
		l.transport.Protocols.SetUnencryptedHTTP2(true)
	}
	return l
}

func (l *link) track(conn net.Conn) (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed { // its request has timed out meanwhile
		return nil, errors.Join(errAborted, conn.Close())
	}
	known := &tracked{conn, l}
	l.open[known] = true
	return known, nil
}

// end closes the link once the server has read all that was sent, so that it has seen the last request, also of a client
// that vanished: it is told that nothing more comes, and closes the connection then.
func (l *link) end() {
	l.mu.Lock()
	for conn := range l.open {
		if half, ok := conn.Conn.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
	}
	l.mu.Unlock()
	for limit := time.Now().Add(closeLimit); l.inUse() && time.Now().Before(limit); {
		time.Sleep(time.Millisecond)
	}
	l.close()
}

func (l *link) inUse() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.open) > 0
}

func (l *link) close() {
	l.transport.CloseIdleConnections()
	l.mu.Lock()
	l.closed = true
	left := slices.Collect(maps.Keys(l.open))
	l.mu.Unlock()
	for _, conn := range left {
		_ = conn.Close()
	}
}

// dialError marks an error of connecting.
type dialError struct{ error }

func (e dialError) Unwrap() error { return e.error }
