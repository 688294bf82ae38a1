package load

import (
	"context"
	"crypto/tls"
	"time"
)

// Protocol is how a client speaks to the server.
type Protocol string

// The protocols.
const (
	HTTP1 Protocol = "http1" // HTTP/1.1
	HTTPS Protocol = "https" // HTTP/1.1 over TLS
	H2C   Protocol = "h2c"   // HTTP/2 without TLS, with prior knowledge
	H2    Protocol = "h2"    // HTTP/2 over TLS
)

// Protocols are all of them.
func Protocols() []Protocol { return []Protocol{HTTP1, HTTPS, H2C, H2} }

// Encrypted says whether the protocol runs over TLS.
func (p Protocol) Encrypted() bool { return p == HTTPS || p == H2 }

// Scheme is that of the protocol's URLs.
func (p Protocol) Scheme() string {
	if p.Encrypted() {
		return "https"
	}
	return "http"
}

// client is a connection to the server, opened when it is first needed and again after a failure. It does one
// exchange at a time; only abort may be called from another goroutine.
type client interface {
	// do returns the status of the answer, 0 if it was not waited for, or the reason why there is none.
	do(ctx context.Context, now time.Time, e *Exchange) (int, Reason)
	// releaseBuffers frees what an idle connection does not need.
	releaseBuffers()
	// close closes the connection; abort makes the exchange in flight fail too, and all later ones.
	close()
	abort()
}

func newClient(plan *Plan) client {
	switch plan.Protocol {
	case H2, H2C:
		return newHTTP2(plan)
	case HTTPS:
		return &connection{address: plan.Address, timeout: plan.Timeout, control: plan.Control, tls: plan.tls("http/1.1")}
	default:
		return &connection{address: plan.Address, timeout: plan.Timeout, control: plan.Control}
	}
}

func (p *Plan) tls(protocol string) *tls.Config {
	return &tls.Config{
		ServerName:         hostOf(p.Address),
		InsecureSkipVerify: p.Insecure,
		NextProtos:         []string{protocol},
		ClientSessionCache: nil, // every connection costs the server the same
	}
}
