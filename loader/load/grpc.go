package load

import (
	"encoding/binary"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// The parts of gRPC over HTTP/2 that a client needs (github.com/grpc/grpc, doc/PROTOCOL-HTTP2.md).
const (
	grpcContentType = "application/grpc"
	grpcStatus      = "grpc-status" // in the trailer, or in the header of a response without messages
	messagePrefix   = 5             // bytes: if the message is compressed, and its length
)

// Messages returns the body of a call: messages in their encoded form, each with its length before it.
func Messages(encoded ...[]byte) []byte {
	var body []byte
	for _, message := range encoded {
		body = binary.BigEndian.AppendUint32(append(body, 0), uint32(len(message)))
		body = append(body, message...)
	}
	return body
}

// callHeader is the header of a call with the given fields.
func callHeader(given []Field) []Field {
	header := []Field{{"TE", "trailers"}}
	if !slices.ContainsFunc(given, func(f Field) bool { return strings.EqualFold(f.Name, "Content-Type") }) {
		header = append(header, Field{"Content-Type", grpcContentType})
	}
	return append(header, given...)
}

// callEnd is the status of a call. The zero value is that of a response without one.
type callEnd struct {
	code int
	told bool
}

// callEndOf returns the status that a header field tells. What is not a number is UNKNOWN.
func callEndOf(value string) callEnd {
	code, err := strconv.ParseUint(value, 10, 16)
	if err != nil {
		code = grpcUnknown
	}
	return callEnd{code: int(code), told: true}
}

// callEndIn returns the status in a header or a trailer.
func callEndIn(header http.Header) callEnd {
	if values := header.Values(grpcStatus); len(values) > 0 {
		return callEndOf(values[0])
	}
	return callEnd{}
}

const grpcUnknown = 2

// grpcHTTP are the HTTP statuses of gRPC's codes, in their order from OK to UNAUTHENTICATED (googleapis,
// google/rpc/code.proto).
var grpcHTTP = [...]int{200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401}

// status returns the HTTP status of a call whose response has the given one. A call that was answered by something that
// does not speak gRPC has that status. It fails with a badResponse if the response tells no status of the call.
func (c callEnd) status(http int) (int, error) {
	switch {
	case c.told && c.code < len(grpcHTTP):
		return grpcHTTP[c.code], nil
	case c.told:
		return grpcHTTP[grpcUnknown], nil
	case http != 200:
		return http, nil
	default:
		return 0, errNoCallStatus
	}
}
