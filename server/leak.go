package main

import (
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	cacheEntries = 1 << 15 // what the bounded cache holds when it is full
	burstFactor  = 1 << 12 // a burst uses this many times LEAK_BYTES: 256 KiB at the default of 64
)

// leakModes are the demonstrations, by the value of LEAK. Each makes the function that is called once a
// request, from many goroutines at a time, given the size in bytes. A size of 0 keeps nothing in heap, log and
// burst, and only the bookkeeping in the others.
var leakModes = map[leakMode]func(size int) leak{
	"none":      func(int) leak { return func(http.ResponseWriter, *http.Request) {} },
	"heap":      always(leakHeap),
	"log":       always(leakLog),
	"map":       always(leakMap),
	"goroutine": always(leakGoroutine),
	"cache":     always(fillCache),
	"burst":     always(useAndFree),
	"conn":      leakConnection,
	"abort":     leakAborted,
	"body":      leakBody,
	"path":      leakPath,
}

// leak is what a demonstration does in a request, before it is answered.
type leak func(http.ResponseWriter, *http.Request)

// always leaks in each request, whatever it is.
func always(mode func(size int) func()) func(size int) leak {
	return func(size int) leak {
		do := mode(size)
		return func(http.ResponseWriter, *http.Request) { do() }
	}
}

func leakModeNames() []string {
	names := make([]string, 0, len(leakModes))
	for mode := range maps.Keys(leakModes) {
		names = append(names, string(mode))
	}
	slices.Sort(names)
	return names
}

// newLeak returns the demonstration that mode names and says in the metrics that it is active.
func newLeak(mode leakMode, size int, metrics prometheus.Registerer) leak {
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "leaklab_demo_info",
		Help:        "Always 1; the labels name the demonstration leak that the server under test runs.",
		ConstLabels: prometheus.Labels{"leak": string(mode), "leak_bytes": strconv.Itoa(size)},
	})
	info.Set(1)
	metrics.MustRegister(info)
	return leakModes[mode](size)
}

// filled returns size bytes that are resident: a page that was never written to takes no memory.
func filled(size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i) | 1
	}
	return b
}

// leakHeap keeps a reference to size new bytes: size plus a slice header of 24 bytes a request. The references
// are kept in blocks: one slice of all of them would be copied whenever it grows, which takes more memory than
// what leaks.
func leakHeap(size int) func() {
	const blockLength = 1024
	var mu sync.Mutex
	var blocks [][][]byte
	return func() {
		if size == 0 {
			return
		}
		b := filled(size)
		mu.Lock()
		defer mu.Unlock()
		if n := len(blocks); n == 0 || len(blocks[n-1]) == blockLength {
			blocks = append(blocks, make([][]byte, 0, blockLength))
		}
		last := &blocks[len(blocks)-1]
		*last = append(*last, b)
	}
}

// leakLog appends size bytes to a log in memory that nobody reads. It keeps no more than that: the log grows by
// blocks, and an entry goes on in the next one where the last is full.
func leakLog(size int) func() {
	const blockLength = 64 << 10
	entry := filled(size)
	var mu sync.Mutex
	var blocks [][]byte
	return func() {
		mu.Lock()
		defer mu.Unlock()
		for rest := entry; len(rest) > 0; {
			if n := len(blocks); n == 0 || len(blocks[n-1]) == blockLength {
				blocks = append(blocks, make([]byte, 0, blockLength))
			}
			last := &blocks[len(blocks)-1]
			fitting := min(len(rest), blockLength-len(*last))
			*last = append(*last, rest[:fitting]...)
			rest = rest[fitting:]
		}
	}
}

// leakMap adds a key a request, as for a session that nobody ends, and never deletes one.
func leakMap(size int) func() {
	var mu sync.Mutex
	sessions := make(map[uint64][]byte)
	var next uint64
	return func() {
		b := filled(size)
		mu.Lock()
		defer mu.Unlock()
		sessions[next] = b
		next++
	}
}

// leakGoroutine starts a goroutine a request that waits for ever and holds size bytes: with its stack,
// at least 2 KiB a request.
func leakGoroutine(size int) func() {
	never := make(chan []byte)
	return func() {
		b := filled(size)
		go func() { never <- b }()
	}
}

// fillCache is no leak: it stores size bytes a request up to cacheEntries, then each replaces the oldest.
func fillCache(size int) func() {
	var mu sync.Mutex
	entries := make(map[uint64][]byte)
	var next uint64
	return func() {
		b := filled(size)
		mu.Lock()
		defer mu.Unlock()
		delete(entries, next-cacheEntries)
		entries[next] = b
		next++
	}
}

// useAndFree is no leak: it uses burstFactor times size bytes and drops them before the request ends.
func useAndFree(size int) func() {
	return func() { filled(size * burstFactor) }
}

// The following leak off the beaten track only: a load of plain requests on connections that stay does not see them.

// connectionKey is where the context of a request has its *connection.
type connectionKey struct{}

// connection is what the server knows of a client's connection.
type connection struct{ greeted atomic.Bool }

// withConnection is an http.Server's ConnContext.
func withConnection(ctx context.Context, _ net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, new(connection))
}

// leakConnection keeps size bytes for each connection, and forgets to let go when it closes.
func leakConnection(size int) leak {
	keep := leakHeap(size)
	return func(_ http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(connectionKey{}).(*connection); ok && !c.greeted.Swap(true) {
			keep()
		}
	}
}

// answering is how long the first bytes of an answer are ahead of the rest in LEAK=abort.
const answering = 5 * time.Millisecond

// leakAborted sends the first bytes of the answer, and keeps size bytes if the client goes away before the rest.
func leakAborted(size int) leak {
	keep := leakHeap(size)
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then the server notices that the client is gone
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		select {
		case <-r.Context().Done():
			keep()
		case <-time.After(answering):
		}
	}
}

// leakBody keeps size bytes for each request whose body it does not read to the end.
func leakBody(size int) leak {
	const enough = 1024
	keep := leakHeap(size)
	return func(_ http.ResponseWriter, r *http.Request) {
		if n, _ := io.CopyN(io.Discard, r.Body, enough); n == enough {
			keep()
		}
	}
}

// leakPath keeps size bytes for each distinct path, as a cache or a metric's label without a bound does.
func leakPath(size int) leak {
	var mu sync.Mutex
	seen := make(map[string][]byte)
	return func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if _, known := seen[r.URL.Path]; !known {
			seen[r.URL.Path] = filled(size)
		}
	}
}
