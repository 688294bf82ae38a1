package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/coder/websocket"
)

// connectError marks an error of connecting, TLS included.
type connectError struct {
	error
	cause string // for a user, without what the server has sent; empty if there is nothing to say
}

func (e connectError) Unwrap() error { return e.error }

// badResponse is the error for data that is not an HTTP response, or one whose end is ambiguous. It says what was bad.
type badResponse string

// What may be bad in a response.
const (
	errNotHTTP      badResponse = "not HTTP"
	errHeaderLimit  badResponse = "header too large"
	errHeader       badResponse = "malformed header"
	errLength       badResponse = "ambiguous length"
	errChunk        badResponse = "malformed chunk"
	errDataAfterEnd badResponse = "data after its end" // it would become part of the next response
	errOldHTTP      badResponse = "HTTP/1.1 in answer to HTTP/2"
	errFrame        badResponse = "malformed HTTP/2 frame"
	errWindow       badResponse = "invalid HTTP/2 window"
	errNoCallStatus badResponse = "no grpc-status"
	errHandshake    badResponse = "invalid answer to a WebSocket handshake"
	errMessage      badResponse = "malformed WebSocket frame"
	errMessageLimit badResponse = "WebSocket message too large"
	errControlFlood badResponse = "WebSocket frames without data"
	errNotEvents    badResponse = "the type of the content is not text/event-stream"
	errNoEvents     badResponse = "event stream without an event"
	errEventLimit   badResponse = "event too large"
)

func (b badResponse) Error() string { return "bad response: " + string(b) }

// lateError is the error for what has not come within the timeout. It says what.
type lateError string

// What may not come in time.
const (
	errNoMessage lateError = "no message in answer to one"
	errNoEvent   lateError = "no event"
	errEndless   lateError = "the response has begun but does not end; PROTOCOL=sse is for event streams"
	errLongCall  lateError = "the call has begun but does not end; SHAPE=abort is for streams without end"
)

func (l lateError) Error() string { return string(l) }

// Is has the call that does not end be an ErrEndless.
func (l lateError) Is(target error) bool { return l == errLongCall && target == ErrEndless }

// streamError has the form of net/http's error for a stream that was reset, which errors.As fills in. net/http exports none.
type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

func (streamError) Error() string { return errStreamReset.Error() }

// resetByServer reports if err is net/http's for a stream that the server has reset. What its client finds wrong with a
// stream has another cause (net/http, h2_bundle.go, Go 1.26).
func resetByServer(err error) bool {
	var stream streamError
	return errors.As(err, &stream) && stream.Cause != nil && stream.Cause.Error() == "received from peer"
}

// classify returns the reason that an exchange has failed with err.
func classify(err error) Reason {
	var network net.Error
	switch {
	case errors.As(err, new(connectError)):
		return Connect
	case errors.As(err, new(bodyError)):
		return Other
	case errors.As(err, new(lateError)), errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return Timeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, new(websocket.CloseError)),
		resetByServer(err), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed):
		return Reset
	default:
		return BadResponse
	}
}

// causeOf returns what was wrong, in a few words; empty if the reason says it all.
func causeOf(err error) string {
	var connecting connectError
	var bad badResponse
	var late lateError
	var closed websocket.CloseError
	switch {
	case errors.As(err, &late):
		return string(late)
	case errors.As(err, &closed):
		return fmt.Sprintf("WebSocket closed with status %d", closed.Code)
	case errors.As(err, &connecting):
		return connecting.cause
	case errors.As(err, new(bodyError)):
		return "the body of the request could not be read"
	case errors.As(err, &bad):
		return string(bad)
	case err != nil && strings.Contains(err.Error(), "looked like an HTTP/1.1 header"): // net/http has no other sign
		return string(errOldHTTP)
	default:
		return ""
	}
}
