package load

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

const (
	// messageLimit is the size of a message up to which it is read, besides as many bytes as the client has sent. It is
	// discarded as it is read.
	messageLimit = 16 << 20
	// datalessLimit is how many bytes of frames without data may come in a second: pings, or empty fragments. A ping counts
	// as pingSize, since it is answered.
	datalessLimit = 64 << 10
	pingSize      = 128
	messageBuffer = 1 << 10 // bytes of a message that are read at a time
)

// messages are those of an open WebSocket. A goroutine reads them, so that a ping is answered at any time.
type messages struct {
	conn  *websocket.Conn
	under *underlay
	early atomic.Bool // a message counts once it has begun
	inbox             // rests from the end of an iteration until expect; has an entry if a message has arrived since that
}

func newMessages(conn *websocket.Conn, under *underlay, unasked *atomic.Uint64) *messages {
	m := &messages{conn: conn, under: under, inbox: newInbox(unasked)}
	conn.SetReadLimit(messageLimit)
	under.accepted = true
	go m.read()
	return m
}

// read reads messages until the WebSocket ends.
func (m *messages) read() {
	defer close(m.ended)
	buffer := make([]byte, messageBuffer)
	for {
		_, message, err := m.conn.Reader(context.Background())
		if err == nil && m.early.Load() {
			m.tell()
		}
		for err == nil {
			var n int
			if n, err = message.Read(buffer); n > 0 {
				m.under.dataless = 0
			}
		}
		if err != io.EOF || m.under.failed.Load() { // the library takes the end of the connection for that of the message
			m.err = m.explain(err)
			return
		}
		m.under.dataless = 0
		if !m.passes() {
			m.tell()
		}
	}
}

// tell notes that a message has arrived.
func (m *messages) tell() {
	select {
	case m.arrived <- struct{}{}:
	default: // it is not the first since expect
	}
}

// explain returns err as one for classify. What the library finds wrong has no type of error.
func (m *messages) explain(err error) error {
	var timeout net.Error
	switch {
	case errors.Is(err, errControlFlood):
		return errControlFlood
	case errors.Is(err, websocket.ErrMessageTooBig):
		return errMessageLimit
	case m.under.failed.Load(), errors.As(err, new(websocket.CloseError)), errors.As(err, &timeout):
		return err
	default:
		return errMessage
	}
}

// expect prepares for an exchange: messages that have arrived before do not count.
func (m *messages) expect(e *Exchange) {
	m.conn.SetReadLimit(messageLimit + sizeOf(e.Body))
	m.under.slow.Store(e.Slow)
	m.early.Store(e.Cut == CutAnswer)
	if e.Cut == CutRequest {
		const header = 6 // bytes of a small frame
		m.under.left.Store((header + max(sizeOf(e.Body), int64(len(greeting)))) / 2)
	}
	m.resting.Store(false)
	m.discard()
}

// send sends the message of an exchange that starts now. If it fails, the WebSocket is closed, and the error is the cause.
func (m *messages) send(now time.Time, e *Exchange, kind websocket.MessageType) error {
	err := m.under.limit(now)
	if err == nil {
		err = m.write(e, kind)
	}
	m.under.unlimit()
	if err != nil && !m.under.cut() && classify(err) == Reset { // the goroutine knows why, if the server said so
		_ = m.under.Conn.Close()
		<-m.ended
		if classify(m.err) != Reset || causeOf(m.err) != "" {
			return m.err
		}
	}
	return err
}

// write writes the message of an exchange: at once, or in fragments if it is chunked, or too large for memory.
func (m *messages) write(e *Exchange, kind websocket.MessageType) error {
	size := sizeOf(e.Body)
	switch {
	case size == 0:
		return m.conn.Write(context.Background(), kind, []byte(greeting))
	case !e.Chunked && !e.streamed:
		return m.conn.Write(context.Background(), kind, e.wire[len(e.wire)-int(size):])
	}
	fragments, err := m.conn.Writer(context.Background(), kind)
	if err != nil {
		return err
	}
	if _, err = io.CopyBuffer(onlyWriter{fragments}, marked{io.NewSectionReader(e.Body, 0, size)}, make([]byte, fragmentSize(e))); err != nil {
		return err
	}
	return fragments.Close()
}

