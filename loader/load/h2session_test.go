package load

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	xhttp2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// played is a session whose server the test plays.
type played struct {
	*session
	*xhttp2.Framer // of the server
	out            bytes.Buffer
	blocks         bytes.Buffer
	encoder        *hpack.Encoder
	decoder        *hpack.Decoder
}

func newPlayed() *played {
	p := &played{session: newSession(H2C)}
	p.Framer = xhttp2.NewFramer(&p.out, nil)
	p.Framer.AllowIllegalWrites = true
	p.encoder = hpack.NewEncoder(&p.blocks)
	p.decoder = hpack.NewDecoder(4096, nil)
	return p
}

// say has the session receive what the server has written, in pieces of the given size; all at once if it is 0.
func (p *played) say(size int) error {
	all := bytes.Clone(p.out.Bytes())
	p.out.Reset()
	if size == 0 {
		size = max(1, len(all))
	}
	for len(all) > 0 {
		n := min(size, len(all))
		if err := p.receive(all[:n:n]); err != nil {
			return err
		}
		all = all[n:]
	}
	return nil
}

// sent calls see with the frames that the session has sent since the last call.
func (p *played) sent(t *testing.T, see func(xhttp2.Frame)) {
	t.Helper()
	framer := xhttp2.NewFramer(io.Discard, bytes.NewReader(bytes.TrimPrefix(p.session.out, []byte(clientPreface))))
	for {
		frame, err := framer.ReadFrame()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		see(frame)
	}
	p.forget()
}

// forget forgets what the session has sent.
func (p *played) forget() { p.session.out = p.session.out[:0] }

// block encodes a header.
func (p *played) block(pairs ...string) []byte {
	p.blocks.Reset()
	for n := 0; n < len(pairs); n += 2 {
		_ = p.encoder.WriteField(hpack.HeaderField{Name: pairs[n], Value: pairs[n+1]})
	}
	return bytes.Clone(p.blocks.Bytes())
}

// ask sends n requests of an exchange.
func (p *played) ask(n int, e *Exchange) {
	for range n {
		p.send(turn{exchange: e, start: time.Now()})
	}
}

// settle answers the client's SETTINGS.
func (p *played) settle(t testing.TB, settings ...xhttp2.Setting) {
	t.Helper()
	require.NoError(t, p.WriteSettings(settings...))
	require.NoError(t, p.WriteSettingsAck())
	require.NoError(t, p.say(0))
}

// codes are the statuses of the requests that have ended, and 0 for those that have not been answered.
func (p *played) codes() []int {
	var codes []int
	for _, o := range p.done {
		codes = append(codes, o.code)
	}
	return codes
}

func get() *Exchange {
	return newExchange(Exchange{Method: "GET", Host: "example.com", Path: "/a"}, false)
}

func post(body string, chunked bool) *Exchange {
	return newExchange(Exchange{Method: "POST", Host: "example.com", Path: "/a", Body: strings.NewReader(body), Chunked: chunked}, false)
}

