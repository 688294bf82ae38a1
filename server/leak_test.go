package main

import (
	"runtime"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// liveHeap returns the bytes that the heap holds after a forced collection.
func liveHeap() int64 {
	runtime.GC()
	runtime.GC() // the second finishes the sweep that the first began
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// grow calls leak the given number of times and returns what the live heap gained, in bytes.
func grow(leak func(), times int) int64 {
	before := liveHeap()
	for range times {
		leak()
	}
	gained := liveHeap() - before
	runtime.KeepAlive(leak)
	return gained
}

const slack = 256 << 10 // what the heap may gain or lose for other reasons, in bytes

func TestRealLeaksKeepMemoryOfEveryRequest(t *testing.T) {
	const requests, size = 20_000, 100
	for mode, leaks := range map[leakMode]struct{ atLeast, atMost int64 }{
		"heap": {requests * size, requests * 2 * size}, // slice header
		"map":  {requests * size, requests * 4 * size}, // key, slice header, buckets
	} {
		t.Run(string(mode), func(t *testing.T) {
			leak := newLeak(mode, size, prometheus.NewRegistry())
			for burst := range 3 {
				gained := grow(leak, requests)
				assert.Greater(t, gained, leaks.atLeast-slack, "burst %d", burst)
				assert.Less(t, gained, leaks.atMost+slack, "burst %d", burst)
			}
		})
	}
}

func TestGoroutineLeakBlocksOneForEverPerRequest(t *testing.T) {
	const requests, size = 2_000, 100
	leak := newLeak("goroutine", size, prometheus.NewRegistry())
	before := runtime.NumGoroutine()
	gained := grow(leak, requests)
	assert.InDelta(t, requests, runtime.NumGoroutine()-before, 5)
	assert.Greater(t, gained, int64(requests*size)-slack)
	time.Sleep(10 * time.Millisecond)
	assert.InDelta(t, requests, runtime.NumGoroutine()-before, 5, "none of them ends")
}

func TestCacheFillsThenStays(t *testing.T) {
	const size = 100
	leak := newLeak("cache", size, prometheus.NewRegistry())
	filled := grow(leak, cacheEntries)
	require.Greater(t, filled, int64(cacheEntries*size))
	for range 3 {
		assert.InDelta(t, 0, grow(leak, cacheEntries), float64(filled)/4, "a full cache does not grow")
	}
}

func TestBurstUsesMuchAndKeepsNothing(t *testing.T) {
	const requests, size = 200, 64
	leak := newLeak("burst", size, prometheus.NewRegistry())
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	gained := grow(leak, requests)
	runtime.ReadMemStats(&after)
	assert.GreaterOrEqual(t, after.TotalAlloc-before.TotalAlloc, uint64(requests*size*burstFactor), "used in all")
	assert.InDelta(t, 0, gained, slack, "kept")
}

func TestNoneAndSizeZeroKeepNothing(t *testing.T) {
	for name, leak := range map[string]func(){
		"none":         newLeak("none", 64, prometheus.NewRegistry()),
		"heap, size 0": newLeak("heap", 0, prometheus.NewRegistry()),
	} {
		t.Run(name, func(t *testing.T) {
			assert.InDelta(t, 0, grow(leak, 100_000), slack)
		})
	}
}

func TestFilledIsResident(t *testing.T) {
	for _, b := range filled(3 * 4096) {
		require.NotZero(t, b, "an untouched page takes no memory")
	}
}
