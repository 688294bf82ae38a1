package memory

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
)

// mappingsKept is how many mapped files and segments a reading names.
const mappingsKept = 16

// heapFile is in the name of the memory file that ZGC has its heap in, which is no file that fills up to its size.
const heapFile = "java_heap"

// held returns a function that adds what /proc/PID/smaps tells of the processes that OfTree reads to a reading. It adds
// nothing if that of one process may not be read.
func held(root int, adopted ...func() []int) func(context.Context, *Reading) {
	processes := Processes(root, adopted...)
	return func(_ context.Context, reading *Reading) {
		pids, err := processes()
		if err != nil {
			return
		}
		sum := mappings{of: make(map[string]*Mapping)}
		for _, pid := range pids {
			if err := sum.add(pid); err != nil && !isGone(err) {
				return
			}
		}
		reading.Held = sum.held()
	}
}

// AnonymousOf is the anonymous memory of a process, and what of it is swapped out, less what was lazily freed, in bytes. A
// page that several processes share counts in equal shares. The error wraps ErrGone if the process has ended.
func AnonymousOf(pid int) (int64, error) {
	text, err := os.ReadFile(filepath.Join(procfs.DefaultMountPoint, strconv.Itoa(pid), "smaps_rollup"))
	if isGone(err) {
		return 0, fmt.Errorf("process %d: %w", pid, ErrGone)
	}
	if err != nil {
		return 0, err
	}
	parts, err := parseRollup(text)
	if err != nil {
		return 0, err
	}
	sum := parts.Anonymous
	for line := range bytes.Lines(text) {
		switch name, value, _ := figure(line); name {
		case "SwapPss":
			sum += value
		case "LazyFree":
			sum -= value
		}
	}
	return sum, nil
}

// mappings are those of the processes read so far.
type mappings struct {
	sum Held
	of  map[string]*Mapping // by device and inode
}

// add reads the mappings of a process.
func (m *mappings) add(pid int) error {
	file, err := os.Open(filepath.Join(procfs.DefaultMountPoint, strconv.Itoa(pid), "smaps"))
	if err != nil {
		return err
	}
	defer file.Close()
	return m.parse(file)
}

// parse reads smaps: for each mapping a line "7f00-7f80 r--s 00000000 00:01 42 /path", then lines "Swap:  4 kB". Of a file
// or a segment that several processes map, the largest size counts.
func (m *mappings) parse(smaps io.Reader) error {
	own := make(map[string]*Mapping)
	var current *Mapping
	count := 0
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
			m.take(current, key, value)
		} else if mapping, id, isHeader := header(line); isHeader {
			count++
			if current = mapping; mapping != nil {
				if own[id] == nil {
					own[id] = &Mapping{Name: mapping.Name, Shared: mapping.Shared}
				}
				own[id].Size += mapping.Size
				current = own[id]
			}
		}
		if err != nil {
			break
		}
	}
	for id, mapping := range own {
		if known := m.of[id]; known != nil {
			mapping.Size = max(mapping.Size, known.Size)
			mapping.Resident = max(mapping.Resident, known.Resident)
		}
		m.of[id] = mapping
	}
	m.sum.Count = max(m.sum.Count, count)
	return nil
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

// header reads the first line of a mapping; the mapping is nil if it is of no file, and no segment.
func header(line []byte) (mapping *Mapping, id string, ok bool) {
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
	if fields[4] == "0" || bytes.Contains(line, []byte(heapFile)) {
		return nil, "", true
	}
	mapping = &Mapping{Size: int64(to - from), Name: strings.Join(fields[5:], " ")}
	for _, shared := range []string{"/SYSV", "/dev/zero", "/dev/shm/", "/memfd:"} {
		mapping.Shared = mapping.Shared || strings.HasPrefix(mapping.Name, shared)
	}
	return mapping, fields[3] + " " + fields[4], true
}

// take adds a figure of a mapping, which is nil for anonymous memory.
func (m *mappings) take(mapping *Mapping, name string, value int64) {
	switch {
	case name == "SwapPss":
		m.sum.Swapped += value
	case name == "LazyFree":
		m.sum.LazyFree += value
	case name == "AnonHugePages":
		m.sum.HugePages += value
	case name == "Rss" && mapping != nil:
		mapping.Resident += value
	}
}

// held sums up.
func (m *mappings) held() *Held {
	sum := m.sum
	for _, mapping := range m.of {
		sum.MappedSize += mapping.Size
		sum.Mappings = append(sum.Mappings, *mapping)
	}
	slices.SortFunc(sum.Mappings, func(a, b Mapping) int {
		return cmp.Or(cmp.Compare(b.Resident, a.Resident), cmp.Compare(a.Name, b.Name))
	})
	sum.Mappings = slices.Clip(sum.Mappings[:min(len(sum.Mappings), mappingsKept)])
	return &sum
}