// fragmentSize is the size of the fragments of a message, in bytes.
func fragmentSize(e *Exchange) int {
	if e.streamed {
		return streamBuffer
	}
	return chunkSize
}

// part sends a close frame and waits, up to a limit, until the server has answered with one and closed the connection. The
// side that closes first keeps the port in TIME_WAIT, and RFC 6455, section 7.1.1, wants that to be the server.
func (m *messages) part(limit time.Duration) {
	if m.under.finish(time.Now().Add(limit)) == nil {
		m.under.orderly.Store(true)
		_ = m.conn.Close(websocket.StatusNormalClosure, "")
	}
}

// free frees what the library holds. The connection is closed.
func (m *messages) free() {
	_ = m.conn.CloseNow()
	<-m.ended
}

// errVanished is the error of writing after the point at which the client vanishes.
var errVanished = errors.New("vanished")

// underlay is the connection under a WebSocket, from the end of the handshake.
type underlay struct {
	net.Conn
	ahead    []byte // has arrived with the end of the handshake
	accepted bool   // until then there is nothing to read
	slow     atomic.Bool
	orderly  atomic.Bool  // the server is to close the connection first
	left     atomic.Int64 // bytes that may still be written before the client vanishes; -1 if it does not
	failed   atomic.Bool  // reading has

	timeout time.Duration // of writing
	mu      sync.Mutex    // guards what follows, between the worker and the goroutine that answers pings
	writeBy time.Time     // the deadline of writing
	limited bool          // it holds for all that is written

	dataless int       // bytes that were read since the last data of a message, or since
	since    time.Time // at most a second ago
}

func (w *underlay) Read(p []byte) (int, error) {
	switch {
	case !w.accepted:
		return 0, io.EOF
	case w.dataless > datalessLimit:
		return 0, errControlFlood
	case len(w.ahead) > 0:
		n := copy(p, w.ahead)
		w.ahead = w.ahead[n:]
		return n, nil
	}
	var from io.Reader = w.Conn
	if w.slow.Load() {
		from = &slowReader{w.Conn}
	}
	n, err := from.Read(p)
	if now := time.Now(); now.Sub(w.since) > time.Second {
		w.since, w.dataless = now, 0
	}
	w.dataless += n
	switch {
	case err == nil:
	case n > 0: // the error comes again
		err = nil
	default:
		w.failed.Store(true)
	}
	return n, err
}

// pinged counts a ping, and returns true if it is to be answered.
func (w *underlay) pinged() bool {
	w.dataless += pingSize
	return w.dataless <= datalessLimit
}

// limit sets the deadline of a message that is written from now on, seldom, as limit of connection does.
func (w *underlay) limit(now time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.limited = true
	return w.extend(now)
}

// extend is for a caller that holds mu.
func (w *underlay) extend(now time.Time) error {
	if w.writeBy.Sub(now) >= w.timeout {
		return nil
	}
	w.writeBy = now.Add(w.timeout + w.timeout/deadlineSlack)
	return w.SetWriteDeadline(w.writeBy)
}

// unlimit ends a message. What is written then, such as the answer to a ping, has its own time.
func (w *underlay) unlimit() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.limited = false
}

// finish sets the deadline of all that is read and written from now on.
func (w *underlay) finish(deadline time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.limited = true
	return w.SetDeadline(deadline)
}

// limitUnasked extends the deadline for what is written while no message is.
func (w *underlay) limitUnasked() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.limited {
		return nil
	}
	return w.extend(time.Now())
}

func (w *underlay) Write(p []byte) (int, error) {
	if err := w.limitUnasked(); err != nil {
		return 0, err
	}
	left := w.left.Load()
	if left < 0 || int64(len(p)) < left {
		n, err := w.Conn.Write(p)
		if left >= 0 {
			w.left.Store(left - int64(n))
		}
		return n, err
	}
	n, err := w.Conn.Write(p[:left])
	if err == nil {
		w.left.Store(0)
		err = errVanished
	}
	return n, err
}

// cut is true if all has been written that the client writes before it vanishes.
func (w *underlay) cut() bool { return w.left.Load() == 0 }

func (w *underlay) Close() error {
	if w.orderly.Load() {
		_, _ = io.Copy(io.Discard, w.Conn)
	}
	return w.Conn.Close()
}
