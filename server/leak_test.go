package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
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
func grow(leak leak, times int) int64 {
	before := liveHeap()
	for range times {
		leak(nil, nil) // these leak whatever the request is
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

// The bytes are all that it keeps, however few or many they are: that is what the smallest leak is searched with.
func TestLogKeepsTheBytesAndNothingElse(t *testing.T) {
	for _, test := range []struct{ requests, size int }{{500_000, 1}, {100_000, 8}, {10_000, 100}, {10, 200_000}} {
		t.Run(strconv.Itoa(test.size), func(t *testing.T) {
			leak := newLeak("log", test.size, prometheus.NewRegistry())
			for burst := range 2 {
				assert.InDelta(t, test.requests*test.size, grow(leak, test.requests), slack, "burst %d", burst)
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
	for name, leak := range map[string]leak{
		"none":         newLeak("none", 64, prometheus.NewRegistry()),
		"heap, size 0": newLeak("heap", 0, prometheus.NewRegistry()),
		"log, size 0":  newLeak("log", 0, prometheus.NewRegistry()),
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

// gained returns what the live heap gains by what clients do to a server with the given leak, in bytes.
func gained(t *testing.T, mode leakMode, do func(url string, client *http.Client)) int64 {
	t.Helper()
	const size = 4096
	server := httptest.NewUnstartedServer(newHandler(config{Leak: mode, LeakBytes: size}, prometheus.NewRegistry()))
	server.Config.ConnContext = withConnection
	server.Start()
	defer server.Close()
	do(server.URL, server.Client()) // the warm-up
	before := liveHeap()
	for range 3 {
		do(server.URL, server.Client())
	}
	time.Sleep(50 * time.Millisecond) // until the server has noticed
	server.Client().CloseIdleConnections()
	return (liveHeap() - before) / size
}

func ask(t *testing.T, client *http.Client, method, url string, body io.Reader) {
	request, err := http.NewRequestWithContext(t.Context(), method, url, body)
	require.NoError(t, err)
	response, err := client.Do(request)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
}

// Each leaks on its own path, and not with plain requests on a connection that stays.
func TestLeaksOffTheBeatenTrack(t *testing.T) {
	const times = 200
	plain := func(url string, client *http.Client) {
		for range times {
			ask(t, client, "GET", url+"/hello/warp", nil)
		}
	}
	paths := 0
	for mode, do := range map[leakMode]func(url string, client *http.Client){
		"conn": func(url string, client *http.Client) {
			for range times {
				ask(t, client, "GET", url+"/hello/warp", nil)
				client.CloseIdleConnections()
			}
		},
		"abort": func(url string, client *http.Client) {
			for range times {
				response, err := client.Get(url + "/hello/warp")
				require.NoError(t, err)
				require.NoError(t, response.Body.Close()) // before it is complete
			}
		},
		"body": func(url string, client *http.Client) {
			for range times {
				ask(t, client, "POST", url+"/hello/warp", strings.NewReader(strings.Repeat("x", 10_000)))
			}
		},
		"path": func(url string, client *http.Client) {
			for range times {
				paths++
				ask(t, client, "GET", url+"/hello/warp-"+strconv.Itoa(paths), nil)
			}
		},
	} {
		t.Run(string(mode), func(t *testing.T) {
			assert.InDelta(t, 3*times, gained(t, mode, do), times)
			assert.InDelta(t, 0, gained(t, mode, plain), times/2)
		})
	}
}
