package live

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/prometheus/procfs"
)

// residentIn returns how many bytes of a process are in RAM or swapped out in ranges of addresses. With named it adds the
// mappings of a file java_heap, which is ZGC's heap; the error is that there is none. A page that is mapped several times
// counts each time, as in VmRSS. Pages are counted by /proc/PID/pagemap, since a mapping that the kernel shows may join the
// heap with memory beside it.
func residentIn(pid int, ranges []addressRange, named bool) (int64, error) {
	process, err := procfs.NewProc(pid)
	if err != nil {
		return 0, err
	}
	mappings, err := process.ProcMaps()
	if err != nil {
		return 0, err
	}
	pagemap, err := os.Open(fmt.Sprintf("/proc/%d/pagemap", pid))
	if err != nil {
		return 0, err
	}
	defer pagemap.Close()
	pages, found := int64(0), false
	for _, mapping := range mappings {
		whole := addressRange{low: uint64(mapping.StartAddr), high: uint64(mapping.EndAddr)}
		if named && strings.Contains(mapping.Pathname, "java_heap") {
			n, err := pagesIn(pagemap, whole)
			if err != nil {
				return 0, err
			}
			pages, found = pages+n, true
			continue
		}
		for _, wanted := range ranges {
			n, err := pagesIn(pagemap, addressRange{low: max(whole.low, wanted.low), high: min(whole.high, wanted.high)})
			if err != nil {
				return 0, err
			}
			pages += n
		}
	}
	if named && !found {
		return 0, errors.New("no mapping of a file java_heap")
	}
	return pages * int64(os.Getpagesize()), nil
}

// pagesIn counts the pages of a range that are in RAM or swapped out. An entry of pagemap has 64 bits a page, with bit 63
// for the one and bit 62 for the other.
func pagesIn(pagemap io.ReaderAt, within addressRange) (int64, error) {
	const entry, heldBits = 8, 1<<63 | 1<<62
	size := uint64(os.Getpagesize())
	buffer, count := make([]byte, 64<<10), int64(0)
	for page, end := within.low/size, (within.high+size-1)/size; within.low < within.high && page < end; {
		part := buffer[:min(uint64(len(buffer)), (end-page)*entry)]
		n, err := pagemap.ReadAt(part, int64(page*entry))
		if n == 0 && err != nil {
			return 0, err
		}
		for i := 0; i+entry <= n; i += entry {
			if binary.NativeEndian.Uint64(part[i:])&heldBits != 0 {
				count++
			}
		}
		page += uint64(n / entry)
	}
	return count, nil
}
