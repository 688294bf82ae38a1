package load

import (
	"bytes"
	"fmt"
	"strings"
)

// Field is a line of a header.
type Field struct{ Name, Value string }

// Request is what is asked of the server, whatever the shape.
type Request struct {
	Method string   // GET if empty
	Host   string   // the Host header; the plan's address if empty
	Paths  []string // request targets, taken in turn
	Header []Field
	Body   []byte
}

// Cut is where a client vanishes.
type Cut int

// The cuts.
const (
	CutNothing Cut = iota
	CutRequest     // after half of the request
	CutAnswer      // after the first bytes of the answer
)

// Exchange is one request, and how the client goes about it. It is not changed once it is made.
type Exchange struct {
	Method, Host, Path string
	Header             []Field
	Body               []byte
	Chunked            bool // the body is sent in chunks, without its length
	Cut                Cut
	Slow               bool // the answer is read a few bytes at a time
	Close              bool // the connection is closed after the answer

	wire []byte // what is sent over HTTP/1.1
}

// chunkSize is how many bytes of a body are in a chunk.
const chunkSize = 4096

// newExchange returns the exchange with what is sent over HTTP/1.1.
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

// hears says whether the client waits until something comes back.
func (e *Exchange) hears() bool { return e.Cut != CutRequest }

func (e *Exchange) has(name string) bool {
	for _, field := range e.Header {
		if strings.EqualFold(field.Name, name) {
			return true
		}
	}
	return false
}

// plain says whether it is sent and read as fast as that goes, over a connection that stays.
func (e *Exchange) plain() bool { return e.Cut == CutNothing && !e.Slow && !e.Close }

// exchanges returns one for each path of the request.
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
