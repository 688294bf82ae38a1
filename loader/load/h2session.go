package load

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"
)

// session is the state of an HTTP/2 connection (RFC 9113) with several streams at a time. It does no input and output:
// receive takes in what the server sends, out collects what is to be sent, and done what has become of the requests.
//
// It reads a response only as far as it needs to: the status, and where the stream ends. It discards bodies as they
// arrive, and keeps of a frame what is incomplete, up to frameLimit. So its memory does not depend on the server.
type session struct {
	scheme string
	calls  bool      // requests are calls of gRPC, and their status is in the trailer
	out    []byte    // to be sent
	done   []outcome // since the caller has last emptied it

	head     frameHeader
	headed   bool   // head has been read, and its payload has not
	skip     int    // bytes of a payload to be discarded
	ending   uint32 // the stream that ends with them; 0 if none does
	partial  []byte // what has arrived of a frame header, or of a payload that is needed whole
	received int    // bytes of DATA that are not yet given back to the server's window
	response headerDecoder
	request  headerEncoder

	settled    bool   // the server's SETTINGS have arrived
	maxStreams uint32 // what the server allows at a time
	streamSize int64  // its initial window of a stream, in bytes
	window     int64  // its window of the connection, in bytes

	next    uint32 // the next stream's identifier
	ids     []uint32
	streams []stream // by the index of their identifier in ids
	bodies  int      // streams whose body is not yet sent
	leaving bool     // no further stream may be opened
	heard   bool     // a response is complete

	farewell uint32 // the error code of the client's GOAWAY
}

// stream is one request that is not yet answered.
type stream struct {
	turn     turn
	code     int // the status; 0 until it has arrived
	call     callEnd
	header   int   // bytes of the response's header so far
	left     int64 // bytes of the body that are not yet sent
	window   int64 // the server's, in bytes
	received int   // as in session
}

// outcome is what has become of a request. It is answered if err is nil, and to be sent again if it is refused.
type outcome struct {
	turn    turn
	code    int
	err     error
	refused bool
}

// The windows of the client, in bytes. Since bodies are discarded, a large one needs no memory.
const (
	streamWindow  = 1 << 20
	sessionWindow = 16 << 20
)

const (
	// unsentLimit is about the most that is made ready to be sent, in bytes. Beyond it bodies have to wait. Beyond three
	// times as much, what the server sends is not read: bodies alone never make that.
	unsentLimit = 64 << 10
	// triesLimit is how often a request is sent that the server refuses to process.
	triesLimit = 3
)

// errStreamReset is the error of a request whose stream the server resets.
var errStreamReset = fmt.Errorf("stream: %w", syscall.ECONNRESET)

// newSession returns a session with the client's first frames ready to be sent.
func newSession(protocol Protocol) *session {
	s := &session{scheme: protocol.Scheme(), calls: protocol.Calls(), next: 1, maxStreams: 1, streamSize: defaultWindow, window: defaultWindow}
	s.response.init(s.calls)
	s.request.init()
	s.out = append(s.out, clientPreface...)
	s.out = frameHeader{length: 2 * settingSize, kind: frameSettings}.appendTo(s.out)
	s.out = appendSetting(s.out, settingPush, 0)
	s.out = appendSetting(s.out, settingInitialWindow, streamWindow)
	s.out = appendNumber(s.out, frameWindowUpdate, 0, sessionWindow-defaultWindow)
	return s
}

// room is how many more streams may be opened, if the client wants up to the given number. It is one until the server has
// said how many it allows.
func (s *session) room(wanted int) int {
	if s.leaving {
		return 0
	}
	return int(min(uint32(wanted), s.maxStreams)) - len(s.ids)
}

