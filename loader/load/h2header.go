package load

import (
	"bytes"
	"strconv"
	"strings"

	"golang.org/x/net/http2/hpack"
)

const (
	tableSize = 4096 // bytes of a dynamic table: the default of RFC 7541
	memoLimit = 64   // requests whose encoded header is kept
)

// unchanging is true for a valid header block that neither changes nor resizes the dynamic table. The same bytes mean the
// same until another block does.
func unchanging(block []byte) bool {
	for len(block) > 0 {
		bits, literals := 7, 0 // indexed
		switch first := block[0]; {
		case first >= 0x80:
		case first >= 0x20: // a literal that enters the table, or a new size of it
			return false
		case first&0xf == 0: // a literal with its name
			bits, literals = 4, 2
		default:
			bits, literals = 4, 1
		}
		_, rest, ok := prefixed(block, bits)
		for range literals {
			var length int
			if length, rest, ok = prefixed(rest, 7); !ok || length > len(rest) {
				return false
			}
			rest = rest[length:]
		}
		if !ok {
			return false
		}
		block = rest
	}
	return true
}

// prefixed decodes the integer at the beginning of b that has a prefix of the given bits (RFC 7541, section 5.1), of up to
// four bytes, and returns it with what follows.
func prefixed(b []byte, bits int) (n int, rest []byte, ok bool) {
	if len(b) == 0 {
		return 0, nil, false
	}
	most := 1<<bits - 1
	if n = int(b[0]) & most; n < most {
		return n, b[1:], true
	}
	for at := 1; at < min(len(b), 4); at++ {
		n += int(b[at]&0x7f) << (7 * (at - 1))
		if b[at] < 0x80 {
			return n, b[at+1:], true
		}
	}
	return 0, nil, false
}

// headerEncoder encodes the headers of requests with HPACK (RFC 7541). A header is encoded once, as long as the table
// stays as it is.
type headerEncoder struct {
	encoder *hpack.Encoder
	block   bytes.Buffer
	memo    map[*Exchange][]byte
}

func (h *headerEncoder) init() { h.encoder = hpack.NewEncoder(&h.block) }

// resize has the dynamic table take no more bytes than the server allows, and no more than tableSize.
func (h *headerEncoder) resize(size uint32) {
	h.encoder.SetMaxDynamicTableSize(size)
	clear(h.memo) // the next block tells the server
}

// encode returns the header block of a request, valid until the next call.
func (h *headerEncoder) encode(e *Exchange, scheme string) []byte {
	if block, known := h.memo[e]; known {
		return block
	}
	h.block.Reset()
	write := func(name, value string) { // fails only if the buffer does
		_ = h.encoder.WriteField(hpack.HeaderField{Name: name, Value: value})
	}
	write(":method", e.Method)
	write(":scheme", scheme)
	write(":path", e.Path)
	write(":authority", e.Host)
	if !e.has("User-Agent") {
		write("user-agent", "leaklab")
	}
	for _, field := range e.Header {
		if name := strings.ToLower(field.Name); !ofConnection(name) {
			write(name, field.Value)
		}
	}
	if length, ok := e.contentLength(); ok {
		write("content-length", strconv.FormatInt(length, 10))
	}
	block := h.block.Bytes()
	switch {
	case !unchanging(block):
		clear(h.memo)
	case len(h.memo) < memoLimit:
		if h.memo == nil {
			h.memo = make(map[*Exchange][]byte)
		}
		h.memo[e] = bytes.Clone(block)
	}
	return block
}

// ofConnection is true for a header field that HTTP/2 does not have (RFC 9113, section 8.2.2), or that is sent anyway.
func ofConnection(name string) bool {
	switch name {
	case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "host", "content-length":
		return true
	}
	return false
}

// headerDecoder decodes the headers of responses, for their status.
type headerDecoder struct {
	decoder *hpack.Decoder
	stream  uint32 // of the block that has begun and not ended; 0 if there is none
	end     bool   // the block ends its stream
	size    int    // bytes so far, with frame headers
	whole   bool   // the block has one frame
	meaning

	calls bool    // a call's status matters too
	memos [2]memo // of a header, and of a trailer
	memo  *memo   // that of the block
}

// meaning is what matters of a header block.
type meaning struct {
	code int     // the status; 0 until it has come, and without one
	call callEnd // of gRPC
}

// memo is a block that is unchanging, as the table has been since, with its meaning.
type memo struct {
	block []byte
	meaning
}

func (h *headerDecoder) init(calls bool) {
	h.calls = calls
	h.decoder = hpack.NewDecoder(tableSize, func(field hpack.HeaderField) {
		switch {
		case field.Name == ":status":
			h.code, _ = decimal([]byte(field.Value))
			if len(field.Value) != 3 {
				h.code = 0
			}
			h.decoder.SetEmitEnabled(h.calls) // the rest matters for the table alone
		case field.Name == grpcStatus && h.calls:
			h.call = callEndOf(field.Value)
		}
	})
}

// begin begins a block with the header of its HEADERS frame. It may be that of a trailer.
func (h *headerDecoder) begin(head frameHeader, trailer bool) {
	h.stream, h.end, h.size, h.meaning, h.whole = head.stream, head.has(flagEndStream), 0, meaning{}, head.has(flagEndHeaders)
	h.memo = &h.memos[0]
	if trailer {
		h.memo = &h.memos[1]
	}
}

// forget forgets the blocks that are kept, since the table may change.
func (h *headerDecoder) forget() {
	for n := range h.memos {
		h.memos[n].block = h.memos[n].block[:0]
	}
}

// write adds a fragment to the block, and ends it with the last one.
func (h *headerDecoder) write(fragment []byte, last bool) error {
	if h.size += frameHeaderSize + len(fragment); h.size > headerLimit {
		return errHeaderLimit
	}
	if last {
		h.stream = 0
	}
	if h.whole && len(h.memo.block) > 0 && bytes.Equal(fragment, h.memo.block) {
		h.meaning = h.memo.meaning
		return nil
	}
	h.decoder.SetEmitEnabled(h.calls || h.code == 0)
	if _, err := h.decoder.Write(fragment); err != nil {
		return errHeader
	}
	if !last {
		h.forget()
		return nil
	}
	if h.decoder.Close() != nil {
		return errHeader
	}
	if h.whole && unchanging(fragment) {
		h.memo.block, h.memo.meaning = append(h.memo.block[:0], fragment...), h.meaning
	} else {
		h.forget()
	}
	return nil
}
