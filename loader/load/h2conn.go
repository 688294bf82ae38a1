package load

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// receiveBuffer is the flow-control window of an HTTP/2 stream and connection, in bytes: the default of RFC 9113. That of
// net/http is 4 MiB.
const receiveBuffer = 64 << 10

// h2conn is an HTTP/2 connection. close closes its TCP connection even while streams are open, which a server that does
// not read may never end.
type h2conn struct {
	transport *http.Transport
	tls       *security     // nil without TLS
	dialled   atomic.Uint64 // TCP connections
	answered  atomic.Bool   // there was a response

	mu      sync.Mutex
	open    map[*tracked]bool // usually one
	closed  bool
	oldHTTP bool // the server has begun with a response of HTTP/1
}

// tracked is a TCP connection that its h2conn knows until it is closed.
type tracked struct {
	net.Conn
	of    *h2conn
	began bool // something was read
}

// Read notes if the first that comes is a response of HTTP/1.
func (t *tracked) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	if !t.began && n > 0 {
		t.began = true
		if bytes.HasPrefix(p[:n], []byte("HTTP/1.")) {
			t.of.mu.Lock()
			t.of.oldHTTP = true
			t.of.mu.Unlock()
		}
	}
	return n, err
}

func (t *tracked) Close() error {
	t.of.mu.Lock()
	delete(t.of.open, t)
	t.of.mu.Unlock()
	return t.Conn.Close()
}

// newH2Conn returns a connection that dials when it is first used.
func newH2Conn(plan *Plan) *h2conn {
	h := &h2conn{open: make(map[*tracked]bool)}
	dialer := net.Dialer{Timeout: plan.Timeout, Control: plan.Control}
	h.transport = &http.Transport{
		Protocols:              new(http.Protocols),
		DisableCompression:     true,
		MaxResponseHeaderBytes: headerLimit,
		HTTP2:                  &http.HTTP2Config{MaxReceiveBufferPerStream: receiveBuffer, MaxReceiveBufferPerConnection: receiveBuffer},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, plan.Address)
			if err != nil {
				return nil, connectError{error: err}
			}
			h.dialled.Add(1)
			return h.track(conn)
		},
	}
	if plan.Protocol.Encrypted() {
		h.transport.Protocols.SetHTTP2(true)
		h.tls = plan.tls("h2")
		h.transport.TLSClientConfig = h.tls.config
		h.transport.TLSHandshakeTimeout = plan.Timeout
	} else {
		h.transport.Protocols.SetUnencryptedHTTP2(true)
	}
	return h
}

// notEstablished is in the error of net/http for a connection that ends before the server's first frame. It tells no cause.
const notEstablished = "client conn could not be established"

// explain returns err with its cause, as far as that is known. A server that wants a certificate may close the connection
// before the client has read why.
func (h *h2conn) explain(err error) error {
	silent := strings.Contains(err.Error(), notEstablished)
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.tls != nil && h.tls.asked.Load() && !h.answered.Load() && (silent || classify(err) == Reset):
		return connectError{error: err, cause: wantsCertificate}
	case silent && h.oldHTTP:
		return errOldHTTP
	}
	return h.tls.explain(err)
}

func (h *h2conn) track(conn net.Conn) (net.Conn, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed { // its request has timed out while it dialled
		return nil, errors.Join(errAborted, conn.Close())
	}
	known := &tracked{Conn: conn, of: h}
	h.open[known] = true
	return known, nil
}

// end closes the connection after the server has read all that was sent, so that it sees the last request. It
// half-closes first and waits up to closeLimit for the server to close.
func (h *h2conn) end() {
	h.mu.Lock()
	for conn := range h.open {
		if half, ok := conn.Conn.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
	}
	h.mu.Unlock()
	for limit := time.Now().Add(closeLimit); h.inUse() && time.Now().Before(limit); {
		time.Sleep(time.Millisecond)
	}
	h.close()
}

func (h *h2conn) inUse() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.open) > 0
}

func (h *h2conn) close() {
	h.transport.CloseIdleConnections()
	h.mu.Lock()
	h.closed = true
	left := slices.Collect(maps.Keys(h.open))
	h.mu.Unlock()
	for _, conn := range left {
		_ = conn.Close()
	}
}
