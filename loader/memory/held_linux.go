package memory

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// mappingsKept is how many mapped files and segments a reading names.
const mappingsKept = 16

// heapFile is in the name of the memory file that ZGC has its heap in, which is no file that fills up to its size.
const heapFile = "java_heap"

// anonymousHuge is the name of mappings with MAP_ANONYMOUS and MAP_HUGETLB.
const anonymousHuge = "/anon_hugepage"

// AnonymousOf is the anonymous memory of a process, that in pages of hugetlbfs included, and what of it is swapped out,
// less what was lazily freed, in bytes. A page that several processes share counts in equal shares, but one of hugetlbfs
// for each. The error wraps ErrGone if the process has ended.
func AnonymousOf(pid int) (int64, error) {
	var sum int64
	err := visit(pid, func(process shown) error {
		var err error
		sum, err = anonymousOf(process)
		return err
	})
	if isGone(err) {
		return 0, fmt.Errorf("process %d: %w", pid, ErrGone)
	}
	return sum, err
}

func anonymousOf(process shown) (int64, error) {
	text, err := process.read("smaps_rollup")
	if err != nil {
		return 0, err
	}
	parts, err := parseRollup(text)
	if err != nil {
		return 0, err
	}
	sum, huge := parts.Anonymous, int64(0)
	for line := range bytes.Lines(text) {
		switch name, value, _ := figure(line); name {
		case "SwapPss":
			sum += value
		case "LazyFree":
			sum -= value
		case "Private_Hugetlb", "Shared_Hugetlb":
			huge += value
		}
	}
	if huge == 0 {
		return sum, nil
	}
	all := newMappings()
	err = all.add(process, mountsOf(process))
	return sum + all.anonymousHuge(), err
}

// mappings are those of the processes read so far.
type mappings struct {
	sum  Held
	of   map[string]*mapped
	open map[string]openFile // files in memory that the processes have open
	// streams are those of them that are standard streams of a process: whoever started it may have redirected them there.
	streams map[string]bool
}

func newMappings() *mappings {
	return &mappings{of: make(map[string]*mapped), open: make(map[string]openFile), streams: make(map[string]bool)}
}

// mapped is a file or a segment, and what is in RAM of it, in bytes. What counts for each process is that of the process
// that has most.
type mapped struct {
	Mapping
	heap     bool  // of a runtime
	inMemory bool  // the file has no other place than RAM: memfd, tmpfs, System V
	pages    int64 // its own pages, without private copies; for each process
	shares   int64 // the same, but in equal shares, of all processes
	huge     huge
}

// huge is what is in pages of hugetlbfs, in bytes.
type huge struct {
	private int64 // of all processes
	shared  int64 // for each process
}

// add reads the mappings of a process.
func (m *mappings) add(process shown, in mounts) error {
	file, err := os.Open(filepath.Join(process.folder, "smaps"))
	if err != nil {
		return err
	}
	defer file.Close()
	return m.parse(file, in)
}

// parse reads smaps: for each mapping a line "7f00-7f80 r--s 00000000 00:01 42 /path", then lines "Swap:  4 kB". Of a file
// or a segment that several processes map, the largest size counts.
func (m *mappings) parse(smaps io.Reader, in mounts) error {
	own := make(map[string]*mapped)
	var sum Held
	var current *mapped
	lines := bufio.NewReader(smaps)
	for {
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) { // of a long path, its beginning is enough
			line = bytes.Clone(line)
		}
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = lines.ReadSlice('\n')
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if key, value, isFigure := figure(line); isFigure {
			sum.take(key, value)
			current.take(key, value)
		} else if mapping, id, isHeader := header(line, in); isHeader {
			sum.Count++
			if current = mapping; mapping != nil {
				if own[id] == nil {
					own[id] = &mapped{Mapping: Mapping{Name: mapping.Name, Shared: mapping.Shared}, heap: mapping.heap, inMemory: mapping.inMemory}
				}
				own[id].Size += mapping.Size
				current = own[id]
			}
		}
		if err != nil {
			break
		}
	}
	m.merge(sum, own)
	return nil
}

// merge adds what was read of one process.
func (m *mappings) merge(sum Held, own map[string]*mapped) {
	for id, mapping := range own {
		if known := m.of[id]; known != nil {
			mapping.Size = max(mapping.Size, known.Size)
			mapping.Resident = max(mapping.Resident, known.Resident)
			mapping.pages = max(mapping.pages, known.pages)
			mapping.shares += known.shares
			mapping.huge.private += known.huge.private
			mapping.huge.shared = max(mapping.huge.shared, known.huge.shared)
		}
		m.of[id] = mapping
	}
	m.sum.Swapped += sum.Swapped
	m.sum.LazyFree += sum.LazyFree
	m.sum.HugePages += sum.HugePages
	m.sum.Count = max(m.sum.Count, sum.Count)
}