// send opens a stream with the request of t.
func (s *session) send(t turn) {
	size := sizeOf(t.exchange.Body)
	head := frameHeader{kind: frameHeaders, stream: s.next}
	if size == 0 {
		head.flags = flagEndStream
	}
	for block := s.request.encode(t.exchange, s.scheme); ; head.kind, head.flags = frameContinuation, 0 {
		head.length = min(len(block), frameLimit)
		if head.length == len(block) {
			head.flags |= flagEndHeaders
		}
		s.out = append(head.appendTo(s.out), block[:head.length]...)
		if block = block[head.length:]; len(block) == 0 {
			break
		}
	}
	s.ids = append(s.ids, s.next)
	s.streams = append(s.streams, stream{turn: t, left: size, window: s.streamSize})
	s.next += 2
	s.leaving = s.leaving || s.next > streamIDLimit
	if size > 0 {
		s.bodies++
		s.sendBodies()
	}
}

// sendBodies makes as much of the bodies ready as the server's windows and unsentLimit allow.
func (s *session) sendBodies() {
	for n := 0; n < len(s.streams) && s.bodies > 0; n++ {
		for st := &s.streams[n]; st.left > 0 && len(s.out) < unsentLimit; {
			size := int(min(st.left, st.window, s.window, frameLimit))
			if size <= 0 {
				break
			}
			head := frameHeader{length: size, kind: frameData, stream: s.ids[n]}
			if int64(size) == st.left {
				head.flags = flagEndStream
			}
			begin := len(s.out)
			s.out = slices.Grow(head.appendTo(s.out), size)
			payload := s.out[len(s.out) : len(s.out)+size]
			body := st.turn.exchange.Body
			if got, err := body.ReadAt(payload, body.Size()-st.left); got < size {
				s.out = s.out[:begin]
				s.cancel(n, bodyError{err})
				s.leaving = true // as after any error over HTTP/1.1: there may be one after the other
				n--
				break
			}
			s.out = s.out[:len(s.out)+size]
			st.window -= int64(size)
			s.window -= int64(size)
			if st.left -= int64(size); st.left == 0 {
				s.bodies--
			}
		}
	}
}

// expire cancels the requests that have started before the given time. No further stream is opened then: the server may
// have stopped reading.
func (s *session) expire(started time.Time) {
	for n := len(s.streams) - 1; n >= 0; n-- {
		if s.streams[n].turn.start.Before(started) {
			s.cancel(n, context.DeadlineExceeded)
			s.leaving = true
		}
	}
}

// cancel resets a stream, given by its index, whose request fails with err.
func (s *session) cancel(n int, err error) {
	s.out = appendNumber(s.out, frameRSTStream, s.ids[n], codeCancel)
	s.finish(n, outcome{err: err})
}

// end fails the requests in flight with err, or refuses them.
func (s *session) end(err error, refused bool) {
	for len(s.streams) > 0 {
		s.finish(len(s.streams)-1, outcome{err: err, refused: refused})
	}
	s.leaving = true
	if errors.As(err, new(badResponse)) {
		s.farewell = codeProtocolError
	}
}

// finish forgets a stream, given by its index.
func (s *session) finish(n int, o outcome) {
	o.turn = s.streams[n].turn
	if s.streams[n].left > 0 {
		s.bodies--
	}
	s.done = append(s.done, o)
	last := len(s.streams) - 1
	s.ids[n], s.streams[n] = s.ids[last], s.streams[last]
	s.streams[last] = stream{}
	s.ids, s.streams = s.ids[:last], s.streams[:last]
}

// receive takes in what has arrived. It fails with a badResponse if that is not HTTP/2; the session is of no use then.
func (s *session) receive(b []byte) error {
	for {
		if s.skip > 0 {
			n := min(s.skip, len(b))
			b = b[n:]
			if s.skip -= n; s.skip > 0 {
				return nil
			}
		}
		if s.ending != 0 {
			if n := slices.Index(s.ids, s.ending); n >= 0 {
				s.answered(n)
			}
			s.ending = 0
		}
		var err error
		if !s.headed {
			head, ok := s.take(&b, frameHeaderSize)
			if !ok {
				return nil
			}
			err = s.begin(head)
		} else {
			payload, ok := s.take(&b, s.head.length)
			if !ok {
				return nil
			}
			s.headed = false
			err = s.control(payload)
		}
		if err != nil {
			return err
		}
	}
}

