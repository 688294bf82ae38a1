package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const burstFactor = 1 << 12 // a burst uses this many times LEAK_BYTES: 256 KiB at the default of 64

// leakModes returns all demonstrations, in the order in which they are listed. A size of 0 keeps nothing in heap, log
// and burst, and only the bookkeeping in the others.
func leakModes() []mode {
	return []mode{
		{"none", false, "keeps nothing", "", "", func(amounts) leak { return each(func() {}) }},
		{"heap", true, "keeps a reference to `LEAK_BYTES` new bytes of each request", "keepalive", "", always(leakHeap)},
		{"log", true, "appends the bytes to a log in memory, and keeps nothing else", "keepalive", "", always(leakLog)},
		{"map", true, "adds a key to a map and never deletes it", "keepalive", "", always(leakMap)},
		{"goroutine", true, "starts a goroutine that never ends: at least 2 KiB", "keepalive", "", always(leakGoroutine)},
		{"cache", false, "fills a cache of `LEAK_ENTRIES`, then replaces the oldest", "", "", func(a amounts) leak { return each(fillCache(a.size, a.entries)) }},
		{"expire", false, "keeps the bytes of each request for `LEAK_TTL`, then frees them: a shorter run cannot tell it from a leak", "", "", func(a amounts) leak { return each(keepFor(a.size, a.ttl)) }},
		{"burst", false, fmt.Sprintf("uses %d times `LEAK_BYTES` and frees them before the response", burstFactor), "", "", always(useAndFree)},
		{"conn", true, "keeps the bytes for each connection, also after it is closed", "churn", "", sized(leakConnection)},
		{"abort", true, "keeps the bytes if the client disconnects before the end of the response", "abort", "", sized(leakAborted)},
		{"body", true, "keeps the bytes if the request has a body of 1 KiB or more", "upload", "", sized(leakBody)},
		{"path", true, "keeps the bytes for each distinct path", "unique", "", sized(leakPath)},
		{"session", true, "keeps the bytes of each request on its connection, and frees them when it closes", "keepalive", "", sized(leakSession)},
		{"stream", true, "keeps the bytes for each event stream, or call of gRPC, that its client leaves before its end", "churn", "sse", sized(leakStream)},
		{"socket", true, "keeps the bytes for each message of a WebSocket", "keepalive", "ws", sized(leakSocket)},
	}
}

// filled returns size bytes that are resident: a page that was never written to takes no memory.
func filled(size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i) | 1
	}
	return b
}

// leakHeap keeps a reference to size new bytes: size plus a slice header of 24 bytes per request. The references are
// kept in blocks. A single slice would be copied whenever it grows, which takes more memory than the leak.
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

// leakLog appends size bytes to a log in memory that is never read. It keeps nothing else: the log grows by blocks, and
// an entry continues in the next block where the last is full.
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

// leakMap adds a key per request, like a session that never expires, and deletes none.
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

// leakGoroutine starts a goroutine per request that blocks forever and holds size bytes: with its stack, at least 2 KiB
// per request.
func leakGoroutine(size int) func() {
	never := make(chan []byte)
	return func() {
		b := filled(size)
		go func() { never <- b }()
	}
}

// fillCache is no leak: it stores size bytes per request up to that many entries, then each replaces the oldest.
func fillCache(size, capacity int) func() {
	var mu sync.Mutex
	entries := make(map[uint64][]byte)
	var next uint64
	return func() {
		b := filled(size)
		mu.Lock()
		defer mu.Unlock()
		delete(entries, next-uint64(capacity))
		entries[next] = b
		next++
	}
}

// keepFor is no leak: it keeps size bytes per request for ttl, or up to a twentieth longer, and then frees them, whether
// requests go on or not. What is kept in such a twentieth is a batch that is freed as a whole.
func keepFor(size int, ttl time.Duration) func() {
	const batches = 20
	type batch struct{ kept [][]byte }
	var mu sync.Mutex
	var filling *batch
	begin := func() *batch {
		b := new(batch)
		time.AfterFunc(ttl/batches, func() {
			mu.Lock()
			defer mu.Unlock()
			filling = nil
			time.AfterFunc(ttl, func() { b.kept = nil }) // until then the timer alone refers to it
		})
		return b
	}
	return func() {
		bytes := filled(size)
		mu.Lock()
		defer mu.Unlock()
		if filling == nil {
			filling = begin()
		}
		filling.kept = append(filling.kept, bytes)
	}
}

// useAndFree is no leak: it uses burstFactor times size bytes and drops them before the request ends.
func useAndFree(size int) func() {
	return func() { filled(size * burstFactor) }
}

// The following leak only on paths that plain keep-alive load doesn't exercise.

// connectionKey is the key of the *connection in a request's context.
type connectionKey struct{}

// connection is the state of a client's connection. It is freed when the connection closes.
type connection struct {
	greeted atomic.Bool

	mu   sync.Mutex // guards kept: over HTTP/2, requests of a connection overlap
	kept [][]byte
}

// withConnection is an http.Server's ConnContext.
func withConnection(ctx context.Context, _ net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, new(connection))
}

// leakConnection keeps size bytes for each connection, and does not release them when it closes.
func leakConnection(size int) leak {
	keep := leakHeap(size)
	return func(_ http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(connectionKey{}).(*connection); ok && !c.greeted.Swap(true) {
			keep()
		}
	}
}

// leakSession keeps size bytes for each request on its connection, like a session that only ends with its client.
func leakSession(size int) leak {
	return func(_ http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(connectionKey{}).(*connection); ok {
			b := filled(size)
			c.mu.Lock()
			defer c.mu.Unlock()
			c.kept = append(c.kept, b)
		}
	}
}

// abortWindow is the time between the header and the rest of a response in LEAK=abort.
const abortWindow = 5 * time.Millisecond

// leakAborted sends the header, and keeps size bytes if the client disconnects before the rest of the response.
func leakAborted(size int) leak {
	keep := leakHeap(size)
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // net/http notices a disconnect only after the body is read
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		select {
		case <-r.Context().Done():
			keep()
		case <-time.After(abortWindow):
		}
	}
}

// leakBody keeps size bytes for each request with a body of 1 KiB or more, which it does not read to the end.
func leakBody(size int) leak {
	const most = 1024
	keep := leakHeap(size)
	return func(_ http.ResponseWriter, r *http.Request) {
		if n, _ := io.CopyN(io.Discard, r.Body, most); n == most {
			keep()
		}
	}
}

// leakPath keeps size bytes for each distinct path, like an unbounded cache or a metric label of unbounded cardinality.
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

// leakStream keeps size bytes for each stream that its client leaves, like a subscriber that is never removed.
func leakStream(size int) leak {
	keep := leakHeap(size)
	return func(_ http.ResponseWriter, r *http.Request) {
		if s, ok := r.Context().Value(streamKey{}).(*stream); ok {
			s.leave = keep
		}
	}
}

// leakSocket keeps size bytes for each message of a WebSocket, like a history of a chat.
func leakSocket(size int) leak {
	keep := leakHeap(size)
	return func(_ http.ResponseWriter, r *http.Request) {
		if asksForWebSocket(r) {
			keep()
		}
	}
}