// The header of a request is made once. It is right whatever the server allows its table to be.
func TestTheHeaderOfARequestIsSentInFullAndThenByIndex(t *testing.T) {
	for name, settings := range map[string][]xhttp2.Setting{
		"default":  nil,
		"no table": {{ID: xhttp2.SettingHeaderTableSize, Val: 0}},
		"small":    {{ID: xhttp2.SettingHeaderTableSize, Val: 60}},
		"large":    {{ID: xhttp2.SettingHeaderTableSize, Val: 1 << 20}},
	} {
		p := newPlayed()
		e := newExchange(Exchange{Method: "GET", Host: "example.com", Path: "/a?b", Header: []Field{{"X-A", "1"}, {"Connection", "close"}}}, false)
		p.ask(1, e)
		p.settle(t, settings...)
		p.ask(3, e)
		var sizes []int
		p.sent(t, func(frame xhttp2.Frame) {
			headers, ok := frame.(*xhttp2.HeadersFrame)
			if !ok {
				return
			}
			sizes = append(sizes, len(headers.HeaderBlockFragment()))
			fields, err := p.decoder.DecodeFull(headers.HeaderBlockFragment())
			require.NoError(t, err)
			var got []string
			for _, field := range fields {
				got = append(got, field.Name+"="+field.Value)
			}
			assert.Equal(t, ":method=GET :scheme=http :path=/a?b :authority=example.com user-agent=leaklab x-a=1", strings.Join(got, " "), name)
			assert.True(t, headers.StreamEnded())
			if len(sizes) == 1 { // the server's setting holds from its acknowledgement on
				for _, setting := range settings {
					p.decoder.SetAllowedMaxDynamicTableSize(min(setting.Val, 4096))
				}
			}
		})
		require.Len(t, sizes, 4, name)
		if name == "default" || name == "large" {
			assert.Equal(t, []int{6, 6}, sizes[2:], name)
		} else {
			assert.Greater(t, sizes[3], 6, name)
		}
		assert.Equal(t, name != "small", len(p.request.memo) == 1, "%s: fields that do not fit beside each other change the table each time", name)
	}
}

// Whichever way a response is cut into frames, and frames into pieces, it counts once.
func TestResponsesInPieces(t *testing.T) {
	responses := map[string]struct {
		write func(p *played)
		code  int
	}{
		"without a body": {func(p *played) {
			_ = p.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 1, BlockFragment: p.block(":status", "204"), EndHeaders: true, EndStream: true})
		}, 204},
		"with a body": {func(p *played) {
			_ = p.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 1, BlockFragment: p.block(":status", "200"), EndHeaders: true})
			_ = p.WriteData(1, false, []byte("hello"))
			_ = p.WriteData(1, true, []byte("hello"))
		}, 200},
		"ended by an empty frame": {func(p *played) {
			_ = p.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 1, BlockFragment: p.block(":status", "200"), EndHeaders: true})
			_ = p.WriteData(1, false, []byte("hello"))
			_ = p.WriteData(1, true, nil)
		}, 200},
		"padding and priority": {func(p *played) {
			_ = p.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 1, BlockFragment: p.block(":status", "200"), EndHeaders: true, PadLength: 9, Priority: xhttp2.PriorityParam{StreamDep: 3, Weight: 1}})
			_ = p.WriteDataPadded(1, true, []byte("hello"), make([]byte, 7))
		}, 200},
		"continuation": {func(p *played) {
			block := p.block(":status", "404", "x-a", strings.Repeat("b", 100))
			_ = p.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 1, BlockFragment: block[:1], EndStream: true})
			_ = p.WriteContinuation(1, false, block[1:50])
			_ = p.WriteContinuation(1, false, nil)
			_ = p.WriteContinuation(1, true, block[50:])
		}, 404},
		"interim responses and a trailer": {func(p *played) {
			for range 3 {
				_ = p.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 1, BlockFragment: p.block(":status", "103", "link", "</a>"), EndHeaders: true})
			}
			_ = p.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 1, BlockFragment: p.block(":status", "503"), EndHeaders: true})
			_ = p.WriteData(1, false, []byte("hello"))
			_ = p.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 1, BlockFragment: p.block("x-checksum", "1"), EndHeaders: true, EndStream: true})
		}, 503},
		"between frames that do not matter": {func(p *played) {
			_ = p.WritePriority(1, xhttp2.PriorityParam{})
			_ = p.WriteRawFrame(0xbe, 0xff, 1, []byte("unknown"))
			_ = p.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 1, BlockFragment: p.block(":status", "200"), EndHeaders: true})
			_ = p.WriteWindowUpdate(1, 5)
			_ = p.WritePing(false, [8]byte{1})
			_ = p.WriteData(1, true, []byte("hello"))
		}, 200},
	}
	for name, response := range responses {
		for size := range 40 {
			p := newPlayed()
			p.ask(1, get())
			p.settle(t)
			response.write(p)
			whole := p.out.Len()
			p.out.Truncate(whole - 1)
			last := bytes.Clone(p.out.Bytes()[:whole][whole-1:])
			require.NoError(t, p.say(size), name)
			assert.Empty(t, p.done, "%s, %d bytes at a time: it is not complete", name, size)
			require.NoError(t, p.receive(last), name)
			assert.Equal(t, []int{response.code}, p.codes(), name)
			assert.NoError(t, p.done[0].err)
			assert.Empty(t, p.ids)
			assert.Empty(t, p.partial)
		}
	}
}

