package live

import (
	"encoding/binary"
	"io"
	"os"
	"strings"

	"github.com/prometheus/procfs"

	"leaklab/loader/kernel"
)

const (
	// arenaHeapAlign is the alignment and the most that a heap of an arena of glibc's malloc takes: HEAP_MAX_SIZE on
	// machines with 64 bits (malloc/arena.c).
	arenaHeapAlign = 64 << 20
	// arenaHeapHead is the part of the head of a heap that is read: its arena, the heap before it, its size, and how much
	// of it may be written (struct heap_info; the order is the same from glibc 2.4 to 2.42).
	arenaHeapHead = 4 * 8
)

// mallocArenas is what the arenas of glibc's malloc take in a process, in bytes: all that they have from the kernel, and
// what of it is in RAM or swapped out. Blocks that malloc maps one by one are not in arenas. Both are 0 without glibc.
func mallocArenas(pid int) (size, resident int64, err error) {
	process, err := procfs.NewProc(pid)
	if err != nil {
		return 0, 0, err
	}
	mappings, err := process.ProcMaps()
	if err != nil {
		return 0, 0, err
	}
	memory, err := os.Open(kernel.Path(pid, "mem"))
	if err != nil {
		return 0, 0, err
	}
	defer memory.Close()
	var all []addressRange
	for _, m := range mappings {
		within := addressRange{low: uint64(m.StartAddr), high: uint64(m.EndAddr)}
		switch {
		case !m.Perms.Write || !m.Perms.Private:
		case m.Pathname == "[heap]": // the first arena's
			all = append(all, within)
			size += int64(within.high - within.low)
		case m.Pathname == "" || strings.HasPrefix(m.Pathname, "[anon:"):
			for low := (within.low + arenaHeapAlign - 1) / arenaHeapAlign * arenaHeapAlign; low < within.high; low += arenaHeapAlign {
				if used, mapped := arenaHeap(memory, low); used > 0 && low+mapped <= within.high {
					all = append(all, addressRange{low: low, high: low + mapped})
					size += int64(used)
				}
			}
		}
	}
	pages, err := pagesOf(pid, all)
	return size, pages.held, err
}

// arenaHeap reads how much a heap of an arena takes, and how much of it may be written; 0 if there is none at the address.
func arenaHeap(memory io.ReaderAt, low uint64) (used, mapped uint64) {
	head := make([]byte, arenaHeapHead)
	if _, err := memory.ReadAt(head, int64(low)); err != nil {
		return 0, 0
	}
	arena, before := binary.NativeEndian.Uint64(head), binary.NativeEndian.Uint64(head[8:])
	used, mapped = binary.NativeEndian.Uint64(head[16:]), binary.NativeEndian.Uint64(head[24:])
	page := uint64(os.Getpagesize())
	first := arena-low < arenaHeapAlign && before == 0 // an arena lies in the first of its heaps
	later := before != 0 && before%arenaHeapAlign == 0 && arena%16 == 0
	if !first && !later || used == 0 || used%page != 0 || mapped%page != 0 || used > mapped || mapped > arenaHeapAlign {
		return 0, 0
	}
	return used, mapped
}
