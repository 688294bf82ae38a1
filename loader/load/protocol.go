package load

import (
	"context"
	"time"
)

// Protocol is the application protocol of the load.
type Protocol string

// The protocols.
const (
	HTTP1 Protocol = "http1" // HTTP/1.1
	HTTPS Protocol = "https" // HTTP/1.1 over TLS
	H2C   Protocol = "h2c"   // HTTP/2 over TCP, with prior knowledge
	H2    Protocol = "h2"    // HTTP/2 over TLS
	WS    Protocol = "ws"    // WebSocket over HTTP/1.1
	WSS   Protocol = "wss"   // WebSocket over HTTP/1.1 and TLS
	SSE   Protocol = "sse"   // server-sent events over HTTP/1.1
)

// Protocols returns all protocols.
func Protocols() []Protocol { return []Protocol{HTTP1, HTTPS, H2C, H2, WS, WSS, SSE} }

// Encrypted is true for a protocol over TLS.
func (p Protocol) Encrypted() bool { return p == HTTPS || p == H2 || p == WSS }

// Streams is true for a protocol whose connection stays open, after one HTTP request, for messages or events.
func (p Protocol) Streams() bool { return p == WS || p == WSS || p == SSE }

// underlying is the protocol of the request that opens a stream; p itself if it has none.
func (p Protocol) underlying() Protocol {
	switch p {
	case WS, SSE:
		return HTTP1
	case WSS:
		return HTTPS
	default:
		return p
	}
}

// multiplexed is true for HTTP/2.
func (p Protocol) multiplexed() bool { return p == H2 || p == H2C }

// Scheme is the URL scheme of the protocol.
func (p Protocol) Scheme() string {
	switch p {
	case WS, WSS:
		return string(p)
	case HTTPS, H2:
		return "https"
	default:
		return "http"
	}
}

// client is a connection to the server. It dials when first needed and again after a failure. It performs one exchange at
// a time; only abort may be called from another goroutine.
type client interface {
	// do performs an exchange. It returns the status of the response, 0 if the client did not wait for it. The error is for
	// classify and causeOf.
	do(ctx context.Context, now time.Time, e *Exchange) (int, error)
	// releaseBuffers frees what an idle connection does not need.
	releaseBuffers()
	// rest is called at the end of an iteration after which the connection stays open.
	rest()
	// opened is the number of connections so far.
	opened() uint64
	// timed is true if the last exchange has a latency.
	timed() bool
	// close closes the connection. abort also makes the exchange in flight and all later ones fail.
	close()
	abort()
}

func newClient(plan *Plan) client {
	switch plan.Protocol {
	case H2, H2C:
		return newHTTP2(plan)
	case WS, WSS:
		c := new(webSocket)
		c.over.setUp(plan)
		return c
	case SSE:
		c := new(eventStream)
		c.over.setUp(plan)
		return c
	default:
		c := new(connection)
		c.setUp(plan)
		return c
	}
}
