package live

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"

	"leaklab/loader/kernel"
)

// pythonHeap is what CPython's allocators say of themselves, in bytes: pymalloc, for objects of up to 512 bytes, and the
// malloc of glibc, for all that is larger.
type pythonHeap struct {
	blocks int64 // pymalloc's, in use
	arenas int64 // pymalloc's memory, mapped an arena at a time
	arena  int64 // size of one
	unused int64 // of arenas: pools that hold no block, or have never held one

	// used are pymalloc's blocks in use, by their size in bytes.
	used map[int64]int64

	chunks int64 // malloc's, in use
	system int64 // malloc's heaps
	mapped int64 // chunks that malloc maps one by one; part of chunks too
}

func (h pythonHeap) committed() int64 { return h.arenas + h.system + h.mapped }

var (
	pythonBlocks = regexp.MustCompile(`(?m)^# bytes in allocated blocks +=\s+([\d,]+)$`)
	pythonArenas = regexp.MustCompile(`(?m)^\d+ arenas \* (\d+) bytes/arena +=\s+([\d,]+)$`)
	pythonClass  = regexp.MustCompile(`(?m)^ +\d+ +(\d+) +\d+ +(\d+) +\d+$`)
	pythonUnused = regexp.MustCompile(`(?m)^\d+ unused pools \* \d+ bytes +=\s+([\d,]+)$`)
)

// heap reads the statistics of an answer. Those of pymalloc are missing if PYTHONMALLOC or the build has left it out.
func (r pythonReply) heap() (pythonHeap, error) {
	var heap pythonHeap
	if len(r.python) > 0 {
		blocks, arenas, unused := pythonBlocks.FindSubmatch(r.python), pythonArenas.FindSubmatch(r.python), pythonUnused.FindSubmatch(r.python)
		if blocks == nil || arenas == nil || unused == nil {
			return heap, errors.New("its allocator is not pymalloc, and has statistics that are unknown")
		}
		for _, figure := range []struct {
			text []byte
			into *int64
		}{{blocks[1], &heap.blocks}, {arenas[1], &heap.arena}, {arenas[2], &heap.arenas}, {unused[1], &heap.unused}} {
			var err error
			if *figure.into, err = bytesOf(strings.ReplaceAll(string(figure.text), ",", "")); err != nil {
				return heap, fmt.Errorf("statistics of pymalloc: %w", err)
			}
		}
		heap.used = make(map[int64]int64)
		for _, class := range pythonClass.FindAllSubmatch(r.python, -1) {
			size, err := bytesOf(string(class[1]))
			if err != nil {
				return heap, fmt.Errorf("statistics of pymalloc: %w", err)
			}
			if heap.used[size], err = bytesOf(string(class[2])); err != nil {
				return heap, fmt.Errorf("statistics of pymalloc: %w", err)
			}
		}
	}
	return heap, heap.readMalloc(r.malloc)
}

// bytesOf reads a number of bytes, which a process with a 48-bit address space can have.
func bytesOf(text string) (int64, error) {
	n, err := strconv.ParseUint(text, 10, 48)
	return int64(n), err
}

// readMalloc reads what malloc_info of glibc has written: at its end stand the sums over all arenas.
func (h *pythonHeap) readMalloc(text []byte) error {
	type figure struct {
		Type  string `xml:"type,attr"`
		Count string `xml:"count,attr"`
		Size  string `xml:"size,attr"`
	}
	var info struct {
		XMLName xml.Name   `xml:"malloc"`
		Heaps   []struct{} `xml:"heap"`
		Total   []figure   `xml:"total"`
		System  []figure   `xml:"system"`
	}
	if err := xml.Unmarshal(text, &info); err != nil {
		return fmt.Errorf("statistics of malloc: %w", err)
	}
	free, found := int64(0), 0
	for _, sum := range append(info.Total, info.System...) {
		size, err := bytesOf(sum.Size)
		if err != nil {
			return fmt.Errorf("statistics of malloc: %w", err)
		}
		switch sum.Type {
		case "fast":
			free += size
		case "rest":
			count, err := bytesOf(sum.Count)
			if err != nil {
				return fmt.Errorf("statistics of malloc: %w", err)
			}
			// glibc adds the lowest bit of each chunk's size, which is a flag, but for the one at the top of a heap.
			free += size - max(count-int64(len(info.Heaps)), 0)
		case "mmap":
			h.mapped = size
		case "current":
			h.system = size
		default:
			continue
		}
		found++
	}
	if found != 4 || free > h.system {
		return errors.New("statistics of malloc without its sums")
	}
	h.chunks = h.system - free + h.mapped
	return nil
}

