// Package memory reads the resident memory of a server from outside. Sources are its process tree in /proc, its control
// group and its Prometheus endpoint. It knows neither how the server was started nor what load it is under.
package memory

import (
	"context"
	"errors"
	"time"
)

// Reading is the resident memory of a server at one moment, in bytes, summed over its process tree. Other figures that
// are visible from outside come with it. ReadAll alone sets the fields that are marked "complete readings only".
type Reading struct {
	Total int64
	// Parts splits Total by kind of memory; nil where the system does not.
	Parts *Parts
	// Proportional is true if a page that several processes share counts once; false if it counts for each of them.
	Proportional bool

	Processes int // in the sum; 0 if unknown
	Threads   int // of all processes; 0 if unknown
	OpenFiles int // descriptors of all processes, sockets included; 0 if unknown

	// Held is what the kernel tells of the processes' mappings; nil where it cannot be read. Complete readings only.
	Held *Held
	// Cgroup is what the kernel charges to the server's control group; nil if other processes share that group. Complete
	// readings only.
	Cgroup *Cgroup
	// Members are the processes in the sum; nil if it is not known which of them listen. Complete readings only.
	Members []Member
	// CPU is the processor time that the processes have used since they started, with their children that have ended; 0 if
	// unknown. Complete readings only.
	CPU time.Duration
	// Lost grows whenever CPU may lack processor time that the processes have used: by each of them that has ended, and by 1
	// for a reading in which one ignores SIGCHLD, as then its ended children are not added to it. Complete readings only.
	Lost int
	// LiveHeap is the live heap after the last garbage collection; 0 if unknown. Complete readings only.
	LiveHeap int64
	// HeapInUse is what the server's metric HeapMetric tells of its heap, with garbage that was not collected yet; 0 if it
	// has none, or if LiveHeap is known. Complete readings only.
	HeapInUse  int64
	HeapMetric string
	// Requests is the number of requests answered since the server started, by its metric RequestsCounter; "" if it has
	// none. Complete readings only.
	Requests        uint64
	RequestsCounter string
}

// MostPrograms bounds how many processes of a server are watched for a change of their program, since each takes an open
// file.
const MostPrograms = 16

// Member is a process of a server.
type Member struct {
	PID     int
	Started uint64    // clock ticks since the boot of the machine
	Layout  [3]uint64 // addresses that most kernels draw anew at each execve; 0 if they are not seen
	Execs   int       // how often it was seen to have replaced its program since its first reading; 0 of all but MostPrograms
	Program string    // path, or the name if the path may not be seen
	Listens bool      // holds a socket that listens on the server's port, or on any if none listens on that
	// CPU is the processor time that it has used, without its children; 0 if unknown.
	CPU time.Duration
	// Own is the memory that it holds for itself, in bytes; 0 if unknown. It is read of the processes that run a program
	// that listens, if there are several.
	Own int64
}

// Is is true if both are the same process, and it is not seen to have replaced its program (execve) in between.
func (m Member) Is(other Member) bool {
	unseen := [3]uint64{}
	return m.PID == other.PID && m.Started == other.Started && m.Execs == other.Execs &&
		(m.Layout == other.Layout || m.Layout == unseen || other.Layout == unseen)
}

// HeldBytes is held memory: Total, and what is held beside resident memory as far as that is known.
func (r Reading) HeldBytes() int64 {
	if r.Held == nil {
		return r.Total
	}
	return r.Total + r.Held.Swapped - r.Held.LazyFree + r.Held.HugeTLB + r.Held.Unmapped
}

// Parts of resident memory, in bytes.
type Parts struct {
	Anonymous int64 // heaps, stacks, private mappings; also a runtime's heap that is a file in memory
	File      int64 // pages of files: the program itself, its libraries, mapped files
	Shared    int64 // shared memory, tmpfs
}

// Held is what resident memory does not tell of what a server holds, in bytes, summed over its processes.
type Held struct {
	Swapped   int64 // out of RAM, into swap
	LazyFree  int64 // resident, but given back: the kernel takes it when it needs to (MADV_FREE)
	HugePages int64 // of the anonymous memory, what is in huge pages (AnonHugePages)
	HugeTLB   int64 // in pages of hugetlbfs, which are in no process's resident memory
	// Unmapped is what files in memory hold beyond the pages of them that are mapped: memfd, tmpfs and hugetlbfs. The kernel
	// cannot take it back while a file exists. It counts the files that the processes have open, but not their standard
	// streams, which whoever started them may have redirected there. If a control group that was there at the first reading
	// shows more, that counts.
	Unmapped int64
	// heapFiles is what files in memory hold that are a runtime's heap, mapped or not.
	heapFiles int64
	// MappedSize is the size of the mapped files and shared segments: the most that their pages can take. One that several
	// processes map counts once.
	MappedSize int64
	// Mappings are the mapped files and shared segments with the most resident pages.
	Mappings []Mapping
	Count    int // mappings of all kinds, of the process that has most
}

// Mapping is a file or a shared segment that is mapped.
type Mapping struct {
	Name     string // path, as the process sees it
	Shared   bool   // a segment of shared memory, not a file
	Size     int64  // bytes that are mapped
	Resident int64  // bytes of them in RAM
}

// Cgroup is the memory of a control group, in bytes. Unlike resident memory it includes the page cache of files that the
// group reads and writes, and kernel memory.
type Cgroup struct {
	Anonymous int64
	File      int64 // page cache, mapped or not, without Shared
	Shared    int64 // shared memory and tmpfs, mapped or not
	Socket    int64 // socket buffers; always 0 in version 1, which does not report them
}

// Reader takes one reading. Its error wraps ErrGone when the server has ended.
type Reader func(context.Context) (Reading, error)

// completeKey marks the context of a complete reading.
type completeKey struct{}

// completely is the context for a Reader to take a complete reading.
func completely(ctx context.Context) context.Context {
	return context.WithValue(ctx, completeKey{}, true)
}

// isComplete reports if a complete reading is asked for.
func isComplete(ctx context.Context) bool { return ctx.Value(completeKey{}) != nil }

// ErrGone is the error when the server process does not exist.
var ErrGone = errors.New("the server process is gone")
