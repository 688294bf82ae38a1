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
	GRPC  Protocol = "grpc"  // gRPC, over HTTP/2 with prior knowledge
	GRPCS Protocol = "grpcs" // gRPC, over HTTP/2 with TLS
	WS    Protocol = "ws"    // WebSocket over HTTP/1.1
	WSS   Protocol = "wss"   // WebSocket over HTTP/1.1 and TLS
	SSE   Protocol = "sse"   // server-sent events over HTTP/1.1
)

// Protocols returns all protocols.
func Protocols() []Protocol { return []Protocol{HTTP1, HTTPS, H2C, H2, GRPC, GRPCS, WS, WSS, SSE} }

// Encrypted is true for a protocol over TLS.
func (p Protocol) Encrypted() bool { return p == HTTPS || p == H2 || p == GRPCS || p == WSS }

// Streams is true for a protocol whose connection stays open, after one HTTP request, for messages or events.
func (p Protocol) Streams() bool { return p == WS || p == WSS || p == SSE }

// underlying is the protocol of HTTP below one of streams or calls; p itself if it is one of HTTP.
func (p Protocol) underlying() Protocol {
	switch p {
	case GRPC:
		return H2C
	case GRPCS:
		return H2
	case WS, SSE:
		return HTTP1
	case WSS:
		return HTTPS
	default:
		return p
	}
}

// Calls is true for a protocol whose requests are calls of gRPC.
func (p Protocol) Calls() bool { return p == GRPC || p == GRPCS }

// multiplexed is true for HTTP/2, gRPC included.
func (p Protocol) multiplexed() bool { return p == H2 || p == H2C || p.Calls() }

// Scheme is the URL scheme of the protocol.
func (p Protocol) Scheme() string {
	switch p {
	case WS, WSS:
		return string(p)
	case HTTPS, H2, GRPCS:
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
	// takeUnasked is the number of events or messages that have arrived from rest to the next exchange, since the last call.
	takeUnasked() uint64
	// timed is true if the last exchange has a latency.
	timed() bool
	// close closes the connection. abort also makes the exchange in flight and all later ones fail.
	close()
	abort()
}

func newClient(plan *Plan) client {
	switch {
	case plan.Protocol.multiplexed():
		return newHTTP2(plan)
	case plan.Protocol == WS || plan.Protocol == WSS:
		c := new(webSocket)
		c.over.setUp(plan)
		return c
	case plan.Protocol == SSE:
		c := new(eventStream)
		c.over.setUp(plan)
		return c
	default:
		c := new(connection)
		c.setUp(plan)
		return c
	}
}