// resident is how much of the heap is in RAM, or swapped out. A page that a process shares with those it was forked from
// counts in equal shares, as in the resident memory of several processes.
//
// Of malloc's heaps this is the kernel's figure. Arenas of pymalloc are not told from other anonymous memory. Pages that
// are missing there are taken for pools of the newest arena, the only one that can have some that were never used.
func (h pythonHeap) resident(a anonymous) int64 {
	missing := max(a.other.size-a.other.present, 0)
	mapped := h.arenas - min(missing, h.unused, h.arena) + h.mapped
	if a.other.present > 0 {
		mapped = int64(float64(mapped) * (float64(a.other.shares) / float64(a.other.present)))
	}
	return min(h.system, a.malloc.shares) + max(h.system-a.malloc.size, 0) + mapped
}

// anonymous is the private memory of a process that is of no file and no stack.
type anonymous struct {
	malloc span // malloc's heaps
	other  span
}

// span is the sum of some mappings, in bytes.
type span struct {
	size    int64
	present int64 // in RAM, or swapped out
	shares  int64 // the same, but shared pages in equal shares
}

// anonymousOf reads /proc/PID/smaps.
func anonymousOf(pid int) (anonymous, error) {
	file, err := os.Open(kernel.Path(pid, "smaps"))
	if err != nil {
		return anonymous{}, err
	}
	defer file.Close()
	return readAnonymous(file)
}

// mallocHeap is what glibc reserves for a heap of a thread, at a multiple of it, on 64-bit machines.
const mallocHeap = 64 << 20

// mapping is one of smaps.
type mapping struct {
	from, to  uint64
	mode      string
	anonymous bool
	name      string
	span
}

// readAnonymous reads smaps. A heap of a thread begins at a multiple of 64 MiB, and what it does not use yet follows
// without access. A stack has a guard of a few pages below.
func readAnonymous(smaps io.Reader) (anonymous, error) {
	var sum anonymous
	var before, current mapping
	add := func(next mapping) {
		guarded := before.mode == "---p" && before.to == current.from && before.to-before.from <= mallocHeap/64
		reserved := next.mode == "---p" && next.from == current.to && next.to%mallocHeap == 0
		switch {
		case !current.anonymous || current.mode != "rw-p":
		case current.name == "[heap]", current.from%mallocHeap == 0 && (reserved || current.to%mallocHeap == 0):
			sum.malloc.add(current.span)
		case current.name == "" && !guarded, strings.Contains(current.name, "malloc"):
			sum.other.add(current.span)
		}
		before, current = current, next
	}
	lines := bufio.NewScanner(smaps)
	lines.Buffer(nil, 1<<20) // a path has at most 4,096 bytes, four for each if escaped
	for lines.Scan() {
		if next, ok := mappingOf(lines.Bytes()); ok {
			add(next)
			continue
		}
		fields := bytes.Fields(lines.Bytes())
		if len(fields) != 3 || string(fields[2]) != "kB" {
			continue
		}
		kibibytes, err := strconv.ParseUint(string(fields[1]), 10, 38)
		if err != nil {
			return sum, fmt.Errorf("smaps: %q: %w", lines.Text(), err)
		}
		switch string(fields[0]) {
		case "Rss:", "Swap:":
			current.present += int64(kibibytes) << 10
		case "Pss:", "SwapPss:":
			current.shares += int64(kibibytes) << 10
		}
	}
	add(mapping{})
	return sum, lines.Err()
}

// mappingOf reads a line such as "7f0000000000-7f0000100000 rw-p 00000000 00:00 0 [heap]".
func mappingOf(line []byte) (mapping, bool) {
	fields := strings.Fields(string(line))
	if len(fields) < 5 {
		return mapping{}, false
	}
	low, high, found := strings.Cut(fields[0], "-")
	from, errFrom := strconv.ParseUint(low, 16, 64)
	to, errTo := strconv.ParseUint(high, 16, 64)
	if !found || errFrom != nil || errTo != nil || to < from {
		return mapping{}, false
	}
	return mapping{
		from: from, to: to, mode: fields[1], anonymous: fields[4] == "0", name: strings.Join(fields[5:], " "),
		span: span{size: int64(to - from)},
	}, true
}

func (s *span) add(other span) {
	s.size += other.size
	s.present += other.present
	s.shares += other.shares
}
