package load

import (
	"bytes"
	"fmt"
	"strings"
)

// Field is a header field.
type Field struct{ Name, Value string }

// Request is what clients request, before a shape changes it.
type Request struct {
	Method string   // GET if empty
	Host   string   // the Host header; the plan's address if empty
	Paths  []string // request targets, taken in turn
	Header []Field
	Body   []byte
}

// Cut is the point at which a client disconnects.
type Cut int

// The cuts.
const (
	CutNothing Cut = iota
	CutRequest     // after half of the request
	CutAnswer      // after the first bytes of the response
)

// Exchange is one request and how the client behaves. It is immutable.
type Exchange struct {
	Method, Host, Path string
	Header             []Field
	Body               []byte
	Chunked            bool // send the body with chunked transfer coding
	Cut                Cut
	Slow               bool // read the response a few bytes at a time
	Close              bool // close the connection after the response

	wire []byte // its HTTP/1.1 form
}

// chunkSize is the number of body bytes in a chunk.
const chunkSize = 4096

// newExchange returns the exchange with its HTTP/1.1 form.
func newExchange(e Exchange) *Exchange {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", e.Method, e.Path, e.Host)
	if !e.has("User-Agent") {
		b.WriteString("User-Agent: leaklab\r\n")
	}
	for _, field := range e.Header {
		fmt.Fprintf(&b, "%s: %s\r\n", field.Name, field.Value)
	}
	switch {
	case e.Chunked:
		b.WriteString("Transfer-Encoding: chunked\r\n")
	case len(e.Body) > 0 || e.Method == "POST" || e.Method == "PUT" || e.Method == "PATCH":
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(e.Body))
	}
	if e.Close {
		b.WriteString("Connection: close\r\n")
	}
	b.WriteString("\r\n")
	if e.Chunked {
		for rest := e.Body; len(rest) > 0; {
			chunk := rest[:min(chunkSize, len(rest))]
			rest = rest[len(chunk):]
			fmt.Fprintf(&b, "%x\r\n%s\r\n", len(chunk), chunk)
		}
		b.WriteString("0\r\n\r\n")
	} else {
		b.Write(e.Body)
	}
	e.wire = b.Bytes()
	return &e
}

// hears is true if the client waits for a response.
func (e *Exchange) hears() bool { return e.Cut != CutRequest }

func (e *Exchange) has(name string) bool {
	for _, field := range e.Header {
		if strings.EqualFold(field.Name, name) {
			return true
		}
	}
	return false
}

// plain is true for an exchange at full speed over a connection that stays open.
func (e *Exchange) plain() bool { return e.Cut == CutNothing && !e.Slow && !e.Close }

// exchanges returns one exchange for each path of the request.
func (r Request) exchanges(address string) []Exchange {
	e := Exchange{Method: r.Method, Host: r.Host, Header: r.Header, Body: r.Body}
	if e.Method == "" {
		e.Method = "GET"
	}
	if e.Host == "" {
		e.Host = address
	}
	all := make([]Exchange, len(r.Paths))
	for n, path := range r.Paths {
		all[n] = e
		all[n].Path = path
	}
	return all
}