// Equal header blocks mean the same only while the table stays as it is.
func TestTheStatusIsReadAsTheTableChanges(t *testing.T) {
	p := newPlayed()
	p.ask(1, get())
	p.settle(t)
	p.ask(7, get())
	answer := func(stream uint32, pairs ...string) {
		_ = p.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: stream, BlockFragment: p.block(pairs...), EndHeaders: true, EndStream: true})
		require.NoError(t, p.say(0))
	}
	answer(1, ":status", "299") // is in no table, and enters the dynamic one
	answer(3, ":status", "299")
	answer(5, ":status", "299")
	assert.NotEmpty(t, p.response.memos[0].block)
	answer(7, ":status", "298") // takes its index
	answer(9, ":status", "298")
	answer(11, ":status", "299")
	answer(13, ":status", "298")
	assert.Equal(t, []int{299, 299, 299, 298, 298, 299, 298}, p.codes())
}

func TestHeaderBlocksThatLeaveTheTableAlone(t *testing.T) {
	p := newPlayed()
	for block, want := range map[string]bool{
		"":                                 true,
		"\x88\xff\x00\x88":                 true,  // indices of one byte and of two
		"\x88\x08\x03200":                  true,  // a literal without indexing
		"\x00\x01a\x01b":                   true,  // with its name
		"\x1f\x00\x01b\x10\x01a\x00":       true,  // never indexed
		"\x88\x48\x03200":                  false, // with indexing
		"\x88\x40\x01a\x01b":               false,
		"\x3f\xe1\x1f\x88":                 false, // a new size
		"\x08\x04200":                      false, // cut off
		"\x08":                             false,
		"\xff":                             false,
		"\x00\x01a":                        false,
		"\x88\xff\xff\xff\xff\xff\xff\x00": false, // more than any table has
	} {
		assert.Equal(t, want, unchanging([]byte(block)), "%q", block)
	}
	assert.False(t, unchanging(p.block("x-a", strings.Repeat("b", 200))))
	assert.True(t, unchanging(p.block("x-a", strings.Repeat("b", 200))), "it is in the table now")
}

