package load

import (
	"bufio"
	"bytes"
	"io"
	"math"
	"net/http"
	"strings"
)

// headerLimit is the limit of a response's header in bytes, interim responses and trailer included. Lines are read one by
// one, so that this needs no memory.
const headerLimit = 64 << 10

// response is the state of the parser. It keeps only the header fields that determine where the message ends (RFC 9112,
// section 6.3).
type response struct {
	code   int
	close  bool // the connection cannot be reused
	budget int  // remaining part of headerLimit
	inside bool // the last line was longer than the buffer

	keep    bool // Connection: keep-alive
	chunked bool
	length  int // Content-Length; -1 if there is none
}

// begun is true if any of the response has arrived.
func (a *response) begun() bool { return a.budget != headerLimit }

// readResponse reads the response to a request with the given method up to its last byte, and discards the body. It skips
// interim responses. It returns a badResponse for a malformed response, or the error of r.
func readResponse(r *bufio.Reader, method string) (response, error) {
	a := response{budget: headerLimit}
	for {
		if err := a.readHeader(r); err != nil {
			return a, err
		}
		if a.code >= 200 || a.code == http.StatusSwitchingProtocols {
			break
		}
	}
	switch {
	case a.code == http.StatusSwitchingProtocols:
		a.close = true // what follows is another protocol
		return a, nil
	case method == http.MethodHead || a.code == http.StatusNoContent || a.code == http.StatusNotModified:
		return a, nil
	case a.chunked:
		return a, a.skipChunks(r)
	case a.length >= 0:
		_, err := r.Discard(a.length)
		return a, err
	default:
		a.close = true
		return a, skipAll(r)
	}
}

// readHeader reads a status line and the header up to the empty line.
func (a *response) readHeader(r *bufio.Reader) error {
	line, err := a.line(r)
	if err != nil {
		return err
	}
	// HTTP/1.1 200 OK
	if len(line) < 12 || string(line[:7]) != "HTTP/1." || !isDigit(line[7]) || line[8] != ' ' || len(line) > 12 && line[12] != ' ' {
		return errNotHTTP
	}
	old := line[7] == '0'
	code, ok := decimal(line[9:12])
	if !ok || code < 100 {
		return errNotHTTP
	}
	a.code, a.close, a.keep, a.chunked, a.length = code, false, false, false, -1
	for matters := false; ; { // whether the last field was one that is kept
		line, err := a.line(r)
		switch {
		case err != nil:
			return err
		case len(line) == 0:
			a.close = a.close || old && !a.keep
			if a.chunked && old { // HTTP/1.0 has no chunks
				return errLength
			}
			return nil
		case line[0] == ' ' || line[0] == '\t': // obs-fold: continues the line before
			if matters {
				return errLength
			}
			continue
		}
		if matters, err = a.field(line); err != nil {
			return err
		}
		if matters && a.inside {
			return errLength
		}
	}
}

// field parses a header line. It returns true for a field that is kept.
func (a *response) field(line []byte) (bool, error) {
	name, value, ok := bytes.Cut(line, []byte(":"))
	if !ok {
		return false, errHeader
	}
	switch {
	case is(name, "Content-Length"):
		length, ok := decimal(trim(value))
		if !ok || a.length >= 0 && a.length != length {
			return true, errLength
		}
		a.length = length
	case is(name, "Transfer-Encoding"):
		if a.chunked || !is(trim(value), "chunked") {
			return true, errLength
		}
		a.chunked = true
	case is(name, "Connection"):
		for more := true; more; {
			var token []byte
			token, value, more = bytes.Cut(value, []byte(","))
			a.close = a.close || is(trim(token), "close")
			a.keep = a.keep || is(trim(token), "keep-alive")
		}
	default:
		return false, nil
	}
	return true, nil
}

// skipChunks skips a chunked body and its trailer.
func (a *response) skipChunks(r *bufio.Reader) error {
	for {
		line, err := chunkLine(r)
		if err != nil {
			return err
		}
		size, ok := chunkSizeOf(line)
		if !ok {
			return errChunk
		}
		if size == 0 {
			break
		}
		if _, err := r.Discard(size); err != nil {
			return err
		}
		if line, err = chunkLine(r); err != nil {
			return err
		}
		if len(line) != 0 {
			return errChunk
		}
	}
	for {
		if line, err := a.line(r); err != nil || len(line) == 0 {
			return err
		}
	}
}

// chunkLine returns the next line of a chunked body without its line ending. It has to fit into the buffer.
func chunkLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		return nil, errChunk
	}
	return withoutEnd(line), err
}

// chunkSizeOf parses the line before a chunk, which may have an extension.
func chunkSizeOf(line []byte) (int, bool) {
	n := 0
	for i, c := range line {
		digit := 0
		switch {
		case isDigit(c):
			digit = int(c - '0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			digit = int(c|0x20-'a') + 10
		default:
			return n, i > 0 && (c == ';' || c == ' ' || c == '\t')
		}
		if n > math.MaxInt>>4 {
			return 0, false
		}
		n = n<<4 | digit
	}
	return n, len(line) > 0
}

// line returns the next header line without its line ending, valid until the next read. For a line longer than the buffer
// it returns the beginning and sets a.inside.
func (a *response) line(r *bufio.Reader) ([]byte, error) {
	for {
		piece, err := r.ReadSlice('\n')
		begins := !a.inside
		a.inside = err == bufio.ErrBufferFull
		a.budget -= len(piece)
		switch {
		case a.inside:
			err = nil
		case err != nil:
			return nil, err
		}
		if a.budget < 0 {
			return nil, errHeaderLimit
		}
		if begins {
			return withoutEnd(piece), nil
		}
	}
}

// withoutEnd returns a line without its line ending.
func withoutEnd(line []byte) []byte {
	if n := len(line); n > 0 && line[n-1] == '\n' {
		line = line[:n-1]
		if n > 1 && line[n-2] == '\r' {
			line = line[:n-2]
		}
	}
	return line
}

// skipAll skips everything until the connection ends.
func skipAll(r *bufio.Reader) error {
	for {
		if _, err := r.Discard(r.Size()); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// decimal parses a number of digits only.
func decimal(digits []byte) (int, bool) {
	n := 0
	for _, c := range digits {
		if !isDigit(c) || n > (math.MaxInt-9)/10 {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, len(digits) > 0
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// is compares without regard to case.
func is(text []byte, name string) bool {
	return len(text) == len(name) && strings.EqualFold(string(text), name)
}

func trim(value []byte) []byte { return bytes.Trim(value, " \t") }
