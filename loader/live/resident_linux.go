package live

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/prometheus/procfs"

	"leaklab/loader/kernel"
)

// residentIn returns what a process maps readably in ranges of addresses. With named it adds the mappings of a file
// java_heap, which is ZGC's heap; the error is that there is none. A page that is mapped several times counts each time, as
// in VmRSS. Pages are counted by /proc/PID/pagemap, since the kernel may show the heap and memory beside it as one mapping.
func residentIn(pid int, ranges []addressRange, named bool) (mappedPages, error) {
	process, err := procfs.NewProc(pid)
	if err != nil {
		return mappedPages{}, err
	}
	mappings, err := process.ProcMaps()
	if err != nil {
		return mappedPages{}, err
	}
	found := false
	var parts []addressRange
	for _, mapping := range mappings {
		if !mapping.Perms.Read { // reserved, without pages; a heap may reserve many gigabytes
			continue
		}
		whole := addressRange{low: uint64(mapping.StartAddr), high: uint64(mapping.EndAddr)}
		if named && strings.Contains(mapping.Pathname, "java_heap") {
			parts, found = append(parts, whole), true
			continue
		}
		for _, wanted := range ranges {
			part := addressRange{low: max(whole.low, wanted.low), high: min(whole.high, wanted.high)}
			if part.low < part.high {
				parts = append(parts, part)
			}
		}
	}
	if named && !found {
		return mappedPages{}, errors.New("no mapping of a file java_heap")
	}
	return pagesOf(pid, parts)
}

// pagesOf counts the pages of a process in ranges of addresses, which it maps.
func pagesOf(pid int, parts []addressRange) (mappedPages, error) {
	pagemap, err := os.Open(kernel.Path(pid, "pagemap"))
	if err != nil {
		return mappedPages{}, err
	}
	defer pagemap.Close()
	var sum mappedPages
	for _, part := range parts {
		held, shared, err := pagesIn(pagemap, part)
		if err != nil {
			return mappedPages{}, err
		}
		sum.mapped += int64(part.high - part.low)
		sum.held += held
		sum.shared += shared
	}
	return sum, nil
}

// pagesIn returns the bytes of a range that are in RAM or swapped out, and those of them that belong to files or shared
// memory. pagemap has 64 bits for each page of the address space.
func pagesIn(pagemap io.ReaderAt, within addressRange) (held, shared int64, err error) {
	const entry = 8 // bytes
	const heldBits, sharedBit = 1<<63 | 1<<62, 1 << 61
	size := uint64(os.Getpagesize())
	buffer := make([]byte, 64<<10)
	for page, end := within.low/size, (within.high+size-1)/size; page < end; {
		part := buffer[:min(uint64(len(buffer)), (end-page)*entry)]
		n, err := pagemap.ReadAt(part, int64(page*entry))
		if n < entry {
			return 0, 0, fmt.Errorf("pagemap ends at page %d: %w", page, err)
		}
		for i := 0; i+entry <= n; i += entry {
			bits := binary.NativeEndian.Uint64(part[i:])
			if bits&heldBits == 0 {
				continue
			}
			held += int64(size)
			if bits&sharedBit != 0 {
				shared += int64(size)
			}
		}
		page += uint64(n / entry)
	}
	return held, shared, nil
}
