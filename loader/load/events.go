package load

import (
	"bufio"
	"io"
	"strings"
	"sync/atomic"
	"time"
)

// eventLimit is how many bytes of a stream may come without an event, in bytes. They are discarded as they are read.
const eventLimit = 16 << 20

// events are those of an open subscription. A goroutine reads them, so that a server that sends while none is asked for
// need not wait.
type events struct {
	parser  eventParser
	arrives *arriving
	inbox   // has an entry if an event has arrived; the next is not read before that is taken
}

func newEvents(o opening, unasked *atomic.Uint64) *events {
	s := &events{
		parser:  eventParser{reader: bufio.NewReaderSize(o.Body, streamBufferSize)},
		arrives: o.arrives, inbox: newInbox(unasked),
	}
	go s.read()
	return s
}

// read reads events until the stream ends.
func (s *events) read() {
	defer close(s.ended)
	for {
		if err := s.parser.next(); err != nil {
			s.err = s.explain(err)
			return
		}
		if !s.passes() {
			s.arrived <- struct{}{}
		}
	}
}

// explain returns err as one for classify. What net/http finds wrong with a chunk has no type of error.
func (s *events) explain(err error) error {
	switch {
	case err == io.EOF || err == errEventLimit:
		return err
	case s.arrives.err == io.EOF: // in a chunk
		return io.ErrUnexpectedEOF
	case s.arrives.err != nil:
		return s.arrives.err
	default:
		return errChunk
	}
}

// await waits for the next event until the deadline. It fails with io.EOF when the response has ended as it should.
func (s *events) await(deadline time.Time) error {
	if s.resting.Swap(false) {
		s.pass()
	}
	return s.inbox.await(deadline, errNoEvent)
}

// ignore discards the events that arrive from now on until await is called, and counts them as unasked.
func (s *events) ignore() {
	s.resting.Store(true)
	s.pass() // for the goroutine may wait to hand one over
}

// pass counts the event that has arrived as unasked, if one has.
func (s *events) pass() {
	if s.discard() {
		s.unasked.Add(1)
	}
}

// free waits for the end of the goroutine. The connection is closed.
func (s *events) free() {
	for {
		select {
		case <-s.arrived:
		case <-s.ended:
			return
		}
	}
}

// eventParser finds the events in a stream (HTML Living Standard, section 9.2.6). An event is a block of lines with a field
// "data", up to an empty line. A line ends with CR, LF or both.
type eventParser struct {
	reader  *bufio.Reader
	begun   bool // the first line is over
	afterCR bool // the last line has ended with CR
	size    int  // bytes since the last event
}

// next reads up to the end of the next event.
func (p *eventParser) next() error {
	p.size = 0
	for data := false; ; {
		beginning, length, err := p.line()
		if err != nil {
			return err
		}
		if !p.begun {
			p.begun = true
			const mark = "\ufeff"
			if rest, marked := strings.CutPrefix(beginning, mark); marked {
				beginning, length = rest, length-len(mark)
			}
		}
		switch {
		case length > 0:
			data = data || strings.HasPrefix(beginning, "data:") || beginning == "data" && length == len("data")
		case data:
			return nil
		}
	}
}

// line reads a line, and returns its beginning and its length without the end.
func (p *eventParser) line() (beginning string, length int, err error) {
	var first [len("\ufeffdata:")]byte
	for {
		b, err := p.reader.ReadByte()
		if err != nil {
			return "", 0, err
		}
		if p.size++; p.size > eventLimit {
			return "", 0, errEventLimit
		}
		second := b == '\n' && p.afterCR // of CR LF
		p.afterCR = b == '\r'
		switch {
		case second:
		case b == '\n' || b == '\r':
			return string(first[:min(length, len(first))]), length, nil
		default:
			if length < len(first) {
				first[length] = b
			}
			length++
		}
	}
}
