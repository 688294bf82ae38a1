package memory

import "time"

// Live is what the programs of a server still hold after a full collection, in bytes, summed over the processes whose
// runtime tells it.
type Live struct {
	Bytes int64 // live
	// Heap is the memory that the runtimes keep for their heaps, live or not, as far as it is in RAM: what is held beyond
	// it is outside the heap. 0 if it is not known. A page that several processes share counts in part.
	Heap int64
	// Shared is the part of Heap that is in shared memory, as the heap of ZGC is.
	Shared int64
	// Outside is what the processes hold outside of Heap after the collection: anonymous memory and what is swapped out,
	// less what was lazily freed. It includes that of processes whose runtime does not tell. Negative if it is not known.
	Outside int64
	// Committed is what the runtimes have committed for their heaps, in RAM or not.
	Committed int64
	// Limit is the lowest limit that a runtime sets for the heap of one process, such as -Xmx; its Bytes are 0 if there is
	// none.
	Limit Limit
	// Buffers is the part of Outside that BuffersLimit bounds in one process, such as the direct buffers of a JVM; the
	// lowest limit of several processes. Both are 0 if there is none, or if it is not known.
	Buffers      int64
	BuffersLimit Limit
	// Stopped is how long the server stood still for it, at most.
	Stopped time.Duration
	// Forced names how the collection was forced, such as "GC.class_histogram".
	Forced    string
	Processes int // in the sum
	// Sites are what Bytes belong to, as far as the runtimes tell it with every reading; each once, the largest first. Nil if
	// none tells it.
	Sites []Site
}
