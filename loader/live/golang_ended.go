package live

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"leaklab/loader/kernel"
	"leaklab/loader/symbol"
)

const (
	goPointer = 8       // bytes of a pointer, and of an int
	goMostAll = 1 << 24 // records of goroutines that are believed
	// goFewest and goLooked are how many records are looked at for the size of one. A program has some from its start.
	goFewest, goLooked = 4, 512
	// A record is believed to have so many bytes. It has 480 with Go 1.26.
	goSmallest, goLargest = 128, 4096
)

// goRecords are what a Go program keeps of its goroutines: each has a record in the heap, the g of runtime2.go, and the slice
// allgs has them all. Neither is ever freed: the record of a goroutine that has ended is for the next one. So live memory
// grows with the most goroutines that there were at a time, of each processor, in steps that become rare
// (findings/go-ended-goroutines.sh). They are read in the memory of the process.
type goRecords struct {
	pid  int
	all  int64 // the address of the slice allgs
	size int64 // of a record, in bytes; 0 before it is known
}

// openGoRecords fails if the program has no symbols, or its memory may not be read.
func openGoRecords(p process) (*goRecords, error) {
	const all = "runtime.allgs"
	open := func(string) (*os.File, error) { return os.Open(kernel.Path(p.PID, "exe")) }
	places, err := symbol.NewFiles().Variables(p.Exe, open, all)
	if err != nil {
		return nil, err
	}
	offset, found := places[all]
	if !found {
		return nil, fmt.Errorf("%s shows no variable %s: its symbols were removed", p.Exe, all)
	}
	mapped, err := mappingsOf(p)
	if err != nil {
		return nil, err
	}
	first := slices.IndexFunc(mapped.parts, func(part mappedPart) bool { return part.offset == 0 && part.file.inRoot() == p.Exe })
	if first < 0 {
		return nil, fmt.Errorf("%s is not mapped from its start", p.Exe)
	}
	records := &goRecords{pid: p.PID, all: int64(mapped.parts[first].low + offset)}
	_, err = records.ended(0)
	return records, err
}

// ended is what the program keeps for goroutines beyond those that exist, in bytes.
func (r *goRecords) ended(exist int64) (int64, error) {
	mem, err := os.Open(kernel.Path(r.pid, "mem"))
	if err != nil {
		return 0, err
	}
	defer mem.Close()
	header, err := words(mem, r.all, 3)
	if err != nil {
		return 0, err
	}
	at, length, capacity := header[0], int64(header[1]), int64(header[2])
	if length < goFewest || capacity < length || capacity > goMostAll {
		return 0, fmt.Errorf("a list of %d goroutines with room for %d", length, capacity)
	}
	records, err := words(mem, int64(at), min(int(length), goLooked))
	if err != nil {
		return 0, err
	}
	again, err := words(mem, r.all, 3)
	if err != nil {
		return 0, err
	}
	if !slices.Equal(header, again) {
		return 0, errors.New("the list of goroutines has moved")
	}
	if err := r.measure(records); err != nil {
		return 0, err
	}
	return max(0, length-exist)*r.size + max(0, capacity-exist)*goPointer, nil
}

// measure sets the size of a record by the addresses of several: the heap has objects of one size in a row.
func (r *goRecords) measure(records []uint64) error {
	slices.Sort(records)
	least := int64(goLargest + 1)
	for n := range len(records) - 1 {
		least = min(least, int64(records[n+1]-records[n]))
	}
	if least < goSmallest || least > goLargest {
		return errors.New("the records of goroutines are not where they were expected")
	}
	if r.size == 0 || least < r.size {
		r.size = least
	}
	return nil
}

// words reads numbers of 8 bytes.
func words(from io.ReaderAt, at int64, count int) ([]uint64, error) {
	all := make([]uint64, count)
	err := binary.Read(io.NewSectionReader(from, at, int64(count)*goPointer), binary.NativeEndian, all)
	return all, err
}