// take returns the next n bytes of b, with those that came before, once they are there. They are valid until the next call.
func (s *session) take(b *[]byte, n int) ([]byte, bool) {
	if len(s.partial) == 0 && len(*b) >= n {
		taken := (*b)[:n]
		*b = (*b)[n:]
		return taken, true
	}
	more := min(n-len(s.partial), len(*b))
	s.partial = append(s.partial, (*b)[:more]...)
	*b = (*b)[more:]
	if len(s.partial) < n {
		return nil, false
	}
	taken := s.partial
	s.partial = s.partial[:0]
	return taken, true
}

// begin begins a frame, given its header.
func (s *session) begin(b []byte) error {
	head := parseFrameHeader(b)
	s.head = head
	switch {
	case !s.settled && bytes.HasPrefix(b, []byte("HTTP/1.")):
		return errOldHTTP
	case !s.settled && (head.kind != frameSettings || head.has(flagAck)):
		return errNotHTTP
	case head.length > frameLimit, s.response.stream != 0 && (head.kind != frameContinuation || head.stream != s.response.stream):
		return errFrame
	}
	switch head.kind {
	case frameData:
		s.skip = head.length
		return s.data()
	case framePushPromise:
		return errFrame
	case frameHeaders, frameRSTStream, frameSettings, framePing, frameGoAway, frameWindowUpdate, frameContinuation:
		s.headed = true
	default:
		s.skip = head.length
	}
	return nil
}

// find returns the index of the stream of the current frame; -1 if it is closed. It fails if there never was one.
func (s *session) find() (int, error) {
	if s.head.stream&1 == 0 || s.head.stream >= s.next {
		return -1, errFrame
	}
	return slices.Index(s.ids, s.head.stream), nil
}

// data takes in the header of a DATA frame. Its payload is discarded as it arrives.
func (s *session) data() error {
	n, err := s.find()
	if err != nil {
		return err
	}
	if s.received += s.head.length; s.received >= sessionWindow/2 {
		s.out = appendNumber(s.out, frameWindowUpdate, 0, uint32(s.received))
		s.received = 0
	}
	if n < 0 {
		return nil
	}
	st := &s.streams[n]
	switch st.received += s.head.length; {
	case st.code == 0:
		return errHeader
	case s.head.has(flagEndStream):
		s.ending = s.head.stream
	case st.received >= streamWindow/2:
		s.out = appendNumber(s.out, frameWindowUpdate, s.head.stream, uint32(st.received))
		st.received = 0
	}
	return nil
}

// answered ends a stream, given by its index, whose response is complete. The server may not want the rest of the body.
func (s *session) answered(n int) {
	if s.streams[n].left > 0 {
		s.out = appendNumber(s.out, frameRSTStream, s.ids[n], codeCancel)
	}
	s.heard = true
	o := outcome{code: s.streams[n].code}
	if s.calls {
		o.code, o.err = s.streams[n].call.status(o.code)
	}
	s.finish(n, o)
}

// control takes in the payload of a frame that is read whole.
func (s *session) control(payload []byte) error {
	head := s.head
	onStream := head.kind == frameHeaders || head.kind == frameContinuation || head.kind == frameRSTStream
	if head.kind != frameWindowUpdate && onStream == (head.stream == 0) {
		return errFrame
	}
	switch head.kind {
	case frameHeaders, frameContinuation:
		return s.headers(payload)
	case frameSettings:
		return s.settings(payload)
	case frameRSTStream:
		return s.reset(payload)
	case frameGoAway:
		return s.goAway(payload)
	case frameWindowUpdate:
		return s.widen(payload)
	}
	// PING
	if len(payload) != 8 {
		return errFrame
	}
	if !head.has(flagAck) {
		s.out = append(frameHeader{length: 8, kind: framePing, flags: flagAck}.appendTo(s.out), payload...)
	}
	return nil
}

