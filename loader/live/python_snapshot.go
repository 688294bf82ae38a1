package live

import (
	"bufio"
	"encoding/binary"
	"io"
)

const (
	// pythonSnapshot is the largest snapshot that is written, in bytes.
	pythonSnapshot = 64 << 20
	// pythonBatch is how many traces are added to the list of a snapshot at once.
	pythonBatch = 1000
)

// Operations of pickle's protocol 2, as in CPython's Lib/pickle.py.
const (
	pickleProtocol   = 0x80
	pickleStop       = '.'
	picklePop        = '0'
	pickleGlobal     = 'c'
	pickleEmptyTuple = ')'
	pickleNew        = 0x81
	pickleEmptyDict  = '}'
	pickleEmptyList  = ']'
	pickleMark       = '('
	pickleTuple      = 't'
	pickleAppends    = 'e'
	pickleSetItems   = 'u'
	pickleBuild      = 'b'
	pickleText       = 'X'  // length in 4 bytes, UTF-8
	pickleInt        = 'J'  // 4 bytes
	pickleLong       = 0x8a // length in a byte, and that many bytes
	pickleRemember   = 'r'  // number in 4 bytes
	pickleRemembered = 'j'  // number in 4 bytes
)

// snapshotSize is about how large a snapshot becomes, in bytes: 5 for each block.
func (t *pythonTraces) snapshotSize() int64 {
	size := int64(0)
	for _, trace := range t.Traces {
		size += int64(5 * len(trace.Stack))
		for n := 1; n < len(trace.Sizes); n += 2 {
			size += min(pythonSnapshot, 5*trace.Sizes[n]) + 50
			size = min(size, 2*pythonSnapshot)
		}
	}
	for _, text := range t.Texts {
		size += int64(len(text))
	}
	return size
}

// pickler writes a pickle. What was written before is told by its number.
type pickler struct {
	*bufio.Writer
	remembered int
	texts      map[int]int // numbers of texts that were written
	frames     map[int]int
}

func (p *pickler) op(code byte) { _ = p.WriteByte(code) }

func (p *pickler) op32(code byte, n int) {
	p.op(code)
	_, _ = p.Write(binary.LittleEndian.AppendUint32(nil, uint32(n)))
}

func (p *pickler) class(name string) {
	p.op(pickleGlobal)
	_, _ = p.WriteString("tracemalloc\n" + name + "\n")
	p.op(pickleEmptyTuple)
	p.op(pickleNew)
}

func (p *pickler) text(text string) {
	p.op32(pickleText, len(text))
	_, _ = p.WriteString(text)
}

func (p *pickler) long(n int64) {
	p.op(pickleLong)
	p.op(8)
	_, _ = p.Write(binary.LittleEndian.AppendUint64(nil, uint64(n)))
}

// remember gives what was written last a number.
func (p *pickler) remember() int {
	p.op32(pickleRemember, p.remembered)
	p.remembered++
	return p.remembered - 1
}

// writeSnapshot writes the traces as Snapshot.dump of tracemalloc does: a pickle of the Snapshot, for Snapshot.load.
func (t *pythonTraces) writeSnapshot(w io.Writer) error {
	p := &pickler{Writer: bufio.NewWriter(w), texts: make(map[int]int), frames: make(map[int]int)}
	p.op(pickleProtocol)
	p.op(2)
	p.class("Snapshot")
	p.op(pickleEmptyDict)
	p.op(pickleMark)
	p.text("traceback_limit")
	p.op32(pickleInt, t.Limit)
	p.text("traces")
	p.class("_Traces")
	p.op(pickleEmptyDict)
	p.op(pickleMark)
	p.text("_traces")
	p.op(pickleEmptyList)
	for _, trace := range t.Traces {
		stack := t.pickleStack(p, trace)
		for n := 0; n < len(trace.Sizes); n += 2 {
			t.pickleBlocks(p, trace, stack, trace.Sizes[n], trace.Sizes[n+1])
		}
	}
	for range 2 { // the state of _Traces, and that of Snapshot
		p.op(pickleSetItems)
		p.op(pickleBuild)
	}
	p.op(pickleStop)
	return p.Flush()
}

// pickleStack writes a tuple of frames, and returns its number.
func (t *pythonTraces) pickleStack(p *pickler, trace pythonTrace) int {
	p.op(pickleMark)
	for _, n := range trace.Stack {
		if known, found := p.frames[n]; found {
			p.op32(pickleRemembered, known)
			continue
		}
		frame := t.Frames[n]
		p.op(pickleMark)
		if known, found := p.texts[frame.File]; found {
			p.op32(pickleRemembered, known)
		} else {
			p.text(t.Texts[frame.File])
			p.texts[frame.File] = p.remember()
		}
		p.op32(pickleInt, frame.Line)
		p.op(pickleTuple)
		p.frames[n] = p.remember()
	}
	p.op(pickleTuple)
	number := p.remember()
	p.op(picklePop)
	return number
}

// pickleBlocks appends a tuple (domain, size, stack, total) for each block. Python 3.8 has no total.
func (t *pythonTraces) pickleBlocks(p *pickler, trace pythonTrace, stack int, size, count int64) {
	known := -1
	for count > 0 {
		p.op(pickleMark)
		for range min(count, pythonBatch) {
			if known >= 0 {
				p.op32(pickleRemembered, known)
				continue
			}
			p.op(pickleMark)
			p.long(trace.Domain)
			p.long(size)
			p.op32(pickleRemembered, stack)
			if t.Fields > 3 {
				p.op32(pickleInt, trace.Total)
			}
			p.op(pickleTuple)
			known = p.remember()
		}
		p.op(pickleAppends)
		count -= pythonBatch
	}
}