// What breaks the rules so that what follows cannot be trusted ends the connection, and says what it was.
func TestFramesThatAreWrong(t *testing.T) {
	headers := func(p *played, stream uint32, end bool, pairs ...string) {
		_ = p.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: stream, BlockFragment: p.block(pairs...), EndHeaders: true, EndStream: end})
	}
	for name, test := range map[string]struct {
		write func(p *played)
		want  badResponse
	}{
		"too long":                        {func(p *played) { _ = p.WriteRawFrame(frameData, 0, 1, make([]byte, frameLimit+1)) }, errFrame},
		"data before its header":          {func(p *played) { _ = p.WriteData(1, true, nil) }, errHeader},
		"data without a stream":           {func(p *played) { _ = p.WriteData(0, true, nil) }, errFrame},
		"data of a stream that is none":   {func(p *played) { _ = p.WriteData(99, true, nil) }, errFrame},
		"header of a stream that is none": {func(p *played) { headers(p, 99, true, ":status", "200") }, errFrame},
		"header of the server's stream":   {func(p *played) { headers(p, 2, true, ":status", "200") }, errFrame},
		"no status":                       {func(p *played) { headers(p, 1, true, "x-a", "b") }, errHeader},
		"status that is no number":        {func(p *played) { headers(p, 1, true, ":status", "2x0") }, errHeader},
		"status of four digits":           {func(p *played) { headers(p, 1, true, ":status", "2000") }, errHeader},
		"interim response at the end":     {func(p *played) { headers(p, 1, true, ":status", "100") }, errHeader},
		"another protocol":                {func(p *played) { headers(p, 1, false, ":status", "101") }, errHeader},
		"trailer that does not end":       {func(p *played) { headers(p, 1, false, ":status", "200"); headers(p, 1, false, "a", "b") }, errHeader},
		"bad compression":                 {func(p *played) { _ = p.WriteRawFrame(frameHeaders, flagEndHeaders, 1, []byte{0xff, 0xff, 0xff}) }, errHeader},
		"header cut off":                  {func(p *played) { _ = p.WriteRawFrame(frameHeaders, flagEndHeaders, 1, []byte{0x00, 0x03, 'x'}) }, errHeader},
		"padding longer than the frame":   {func(p *played) { _ = p.WriteRawFrame(frameHeaders, flagEndHeaders|flagPadded, 1, []byte{9, 0x88}) }, errFrame},
		"continuation of nothing":         {func(p *played) { _ = p.WriteContinuation(1, true, nil) }, errFrame},
		"header block interrupted": {func(p *played) {
			_ = p.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 1, BlockFragment: p.block(":status", "200")})
			_ = p.WritePing(false, [8]byte{})
		}, errFrame},
		"push":                     {func(p *played) { _ = p.WriteRawFrame(framePushPromise, flagEndHeaders, 1, []byte{0, 0, 0, 2, 0x88}) }, errFrame},
		"settings of a wrong size": {func(p *played) { _ = p.WriteRawFrame(frameSettings, 0, 0, make([]byte, 7)) }, errFrame},
		"settings of a stream":     {func(p *played) { _ = p.WriteRawFrame(frameSettings, 0, 1, make([]byte, 6)) }, errFrame},
		"window too large": {func(p *played) {
			_ = p.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 1 << 31})
		}, errWindow},
		"frame size too small":              {func(p *played) { _ = p.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingMaxFrameSize, Val: 100}) }, errFrame},
		"ping of a wrong size":              {func(p *played) { _ = p.WriteRawFrame(framePing, 0, 0, make([]byte, 7)) }, errFrame},
		"reset of a stream that is none":    {func(p *played) { _ = p.WriteRSTStream(99, 0) }, errFrame},
		"reset of a wrong size":             {func(p *played) { _ = p.WriteRawFrame(frameRSTStream, 0, 1, make([]byte, 5)) }, errFrame},
		"GOAWAY of a wrong size":            {func(p *played) { _ = p.WriteRawFrame(frameGoAway, 0, 0, make([]byte, 7)) }, errFrame},
		"window update of a wrong size":     {func(p *played) { _ = p.WriteRawFrame(frameWindowUpdate, 0, 0, make([]byte, 3)) }, errFrame},
		"window update of nothing":          {func(p *played) { _ = p.WriteWindowUpdate(0, 0) }, errWindow},
		"window that overflows":             {func(p *played) { _ = p.WriteWindowUpdate(0, windowLimit) }, errWindow},
		"window of a stream that overflows": {func(p *played) { _ = p.WriteWindowUpdate(1, windowLimit) }, errWindow},
		"header block without end": {func(p *played) {
			_ = p.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 1, BlockFragment: p.block(":status", "200")})
			for range headerLimit / frameHeaderSize {
				_ = p.WriteContinuation(1, false, nil)
			}
		}, errHeaderLimit},
		"interim responses without end": {func(p *played) {
			for range headerLimit / frameHeaderSize {
				headers(p, 1, false, ":status", "103")
			}
		}, errHeaderLimit},
	} {
		p := newPlayed()
		p.ask(1, get())
		p.settle(t)
		test.write(p)
		err := p.say(0)
		assert.ErrorIs(t, err, test.want, name)
		assert.Empty(t, p.done, name)
		p.end(err, false)
		assert.Equal(t, []outcome{{turn: p.done[0].turn, err: test.want}}, p.done, name)
		assert.EqualValues(t, codeProtocolError, p.farewell)
	}
}

