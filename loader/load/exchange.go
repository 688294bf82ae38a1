package load

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/http/httputil"
	"strconv"
	"strings"
)

// Field is a header field.
type Field struct{ Name, Value string }

// Request is what clients request, before a shape changes it.
type Request struct {
	Method  string   // GET if empty
	Host    string   // the Host header; the plan's address if empty
	Paths   []string // taken in turn
	Targets []Target // if not nil, in place of Paths
	// ManyTargets, if it is not nil, stands in place of Targets that are too many for memory. It returns a function that
	// returns them in turn, for ever, from the first on. One goroutine at a time calls that.
	ManyTargets func() func() Target
	Header      []Field
	Body        Body     // nil if there is none
	Unique      []string // names of the Dimensions in which the shape unique differs; path and header if empty
	// Calls is true for calls of gRPC. A path is then that of a method, and Body the messages (see Messages), of which there
	// is an empty one without it.
	Calls bool
}

// Body is the body of a request. Many clients read it at the same time.
type Body interface {
	io.ReaderAt
	// Size is the length in bytes, which does not change.
	Size() int64
}

func sizeOf(b Body) int64 {
	if b == nil {
		return 0
	}
	return b.Size()
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
	Body               Body
	Chunked            bool // send the body with chunked transfer coding
	Cut                Cut
	Slow               bool // read the response a few bytes at a time
	Close              bool // close the connection after the response
	Unique             bool // no other exchange is like it: a stream is opened for it alone

	wire     []byte // its HTTP/1.1 form, with the body unless that is streamed
	streamed bool   // the body is read while it is sent
}

const (
	chunkSize    = 4096     // body bytes in a chunk
	streamBuffer = 16 << 10 // bytes of a body that are read at a time
	// wireLimit is the size of the HTTP/1.1 forms of all exchanges up to which they are kept in memory, in bytes; their
	// bodies count for themselves.
	wireLimit = 8 << 20
	// wholeLimit is the size of a body up to which it is sent together with the header, if exchanges are not kept.
	wholeLimit = 64 << 10
)

// newExchange returns the exchange with its HTTP/1.1 form, without its body if that is streamed.
func newExchange(e Exchange, streamed bool) *Exchange {
	size := sizeOf(e.Body)
	e.streamed = streamed && size > 0
	room := e.headerSize() + len(e.Path)
	if !e.streamed {
		room += int(size + size/256) // chunks have lines between them
	}
	b := make([]byte, 0, room)
	b = append(b, e.Method+" "...)
	b = append(b, e.Path...)
	b = append(b, " HTTP/1.1\r\nHost: "+e.Host+"\r\n"...)
	if !e.has("User-Agent") {
		b = append(b, "User-Agent: leaklab\r\n"...)
	}
	for _, field := range e.Header {
		b = append(b, field.Name+": "+field.Value+"\r\n"...)
	}
	if e.Chunked {
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	} else if length, named := e.contentLength(); named {
		b = append(b, "Content-Length: "+strconv.FormatInt(length, 10)+"\r\n"...)
	}
	if e.Close {
		b = append(b, "Connection: close\r\n"...)
	}
	b = append(b, "\r\n"...)
	e.wire = b
	if !e.streamed && (size > 0 || e.Chunked) {
		whole := bytes.NewBuffer(b)
		e.streamed = e.writeBody(whole, size) != nil // then it fails again when it is sent, and counts as an error
		if !e.streamed {
			e.wire = whole.Bytes()
		}
	}
	return &e
}

// headerSize is about the size of the header, in bytes, without the path.
func (e *Exchange) headerSize() int {
	const others = 128 // the request line, Content-Length and so on
	size := others + len(e.Host)
	for _, field := range e.Header {
		size += len(field.Name) + len(field.Value) + len(": \r\n")
	}
	return size
}

// bodyError is the error of reading the body of a request.
type bodyError struct{ error }

func (e bodyError) Unwrap() error { return e.error }

// marked is a reader of a body.
type marked struct{ io.Reader }

func (m marked) Read(p []byte) (int, error) {
	n, err := m.Reader.Read(p)
	if err != nil && err != io.EOF {
		err = bodyError{err}
	}
	return n, err
}

// send sends the exchange, with the first bytes of its body alone if there are more.
func (e *Exchange) send(w io.Writer, first int64) error {
	if _, err := w.Write(e.wire); err != nil || !e.streamed {
		return err
	}
	return e.writeBody(w, first)
}

// writeBody writes the first bytes of the body as HTTP/1.1 does; the end of a chunked one follows only if it is whole.
func (e *Exchange) writeBody(w io.Writer, first int64) error {
	var n int64
	var err error
	body := marked{io.NewSectionReader(e.Body, 0, first)}
	if !e.Chunked {
		n, err = io.CopyBuffer(onlyWriter{w}, body, make([]byte, min(first+1, streamBuffer)))
	} else {
		buffered := bufio.NewWriterSize(w, streamBuffer)
		chunks := httputil.NewChunkedWriter(buffered)
		n, err = io.CopyBuffer(onlyWriter{chunks}, body, make([]byte, chunkSize))
		if err == nil && first == sizeOf(e.Body) {
			_ = chunks.Close() // an error of buffered is one of Flush
			_, _ = buffered.WriteString("\r\n")
		}
		if err == nil {
			err = buffered.Flush()
		}
	}
	if err == nil && n < first {
		err = bodyError{io.ErrUnexpectedEOF}
	}
	return err
}

// onlyWriter hides other methods, so that io.CopyBuffer uses its buffer.
type onlyWriter struct{ io.Writer }

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

// plain is true for an exchange at full speed over a connection that stays open, which is sent at once.
func (e *Exchange) plain() bool { return e.Cut == CutNothing && !e.Slow && !e.Close && !e.streamed }

// contentLength is the length of the body if the header of the request names it.
func (e *Exchange) contentLength() (int64, bool) {
	size := sizeOf(e.Body)
	named := size > 0 || e.Method == http.MethodPost || e.Method == http.MethodPut || e.Method == http.MethodPatch
	return size, named && !e.Chunked
}