// headers takes in a HEADERS or CONTINUATION frame, and ends the header block with its last one.
func (s *session) headers(payload []byte) error {
	n, err := s.find()
	if err != nil {
		return err
	}
	block := payload
	if s.head.kind == frameHeaders {
		var ok bool
		if block, ok = s.head.withoutPadding(payload); !ok {
			return errFrame
		}
		s.response.begin(s.head, n >= 0 && s.streams[n].code != 0)
		if n >= 0 {
			s.response.size = s.streams[n].header // interim responses and the trailer count too
		}
	} else if s.response.stream == 0 {
		return errFrame
	}
	if err := s.response.write(block, s.head.has(flagEndHeaders)); err != nil {
		return err
	}
	if !s.head.has(flagEndHeaders) || n < 0 {
		return nil
	}
	return s.headersEnded(n)
}

// headersEnded takes in a complete header block of a stream, given by its index.
func (s *session) headersEnded(n int) error {
	st, code, end := &s.streams[n], s.response.code, s.response.end
	st.header = s.response.size
	switch {
	case st.code != 0: // the trailer
		if !end {
			return errHeader
		}
	case code < 100 || code == 101 || code < 200 && end: // there is no switching of protocols
		return errHeader
	case code < 200:
		return nil
	default:
		st.code = code
	}
	if end {
		st.call = s.response.call
		s.answered(n)
	}
	return nil
}

// settings takes in the server's settings and acknowledges them.
func (s *session) settings(payload []byte) error {
	switch {
	case s.head.has(flagAck):
		return nil
	case len(payload)%settingSize != 0:
		return errFrame
	case !s.settled:
		s.settled, s.maxStreams = true, streamIDLimit
	}
	for ; len(payload) > 0; payload = payload[settingSize:] {
		value := binary.BigEndian.Uint32(payload[2:])
		switch binary.BigEndian.Uint16(payload) {
		case settingTableSize:
			s.request.resize(value)
		case settingMaxStreams:
			s.maxStreams = min(value, streamIDLimit)
		case settingInitialWindow:
			if value > windowLimit {
				return errWindow
			}
			for n := range s.streams {
				if s.streams[n].window += int64(value) - s.streamSize; s.streams[n].window > windowLimit {
					return errWindow
				}
			}
			s.streamSize = int64(value)
		case settingMaxFrame:
			if value < frameLimit || value >= 1<<24 {
				return errFrame
			}
		}
	}
	s.out = frameHeader{kind: frameSettings, flags: flagAck}.appendTo(s.out)
	s.sendBodies()
	return nil
}

// reset takes in RST_STREAM.
func (s *session) reset(payload []byte) error {
	n, err := s.find()
	switch {
	case err != nil:
		return err
	case len(payload) != 4:
		return errFrame
	case n >= 0:
		s.finish(n, outcome{err: errStreamReset, refused: binary.BigEndian.Uint32(payload) == codeRefusedStream})
	}
	return nil
}

// goAway takes in GOAWAY: the server has processed no stream after the last one that it names, and takes no further one.
func (s *session) goAway(payload []byte) error {
	if len(payload) < 8 {
		return errFrame
	}
	s.leaving = true
	last := binary.BigEndian.Uint32(payload) & streamIDLimit
	for n := len(s.ids) - 1; n >= 0; n-- {
		if s.ids[n] > last {
			s.finish(n, outcome{err: errStreamReset, refused: true})
		}
	}
	return nil
}

// widen takes in WINDOW_UPDATE.
func (s *session) widen(payload []byte) error {
	if len(payload) != 4 {
		return errFrame
	}
	more := int64(binary.BigEndian.Uint32(payload) & windowLimit)
	if more == 0 {
		return errWindow
	}
	window := &s.window
	if s.head.stream != 0 {
		n, err := s.find()
		if err != nil || n < 0 {
			return err
		}
		window = &s.streams[n].window
	}
	if *window += more; *window > windowLimit {
		return errWindow
	}
	s.sendBodies()
	return nil
}
