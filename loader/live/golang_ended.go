package live

import (
	"context"
	"debug/buildinfo"
	"encoding/binary"
	"errors"
	"fmt"
	"go/version"
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
	// A record is believed to have so many bytes. It has goUsual with Go 1.26.
	goSmallest, goLargest = 128, 4096
	goUsual               = 480
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
	mapped, err := mappingsOf(p)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(mapped.parts, func(part mappedPart) bool { return part.offset == 0 && part.file.inRoot() == p.Exe })
	if at < 0 {
		return nil, fmt.Errorf("%s is not mapped from its start", p.Exe)
	}
	first := mapped.parts[at]
	places, err := symbol.NewFiles().Variables(p.Exe, mapped.opener(first.file), all)
	if err != nil {
		return nil, err
	}
	offset, found := places[all]
	if !found {
		return nil, fmt.Errorf("%s shows no variable %s: its symbols were removed", p.Exe, all)
	}
	records := &goRecords{pid: p.PID, all: int64(first.low + offset)}
	_, err = records.ended(0)
	return records, err
}

// errMoved is the error of a list that has grown while it was read.
var errMoved = errors.New("the list of goroutines has moved")

// ended is what the program keeps for goroutines beyond those that exist, in bytes.
func (r *goRecords) ended(exist int64) (int64, error) {
	const tries = 3
	for n := 1; ; n++ {
		bytes, err := r.read(exist)
		if !errors.Is(err, errMoved) || n == tries {
			return bytes, err
		}
	}
}

func (r *goRecords) read(exist int64) (int64, error) {
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
		return 0, errMoved
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

// goThreads are the threads of a program that run Go code. The runtime keeps some of the heap for each (allocm of proc.go), and
// ends few of them.
type goThreads struct {
	each    int64 // bytes that are kept for one
	first   int64 // how many there were at the first reading; 0 before
	more    int64 // since then, or less if it is negative; goThreadNoise at most
	unknown bool  // the program does not show them
}

// of sets what the program keeps for a thread: its m, of 2 KiB, and two records of goroutines. Since Go 1.23 it has two buffers
// for stacks of 135 addresses as well (mProfStackInit of proc.go).
func (t *goThreads) of(p process, records *goRecords) {
	const m, buffer = 2048, 1152
	record := int64(goUsual)
	if records != nil {
		record = records.size
	}
	t.each = m + 2*record + 2*buffer
	if info, err := buildinfo.ReadFile(kernel.Path(p.PID, "exe")); err == nil && version.Compare(info.GoVersion, "go1.23") < 0 && version.IsValid(info.GoVersion) {
		t.each -= 2 * buffer
	}
}

// count asks for the profile of threads. What was known stays if that fails.
func (t *goThreads) count(ctx context.Context, g *goProgram) {
	if t.unknown {
		return
	}
	_, count, err := g.goroutinesOf(ctx, "threadcreate", goStacksTimeout, true)
	switch {
	case err != nil:
		t.unknown = t.first == 0
	case t.first == 0:
		t.first = count
	default:
		t.more = min(max(count-t.first, -goThreadNoise), goThreadNoise)
	}
}

// bytes is what the program keeps for the threads that have come since the first reading, to goThreadNoise.
func (t *goThreads) bytes() int64 { return t.more * t.each }
