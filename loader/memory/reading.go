// Package memory reads the resident memory of a server from outside. It knows neither how the server was
// started nor what load it is under.
package memory

import (
	"context"
	"errors"
)

// Reading is the resident memory of a server at one moment, in bytes, summed over its process tree, and what else
// can be seen of it from outside.
type Reading struct {
	Total int64
	// Parts splits Total by what the memory holds; nil where the system does not tell.
	Parts *Parts
	// Proportional is true if a page that several processes share is counted once, in equal shares (PSS), false if
	// it is counted for each of them (RSS).
	Proportional bool

	Processes int // that were summed; 0 when that is not known
	Threads   int // of all processes; 0 when that is not known
	OpenFiles int // descriptors of all processes, sockets included; 0 when that is not known

	// Cgroup is what the kernel charges to the server's own control group; nil if it has none of its own, or in a
	// reading that is not a complete one.
	Cgroup *Cgroup
	// LiveHeap is what the last garbage collection found to be in use; 0 when that is not known, or in a reading
	// that is not a complete one.
	LiveHeap int64
	// Requests are those that the server says it has answered since it started, with the name of its counter; the
	// name is empty if it does not say so, or in a reading that is not a complete one.
	Requests        uint64
	RequestsCounter string
}

// Parts of resident memory, in bytes.
type Parts struct {
	Anonymous int64 // heaps, stacks, private mappings
	File      int64 // pages of files: the program itself, its libraries, mapped files
	Shared    int64 // shared memory, tmpfs
}

// Cgroup is the memory of a control group, in bytes. It holds what resident memory does not: the page cache of the
// files that the group reads and writes, and what the kernel keeps for it.
type Cgroup struct {
	Anonymous int64
	File      int64 // page cache, mapped or not
	Socket    int64 // buffers of sockets; always 0 in version 1, which does not tell
}

// Reader takes one reading. It returns an error that wraps ErrGone when the server is no longer there.
type Reader func(context.Context) (Reading, error)

// ErrGone says that there is no such server process (any more).
var ErrGone = errors.New("the server process is gone")
