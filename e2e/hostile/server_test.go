package hostile

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// hostile are the servers that a loader has to survive, by name: what each does with a connection once it has been
// asked. Over HTTP/1.1, which event streams are over as well, the request has been read; over HTTP/2 the first frame of one, on the stream.
var hostile = map[string]struct {
	early  bool // it does not wait for a request
	http1  func(conn *net.TCPConn)
	http2  func(conn *net.TCPConn, stream uint32)
	socket func(conn *net.TCPConn) // after a WebSocket handshake
}{
	"endless body":                  {http1: func(c *net.TCPConn) { pour(c, ok+"Content-Length: 1000000000000\r\n\r\n", page) }},
	"endless body without a length": {http1: func(c *net.TCPConn) { pour(c, ok+"\r\n", page) }},
	"endless chunks":                {http1: func(c *net.TCPConn) { pour(c, chunked, strings.Repeat("1\r\nx\r\n", 1000)) }},
	"endless header":                {http1: func(c *net.TCPConn) { pour(c, ok, strings.Repeat("X-A: b\r\n", 10_000)) }},
	"endless status line":           {http1: func(c *net.TCPConn) { pour(c, "HTTP/1.1 200 ", strings.Repeat(page, 5)) }},
	"endless line ends":             {http1: func(c *net.TCPConn) { pour(c, "", strings.Repeat("\r\n", 10_000)) }},
	"endless interim answers":       {http1: func(c *net.TCPConn) { pour(c, "", strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 5000)) }},
	"endless chunk extension":       {http1: func(c *net.TCPConn) { pour(c, chunked+"1;", strings.Repeat(page, 5)) }},
	"endless trailer":               {http1: func(c *net.TCPConn) { pour(c, chunked+"0\r\n", strings.Repeat("X-A: b\r\n", 10_000)) }},
	"header line of 1 GiB": {http1: func(c *net.TCPConn) {
		_, err := io.WriteString(c, ok+"X-A: ")
		for range 1 << 30 / len(page) {
			if err == nil {
				_, err = io.WriteString(c, page)
			}
		}
		answer("\r\nContent-Length: 0\r\n\r\n")(c)
	}},
	"gzip bomb": {http1: func(c *net.TCPConn) {
		body := packed(256)
		answer(fmt.Sprintf("%sContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", ok, len(body), body))(c)
	}},
	"not HTTP":                    {http1: answer("\x00\x01\xfe\xff not HTTP\r\n\r\n")},
	"length too long":             {http1: answer(ok + "Content-Length: 100\r\n\r\nhello")},
	"length too long, closed":     {http1: func(c *net.TCPConn) { answer(ok + "Content-Length: 100\r\n\r\nhello")(c); _ = c.Close() }},
	"length too short":            {http1: answer(ok + "Content-Length: 2\r\n\r\nhello")},
	"length below zero":           {http1: answer(ok + "Content-Length: -5\r\n\r\nhello")},
	"several lengths":             {http1: answer(ok + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello")},
	"a body that may not be":      {http1: answer("HTTP/1.1 204 No Content\r\n\r\nhello")},
	"header by a byte a second":   {http1: func(c *net.TCPConn) { drip(c, ok+"Content-Length: 0\r\n\r\n") }},
	"body by a byte a second":     {http1: func(c *net.TCPConn) { answer(ok + "Content-Length: 100\r\n\r\n")(c); drip(c, page) }},
	"answers before it was asked": {early: true, http1: func(c *net.TCPConn) { pour(c, "", strings.Repeat(ok+"Content-Length: 0\r\n\r\n", 100)) }},
	"ws: endless message":         {socket: func(c *net.TCPConn) { pour(c, "\x82\x7f\x00\x00\x00\xff\xff\xff\xff\xff", page) }},
	"ws: endless fragments":       {socket: func(c *net.TCPConn) { pour(c, "\x01\x00", "\x00\x7e\x40\x00"+page) }},
	"ws: endless empty fragments": {socket: func(c *net.TCPConn) { pour(c, "\x01\x00", strings.Repeat("\x00\x00", 10_000)) }},
	"ws: endless pings":           {socket: func(c *net.TCPConn) { pour(c, "", strings.Repeat("\x89\x04ping", 5000)) }},
	"ws: endless handshake":       {http1: func(c *net.TCPConn) { pour(c, "HTTP/1.1 101 X\r\n", strings.Repeat("X-A: b\r\n", 10_000)) }},
	"ws: frame that may not be":   {socket: answer("\xc1\x01x")},
	"ws: silent":                  {socket: func(*net.TCPConn) {}},
	"ws: closes at once":          {socket: func(c *net.TCPConn) { answer("\x88\x02\x03\xf0")(c); _ = c.CloseWrite() }},
	"sse: endless line":           {http1: func(c *net.TCPConn) { pour(c, events+"data: ", page) }},
	"sse: endless event":          {http1: func(c *net.TCPConn) { pour(c, events, strings.Repeat("data: x\n", 1000)) }},
	"sse: endless comments":       {http1: func(c *net.TCPConn) { pour(c, events, strings.Repeat(":\n\n", 1000)) }},
	"sse: no event":               {http1: func(c *net.TCPConn) { answer(events + ":\n\n")(c); _ = c.CloseWrite() }},
	"sse: another type":           {http1: answer(ok + "Content-Type: text/html\r\n\r\ndata: x\n\n")},
	"sse: header line of 1 GiB":   {http1: func(c *net.TCPConn) { pour(c, ok+"X-A: ", page) }},
	"half-closed":                 {http1: func(c *net.TCPConn) { _ = c.CloseWrite() }},
	"half-closed in its answer":   {http1: func(c *net.TCPConn) { answer(ok + "Content-Le")(c); _ = c.CloseWrite() }},

	"h2: endless header block": {http2: func(c *net.TCPConn, stream uint32) {
		pour(c, frame(frameHeaders, 0, stream, status200), frame(frameContinuation, 0, stream, strings.Repeat("\x00\x03x-a\x01b", 1000)))
	}},
	"h2: header field of 1 GiB": {http2: func(c *net.TCPConn, stream uint32) {
		pour(c, frame(frameHeaders, 0, stream, status200+"\x00\x03x-a\x7f\x81\xff\xff\xff\x03"), frame(frameContinuation, 0, stream, page))
	}},
	"h2: endless body beyond the window": {http2: func(c *net.TCPConn, stream uint32) {
		pour(c, frame(frameHeaders, flagEndHeaders, stream, status200), strings.Repeat(frame(frameData, 0, stream, page), 10))
	}},
	"h2: endless interim answers": {http2: func(c *net.TCPConn, stream uint32) {
		pour(c, "", strings.Repeat(frame(frameHeaders, flagEndHeaders, stream, "\x08\x03100"), 2000))
	}},
	"h2: endless pings":    {http2: func(c *net.TCPConn, _ uint32) { pour(c, "", strings.Repeat(frame(framePing, 0, 0, "leaklab\n"), 100)) }},
	"h2: endless settings": {http2: func(c *net.TCPConn, _ uint32) { pour(c, "", strings.Repeat(frame(frameSettings, 0, 0, ""), 1000)) }},
	"h2: endless resets": {http2: func(c *net.TCPConn, stream uint32) {
		pour(c, "", strings.Repeat(frame(frameReset, 0, stream, "\x00\x00\x00\x08"), 1000))
	}},
	"h2: endless windows of a byte": {http2: func(c *net.TCPConn, stream uint32) {
		pour(c, "", strings.Repeat(frame(frameWindow, 0, stream, "\x00\x00\x00\x01")+frame(frameWindow, 0, 0, "\x00\x00\x00\x01"), 500))
	}},
	"h2: windows that open and shut": {http2: func(c *net.TCPConn, _ uint32) {
		pour(c, "", strings.Repeat(frame(frameSettings, 0, 0, "\x00\x04\x00\x00\x00\x00")+frame(frameSettings, 0, 0, "\x00\x04\x7f\xff\xff\xff"), 500))
	}},
	"h2: window too large":  {http2: func(c *net.TCPConn, _ uint32) { answer(frame(frameWindow, 0, 0, "\x7f\xff\xff\xff"))(c) }},
	"h2: window of nothing": {http2: func(c *net.TCPConn, _ uint32) { answer(frame(frameWindow, 0, 0, "\x00\x00\x00\x00"))(c) }},
	"h2: endless empty data": {http2: func(c *net.TCPConn, stream uint32) {
		pour(c, frame(frameHeaders, flagEndHeaders, stream, status200), strings.Repeat(frame(frameData, 0, stream, ""), 1000))
	}},
	"h2: endless empty continuations": {http2: func(c *net.TCPConn, stream uint32) {
		pour(c, frame(frameHeaders, 0, stream, status200), strings.Repeat(frame(frameContinuation, 0, stream, ""), 1000))
	}},
	"h2: endless unknown frames": {http2: func(c *net.TCPConn, stream uint32) { pour(c, "", strings.Repeat(frame(0xbe, 0xff, stream, page), 10)) }},
	"h2: leaves at once":         {http2: func(c *net.TCPConn, _ uint32) { answer(frame(frameGoAway, 0, 0, strings.Repeat("\x00", 8)))(c) }},
	"h2: refuses":                {http2: func(c *net.TCPConn, stream uint32) { answer(frame(frameReset, 0, stream, "\x00\x00\x00\x07"))(c) }},
	"h2: header bomb": {http2: func(c *net.TCPConn, stream uint32) {
		// A field of 3,000 bytes enters the dynamic table, and is then named by a byte, each time.
		block := status200 + "\x40\x03x-a\x7f\xb9\x16" + page[:3000]
		answer(frame(frameHeaders, flagEndStream, stream, block))(c)
		answer(frame(frameContinuation, 0, stream, strings.Repeat("\xbe", 16<<10)))(c)
		answer(frame(frameContinuation, flagEndHeaders, stream, strings.Repeat("\xbe", 16<<10)))(c)
	}},
	"h2: HTTP/1.1":    {http2: func(c *net.TCPConn, _ uint32) { answer(ok + "Content-Length: 0\r\n\r\n")(c) }},
	"h2: half-closed": {http2: func(c *net.TCPConn, _ uint32) { _ = c.CloseWrite() }},
	"h2: never reads": {http2: func(*net.TCPConn, uint32) { select {} }},
	"h2: endless body": {http2: func(c *net.TCPConn, stream uint32) {
		answer(frame(frameHeaders, flagEndHeaders, stream, status200))(c)
		for { // as much as may be sent is what the client has given back
			if _, err := io.WriteString(c, frame(frameData, 0, stream, "x")); err != nil {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}},
	"h2: gzip bomb": {http2: func(c *net.TCPConn, stream uint32) {
		// content-encoding is 26 in the static table; the body fits into the window.
		answer(frame(frameHeaders, flagEndHeaders, stream, status200+"\x0f\x0b\x04gzip"))(c)
		body := packed(10)
		for len(body) > 0 {
			n := min(len(body), 16<<10)
			answer(frame(frameData, 0, stream, body[:n]))(c)
			body = body[n:]
		}
		answer(frame(frameData, flagEndStream, stream, ""))(c)
	}},
}

const (
	ok      = "HTTP/1.1 200 OK\r\n"
	chunked = ok + "Transfer-Encoding: chunked\r\n\r\n"
	events  = ok + "Content-Type: text/event-stream\r\n\r\n"

	frameData         = 0
	frameHeaders      = 1
	frameReset        = 3
	frameSettings     = 4
	framePing         = 6
	frameGoAway       = 7
	frameWindow       = 8
	frameContinuation = 9
	flagEndStream     = 1
	flagAck           = 1
	flagEndHeaders    = 4
	status200         = "\x88" // in the static table
)

// page is some of a body.
var page = strings.Repeat("leaklab\n", 2<<10)

// frame is one of HTTP/2's.
func frame(kind, flags byte, stream uint32, payload string) string {
	head := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
	head = append(head, flags)
	return string(binary.BigEndian.AppendUint32(head, stream)) + payload
}

// answer writes text, once.
func answer(text string) func(*net.TCPConn) {
	return func(c *net.TCPConn) { _, _ = io.WriteString(c, text) }
}

// pour writes first and then rest again and again, at a pace that leaves others some of the machine.
func pour(c *net.TCPConn, first, rest string) {
	for _, err := io.WriteString(c, first); err == nil; _, err = io.WriteString(c, rest) {
		time.Sleep(20 * time.Millisecond)
	}
}

// drip writes text, a byte a second.
func drip(c *net.TCPConn, text string) {
	for n := range len(text) {
		if _, err := io.WriteString(c, text[n:n+1]); err != nil {
			return
		}
		time.Sleep(time.Second)
	}
}

// packed returns zeros of the given size in MiB, packed to a thousandth.
func packed(mebibytes int) string { return strings.Repeat(member(), mebibytes) }

var member = sync.OnceValue(func() string {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write(make([]byte, 1<<20))
	_ = w.Close()
	return packed.String()
})

// serveHostile answers the first request as it should, since a server that never does is never measured, and then does
// what the name says. The loader starts it as a separate process.
func serveHostile(name string) error {
	listener, err := net.Listen("tcp", net.JoinHostPort(os.Getenv("HOST"), os.Getenv("PORT")))
	if err != nil {
		return err
	}
	how := hostile[name]
	var connections atomic.Int64
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		polite := connections.Add(1) == 1
		go func() {
			c := conn.(*net.TCPConn)
			switch {
			case how.http2 != nil:
				serveFrames(c, polite, how.http2)
			case how.socket != nil:
				serveHandshake(c, polite, how.socket)
			case polite || !how.early:
				serveRequests(c, polite, how.http1)
			default:
				how.http1(c)
			}
		}()
	}
}

func serveRequests(c *net.TCPConn, polite bool, attack func(*net.TCPConn)) {
	requests := bufio.NewReader(c)
	for {
		if _, err := http.ReadRequest(requests); err != nil {
			_ = c.Close()
			return
		}
		if polite {
			attack = answer(ok + "Content-Length: 0\r\n\r\n")
		}
		attack(c)
	}
}

// serveHandshake answers a WebSocket handshake, and attacks once a message comes.
func serveHandshake(c *net.TCPConn, polite bool, attack func(*net.TCPConn)) {
	if polite {
		serveRequests(c, true, nil)
		return
	}
	in := bufio.NewReader(c)
	r, err := http.ReadRequest(in)
	if err != nil {
		return
	}
	const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" // RFC 6455, section 1.3
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + guid))
	answer("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: " +
		base64.StdEncoding.EncodeToString(sum[:]) + "\r\n\r\n")(c)
	if _, err := in.ReadByte(); err == nil {
		go attack(c)
		_, _ = io.Copy(io.Discard, in)
	}
	_ = c.Close()
}

func serveFrames(c *net.TCPConn, polite bool, attack func(*net.TCPConn, uint32)) {
	defer c.Close()
	const preface = 24
	in := bufio.NewReader(c)
	if _, err := in.Discard(preface); err != nil {
		return
	}
	answer(frame(frameSettings, 0, 0, "") + frame(frameSettings, flagAck, 0, ""))(c)
	for {
		var head [9]byte
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return
		}
		size := binary.BigEndian.Uint32(head[:4]) >> 8
		if _, err := in.Discard(int(size)); err != nil {
			return
		}
		stream := binary.BigEndian.Uint32(head[5:])
		switch {
		case head[3] != frameHeaders:
		case polite:
			answer(frame(frameHeaders, flagEndHeaders|flagEndStream, stream, status200))(c)
		default:
			attack(c, stream)
		}
	}
}