func TestWhatIsNotHTTP2(t *testing.T) {
	for text, want := range map[string]badResponse{
		"HTTP/1.1 400 Bad Request\r\n\r\n":          errOldHTTP,
		"SSH-2.0-OpenSSH\r\n":                       errNotHTTP,
		"\x00\x00\x08\x06\x00\x00\x00\x00\x0012345": errNotHTTP, // a PING before SETTINGS
		"\x00\x00\x00\x04\x01\x00\x00\x00\x00":      errNotHTTP, // an acknowledgement before SETTINGS
	} {
		assert.ErrorIs(t, newSession(H2C).receive([]byte(text)), want, text)
	}
}

// The server's limit of streams holds; until it is known, one request is sent.
func TestTheServerLimitsStreams(t *testing.T) {
	p := newPlayed()
	assert.Equal(t, 1, p.room(10))
	p.ask(1, get())
	assert.Zero(t, p.room(10))
	p.settle(t)
	assert.Equal(t, 9, p.room(10))
	p.settle(t, xhttp2.Setting{ID: xhttp2.SettingMaxConcurrentStreams, Val: 4})
	assert.Equal(t, 3, p.room(10))
	p.ask(3, get())
	p.settle(t, xhttp2.Setting{ID: xhttp2.SettingMaxConcurrentStreams, Val: 2})
	assert.Equal(t, -2, p.room(10))
	p.settle(t, xhttp2.Setting{ID: xhttp2.SettingMaxConcurrentStreams, Val: 1<<32 - 1})
	assert.Equal(t, 6, p.room(10))
	p.next = streamIDLimit
	p.ask(1, get())
	assert.Zero(t, p.room(10), "there are no identifiers left")
}

// The client gives the windows back before they are used up.
func TestWindowsOfTheClient(t *testing.T) {
	p := newPlayed()
	p.ask(1, get())
	p.settle(t)
	p.forget()
	page := make([]byte, frameLimit)
	_ = p.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 1, BlockFragment: p.block(":status", "200"), EndHeaders: true})
	given := map[uint32]int{}
	for range 2 * sessionWindow / frameLimit {
		_ = p.WriteData(1, false, page)
		require.NoError(t, p.say(0))
		p.sent(t, func(frame xhttp2.Frame) {
			given[frame.Header().StreamID] += int(frame.(*xhttp2.WindowUpdateFrame).Increment)
		})
	}
	assert.Equal(t, map[uint32]int{0: 2 * sessionWindow, 1: 2 * sessionWindow}, given)
}

// A body is sent as far as both windows allow, and goes on when they widen.
func TestWindowsOfTheServer(t *testing.T) {
	p := newPlayed()
	p.settle(t, xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 10})
	p.forget()
	p.ask(2, post(strings.Repeat("x", 40_000), false))
	data := func() (sizes map[uint32]int, ended int) {
		sizes = map[uint32]int{}
		p.sent(t, func(frame xhttp2.Frame) {
			if frame, ok := frame.(*xhttp2.DataFrame); ok {
				sizes[frame.StreamID] += int(frame.Length)
				if frame.StreamEnded() {
					ended++
				}
			}
		})
		return sizes, ended
	}
	sizes, ended := data()
	assert.Equal(t, map[uint32]int{1: 10, 3: 10}, sizes)
	assert.Zero(t, ended)
	_ = p.WriteWindowUpdate(3, 5)
	require.NoError(t, p.say(0))
	sizes, _ = data()
	assert.Equal(t, map[uint32]int{3: 5}, sizes)
	p.settle(t, xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 4}) // below what was sent
	sizes, _ = data()
	assert.Empty(t, sizes)
	p.settle(t, xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 1 << 20})
	sizes, ended = data()
	assert.Equal(t, defaultWindow-25, sizes[1]+sizes[3], "as the window of the connection allows")
	assert.Equal(t, 39_990, sizes[1])
	assert.Equal(t, 1, ended)
	_ = p.WriteWindowUpdate(0, 1<<20)
	require.NoError(t, p.say(0))
	sizes, ended = data()
	assert.Equal(t, 80_000-defaultWindow, sizes[3])
	assert.Equal(t, 1, ended)
	assert.Zero(t, p.bodies)
}

