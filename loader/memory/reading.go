// Package memory reads the resident memory of a server from outside. It knows neither how the server was
// started nor what load it is under.
package memory

import (
	"context"
	"errors"
)

// Reading is the resident memory of a server at one moment, in bytes, summed over its process tree.
type Reading struct {
	Total int64
	// Parts splits Total by what the memory holds; nil where the system does not tell.
	Parts *Parts
	// Processes is the number of processes that were summed; 0 when that is not known.
	Processes int
}

// Parts of resident memory, in bytes.
type Parts struct {
	Anonymous int64 // heaps, stacks, private mappings
	File      int64 // pages of files: the program itself, its libraries, mapped files
	Shared    int64 // shared memory, tmpfs
}

// Reader takes one reading. It returns an error that wraps ErrGone when the server is no longer there.
type Reader func(context.Context) (Reading, error)

// ErrGone says that there is no such server process (any more).
var ErrGone = errors.New("the server process is gone")