// figure reads "Rss:   112 kB" as a name and bytes.
func figure(line []byte) (string, int64, bool) {
	name, rest, found := bytes.Cut(line, []byte(":"))
	fields := bytes.Fields(rest)
	if !found || bytes.ContainsAny(name, " -") || len(fields) != 2 || string(fields[1]) != "kB" {
		return "", 0, false
	}
	kibibytes, err := strconv.ParseInt(string(fields[0]), 10, 64)
	return string(name), kibibytes << 10, err == nil
}

// header reads the first line of a mapping; the mapping is nil if it is of no file, and no segment. id is its device and
// inode.
func header(line []byte, in mounts) (mapping *mapped, id string, ok bool) {
	fields := strings.Fields(string(line))
	if len(fields) < 5 {
		return nil, "", false
	}
	low, high, found := strings.Cut(fields[0], "-")
	from, errFrom := strconv.ParseUint(low, 16, 64)
	to, errTo := strconv.ParseUint(high, 16, 64)
	if !found || errFrom != nil || errTo != nil || to < from {
		return nil, "", false
	}
	if fields[4] == "0" {
		return nil, "", true
	}
	mapping = &mapped{Mapping: Mapping{Size: int64(to - from), Name: strings.Join(fields[5:], " ")}}
	mapping.heap = strings.Contains(mapping.Name, heapFile)
	for _, shared := range []string{"/SYSV", "/dev/zero", "/dev/shm/", memoryFile, anonymousHuge} {
		mapping.inMemory = mapping.inMemory || strings.HasPrefix(mapping.Name, shared)
	}
	mapping.inMemory = mapping.inMemory || in.devices[fields[3]]
	mapping.Shared = mapping.inMemory
	return mapping, fields[3] + " " + fields[4], true
}

// take adds a figure of a mapping to the sums.
func (h *Held) take(name string, value int64) {
	switch name {
	case "SwapPss":
		h.Swapped += value
	case "LazyFree":
		h.LazyFree += value
	case "AnonHugePages":
		h.HugePages += value
	}
}

// take adds a figure of a mapping, which is nil for anonymous memory. A private mapping has pages of the file and
// anonymous copies of others.
func (m *mapped) take(name string, value int64) {
	if m == nil {
		return
	}
	switch name {
	case "Rss":
		m.Resident += value
		m.pages += value
	case "Pss":
		m.shares += value
	case "Anonymous":
		m.pages -= value
		m.shares -= value
	case "Private_Hugetlb":
		m.huge.private += value
	case "Shared_Hugetlb":
		m.huge.shared += value
	}
}

// filePages is what is in RAM of files that are mapped, in bytes, without those in memory.
func (m *mappings) filePages() int64 {
	sum := int64(0)
	for _, mapping := range m.of {
		if !mapping.inMemory {
			sum += max(0, mapping.pages)
		}
	}
	return sum
}

// heapFiles is what is in RAM of files in memory that are the heap of a runtime, in bytes, as far as it is mapped.
func (m *mappings) heapFiles() int64 {
	sum := int64(0)
	for _, mapping := range m.of {
		if mapping.heap && mapping.inMemory {
			sum += max(0, mapping.shares)
		}
	}
	return sum
}

// anonymousHuge is the anonymous memory in pages of hugetlbfs, in bytes.
func (m *mappings) anonymousHuge() int64 {
	sum := int64(0)
	for _, mapping := range m.of {
		if strings.HasPrefix(mapping.Name, anonymousHuge) {
			sum += mapping.huge.private + mapping.huge.shared
		}
	}
	return sum
}

// held sums up.
func (m *mappings) held() *Held {
	sum := m.sum
	for _, mapping := range m.of {
		sum.HugeTLB += mapping.huge.private + mapping.huge.shared
		if mapping.heap {
			continue
		}
		sum.MappedSize += mapping.Size
		sum.Mappings = append(sum.Mappings, mapping.Mapping)
	}
	slices.SortFunc(sum.Mappings, func(a, b Mapping) int {
		return cmp.Or(cmp.Compare(b.Resident, a.Resident), cmp.Compare(a.Name, b.Name))
	})
	sum.Mappings = slices.Clip(sum.Mappings[:min(len(sum.Mappings), mappingsKept)])
	others, heaps := m.unmapped()
	sum.Unmapped, sum.heapFiles = others, heaps+m.heapFiles()
	return &sum
}