// A server may answer before it has read the request, and does not want the rest.
func TestAnAnswerBeforeTheEndOfTheRequest(t *testing.T) {
	p := newPlayed()
	p.settle(t, xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 10})
	p.ask(1, post(strings.Repeat("x", 40_000), true))
	p.forget()
	_ = p.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 1, BlockFragment: p.block(":status", "413"), EndHeaders: true, EndStream: true})
	_ = p.WriteRSTStream(1, xhttp2.ErrCodeNo)
	require.NoError(t, p.say(0))
	assert.Equal(t, []int{413}, p.codes())
	assert.Zero(t, p.bodies)
	frames := 0
	p.sent(t, func(frame xhttp2.Frame) {
		frames++
		assert.Equal(t, xhttp2.ErrCodeCancel, frame.(*xhttp2.RSTStreamFrame).ErrCode)
	})
	assert.Equal(t, 1, frames)
}

// What the server has surely not processed is to be sent again; what it has reset otherwise is an error.
func TestRefusedStreams(t *testing.T) {
	p := newPlayed()
	p.settle(t)
	p.ask(5, get())
	_ = p.WriteRSTStream(1, xhttp2.ErrCodeRefusedStream)
	_ = p.WriteRSTStream(3, xhttp2.ErrCodeInternal)
	_ = p.WriteRSTStream(3, xhttp2.ErrCodeInternal) // it is closed already
	_ = p.WriteGoAway(5, xhttp2.ErrCodeNo, []byte("enough"))
	require.NoError(t, p.say(0))
	var refused []bool
	for _, o := range p.done {
		assert.Equal(t, Reset, classify(o.err))
		refused = append(refused, o.refused)
	}
	assert.Equal(t, []bool{true, false, true, true}, refused)
	assert.Equal(t, []uint32{5}, p.ids, "it is still to be answered")
	assert.True(t, p.leaving)
	assert.Zero(t, p.room(10), "no further stream")
}

func TestWhatAServerAsksForIsAnswered(t *testing.T) {
	p := newPlayed()
	p.settle(t)
	p.forget()
	_ = p.WritePing(false, [8]byte{1, 2, 3})
	_ = p.WritePing(true, [8]byte{4})
	_ = p.WriteSettings()
	require.NoError(t, p.say(0))
	pings, settings := 0, 0
	p.sent(t, func(frame xhttp2.Frame) {
		switch frame := frame.(type) {
		case *xhttp2.PingFrame:
			pings++
			assert.True(t, frame.IsAck())
			assert.Equal(t, [8]byte{1, 2, 3}, frame.Data)
		case *xhttp2.SettingsFrame:
			settings++
			assert.True(t, frame.IsAck())
		}
	})
	assert.Equal(t, []int{1, 1}, []int{pings, settings})
}

// A header that does not fit into a frame goes on in others.
func TestALongHeaderIsContinued(t *testing.T) {
	p := newPlayed()
	p.settle(t)
	p.forget()
	p.ask(1, newExchange(Exchange{Method: "GET", Host: "example.com", Path: "/" + strings.Repeat("~", 40_000)}, false))
	var block []byte
	var kinds []string
	ended := 0
	p.sent(t, func(frame xhttp2.Frame) {
		kinds = append(kinds, frame.Header().Type.String())
		switch frame := frame.(type) {
		case *xhttp2.HeadersFrame:
			assert.True(t, frame.StreamEnded())
			assert.False(t, frame.HeadersEnded())
			block = append(block, frame.HeaderBlockFragment()...)
		case *xhttp2.ContinuationFrame:
			block = append(block, frame.HeaderBlockFragment()...)
			if frame.HeadersEnded() {
				ended = len(kinds)
			}
		}
	})
	require.Greater(t, len(kinds), 2)
	assert.Equal(t, "HEADERS", kinds[0])
	assert.Equal(t, len(kinds), ended)
	fields, err := p.decoder.DecodeFull(block)
	require.NoError(t, err)
	assert.Len(t, fields[2].Value, 40_001)
}

