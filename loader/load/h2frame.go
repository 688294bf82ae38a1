package load

import "encoding/binary"

// The parts of HTTP/2's framing (RFC 9113, sections 4 and 6) that a client needs.
const (
	clientPreface   = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	frameHeaderSize = 9       // bytes
	frameLimit      = 1 << 14 // bytes of a payload: the least that each side must accept, and what both are sent
	defaultWindow   = 1<<16 - 1
	windowLimit     = 1<<31 - 1
	streamIDLimit   = 1<<31 - 1
)

const (
	frameData         = 0x0
	frameHeaders      = 0x1
	frameRSTStream    = 0x3
	frameSettings     = 0x4
	framePushPromise  = 0x5
	framePing         = 0x6
	frameGoAway       = 0x7
	frameWindowUpdate = 0x8
	frameContinuation = 0x9
)

const (
	flagEndStream  = 0x1
	flagAck        = 0x1
	flagEndHeaders = 0x4
	flagPadded     = 0x8
	flagPriority   = 0x20
)

const (
	settingTableSize     = 0x1
	settingPush          = 0x2
	settingMaxStreams    = 0x3
	settingInitialWindow = 0x4
	settingMaxFrame      = 0x5
	settingSize          = 6 // bytes
)

const (
	codeProtocolError = 0x1
	codeRefusedStream = 0x7
	codeCancel        = 0x8
)

// frameHeader is what each frame begins with.
type frameHeader struct {
	length      int // of the payload, in bytes
	kind, flags byte
	stream      uint32
}

func (h frameHeader) has(flag byte) bool { return h.flags&flag != 0 }

// parseFrameHeader parses frameHeaderSize bytes.
func parseFrameHeader(b []byte) frameHeader {
	return frameHeader{
		length: int(b[0])<<16 | int(b[1])<<8 | int(b[2]), kind: b[3], flags: b[4],
		stream: binary.BigEndian.Uint32(b[5:]) & streamIDLimit,
	}
}

func (h frameHeader) appendTo(b []byte) []byte {
	b = append(b, byte(h.length>>16), byte(h.length>>8), byte(h.length), h.kind, h.flags)
	return binary.BigEndian.AppendUint32(b, h.stream)
}

// appendNumber appends a frame whose payload is one number: RST_STREAM and WINDOW_UPDATE.
func appendNumber(b []byte, kind byte, stream, number uint32) []byte {
	b = frameHeader{length: 4, kind: kind, stream: stream}.appendTo(b)
	return binary.BigEndian.AppendUint32(b, number)
}

func appendGoAway(b []byte, code uint32) []byte {
	b = frameHeader{length: 8, kind: frameGoAway}.appendTo(b)
	b = binary.BigEndian.AppendUint32(b, 0) // no stream of the server's
	return binary.BigEndian.AppendUint32(b, code)
}

func appendSetting(b []byte, id uint16, value uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(b, id), value)
}

// withoutPadding returns the payload of a frame without padding and priority; false if it is too short for them.
func (h frameHeader) withoutPadding(payload []byte) ([]byte, bool) {
	padding, priority := 0, 0
	if h.has(flagPadded) {
		if len(payload) == 0 {
			return nil, false
		}
		padding, payload = int(payload[0]), payload[1:]
	}
	if h.kind == frameHeaders && h.has(flagPriority) {
		priority = 5
	}
	if len(payload) < priority+padding {
		return nil, false
	}
	return payload[priority : len(payload)-padding], true
}