// Whatever a server sends, in whichever pieces, the session ends or goes on in the same way, and stays small.
func FuzzSession(f *testing.F) {
	p := newPlayed()
	for _, text := range []string{"", "HTTP/1.1 200 OK\r\n\r\n"} {
		f.Add([]byte(text), 3)
	}
	_ = p.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingMaxConcurrentStreams, Val: 3}, xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 3})
	_ = p.WritePing(false, [8]byte{1})
	_ = p.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 1, BlockFragment: p.block(":status", "200", "x-a", "b"), EndHeaders: true})
	_ = p.WriteDataPadded(1, true, []byte("hello"), make([]byte, 3))
	_ = p.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 3, BlockFragment: p.block(":status", "103")})
	_ = p.WriteContinuation(3, true, p.block("x-a", "b"))
	_ = p.WriteWindowUpdate(0, 5)
	_ = p.WriteRSTStream(3, xhttp2.ErrCodeRefusedStream)
	_ = p.WriteGoAway(1, xhttp2.ErrCodeNo, nil)
	f.Add(bytes.Clone(p.out.Bytes()), 5)
	f.Fuzz(func(t *testing.T, b []byte, size int) {
		one, other := newPlayed(), newPlayed()
		for _, p := range []*played{one, other} {
			p.ask(2, get())
			p.ask(2, post("hello, world", false))
		}
		_, _ = one.out.Write(b)
		_, _ = other.out.Write(b)
		errOne, errOther := one.say(0), other.say(max(1, size%64))
		assert.Equal(t, errOne, errOther)
		assert.Equal(t, one.codes(), other.codes())
		assert.Equal(t, one.ids, other.ids)
		assert.Equal(t, one.session.out, other.session.out)
		assert.Len(t, one.streams, len(one.ids))
		assert.Equal(t, 4, len(one.ids)+len(one.done), "each request is in flight, or has ended")
		for _, o := range one.done {
			assert.True(t, o.err != nil || o.code >= 200)
		}
		assert.LessOrEqual(t, len(one.partial), frameLimit)
		assert.GreaterOrEqual(t, one.window, int64(0))
	})
}

// exchangeOf returns a function that sends a request and receives its response, a header and a body.
func (p *played) exchangeOf(t testing.TB, e *Exchange) func() {
	response := make([]byte, 0, 64)
	return func() {
		stream := p.next
		p.send(turn{exchange: e})
		response = frameHeader{length: 1, kind: frameHeaders, flags: flagEndHeaders, stream: stream}.appendTo(response[:0])
		response = append(response, 0x88) // :status 200
		response = frameHeader{length: 5, kind: frameData, flags: flagEndStream, stream: stream}.appendTo(response)
		response = append(response, "hello"...)
		if p.receive(response) != nil || len(p.done) != 1 || p.done[0].code != 200 {
			t.Error("it is not answered")
		}
		p.done = p.done[:0]
		p.forget()
	}
}

func TestARequestLikeTheOneBeforeAllocatesNothing(t *testing.T) {
	p := newPlayed()
	p.settle(t)
	once := p.exchangeOf(t, get())
	for range 3 {
		once()
	}
	assert.Zero(t, testing.AllocsPerRun(1000, once))
}

func BenchmarkSession(b *testing.B) {
	p := newPlayed()
	p.settle(b)
	once := p.exchangeOf(b, get())
	b.ReportAllocs()
	for b.Loop() {
		once()
	}
}
