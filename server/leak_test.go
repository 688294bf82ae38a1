package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// liveHeap returns the live heap in bytes, after a forced collection.
func liveHeap() int64 {
	runtime.GC()
	runtime.GC() // the second completes the sweep of the first
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// grow calls leak the given number of times and returns the growth of the live heap, in bytes.
func grow(leak leak, times int) int64 {
	before := liveHeap()
	for range times {
		leak(nil, nil) // these ignore the request
	}
	gained := liveHeap() - before
	runtime.KeepAlive(leak)
	return gained
}

const slack = 256 << 10 // growth of the heap for other reasons, in bytes

func TestRealLeaksKeepMemoryOfEveryRequest(t *testing.T) {
	const requests, size = 20_000, 100
	for mode, leaks := range map[leakMode]struct{ atLeast, atMost int64 }{
		"heap": {requests * size, requests * 2 * size}, // slice header
		"map":  {requests * size, requests * 4 * size}, // key, slice header, buckets
	} {
		t.Run(string(mode), func(t *testing.T) {
			leak := newLeak(mode, amounts{size: size}, prometheus.NewRegistry())
			for burst := range 3 {
				gained := grow(leak, requests)
				assert.Greater(t, gained, leaks.atLeast-slack, "burst %d", burst)
				assert.Less(t, gained, leaks.atMost+slack, "burst %d", burst)
			}
		})
	}
}

// It keeps the bytes and nothing else, whatever their number: the search for the smallest leak relies on it.
func TestLogKeepsTheBytesAndNothingElse(t *testing.T) {
	for _, test := range []struct{ requests, size int }{{500_000, 1}, {100_000, 8}, {10_000, 100}, {10, 200_000}} {
		t.Run(strconv.Itoa(test.size), func(t *testing.T) {
			leak := newLeak("log", amounts{size: test.size}, prometheus.NewRegistry())
			for burst := range 2 {
				assert.InDelta(t, test.requests*test.size, grow(leak, test.requests), slack, "burst %d", burst)
			}
		})
	}
}

func TestGoroutineLeakBlocksOnePerRequestForever(t *testing.T) {
	const requests, size = 2_000, 100
	leak := newLeak("goroutine", amounts{size: size}, prometheus.NewRegistry())
	before := runtime.NumGoroutine()
	gained := grow(leak, requests)
	assert.InDelta(t, requests, runtime.NumGoroutine()-before, 5)
	assert.Greater(t, gained, int64(requests*size)-slack)
	time.Sleep(10 * time.Millisecond)
	assert.InDelta(t, requests, runtime.NumGoroutine()-before, 5, "none of them ends")
}

func TestCacheFillsThenStays(t *testing.T) {
	const size, entries = 100, 1 << 15
	leak := newLeak("cache", amounts{size: size, entries: entries}, prometheus.NewRegistry())
	filled := grow(leak, entries)
	require.Greater(t, filled, int64(entries*size))
	for range 3 {
		assert.InDelta(t, 0, grow(leak, entries), float64(filled)/4, "a full cache does not grow")
	}
}

func TestWhatExpiresIsKeptForItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const requests, size, ttl = 20_000, 100, 10 * time.Second
		leak := newLeak("expire", amounts{size: size, ttl: ttl}, prometheus.NewRegistry())
		before := liveHeap()
		grow(leak, requests)
		time.Sleep(ttl - time.Millisecond)
		assert.Greater(t, liveHeap()-before, int64(requests*size))
		grow(leak, requests)
		time.Sleep(ttl / 10)
		kept := liveHeap() - before
		assert.Greater(t, kept, int64(requests*size))
		assert.Less(t, kept, int64(2*requests*size), "the first are freed, though requests went on")
		time.Sleep(ttl)
		assert.InDelta(t, 0, liveHeap()-before, slack, "all are freed without a request")
		runtime.KeepAlive(leak)
	})
}

func TestBurstUsesMuchAndKeepsNothing(t *testing.T) {
	const requests, size = 200, 64
	leak := newLeak("burst", amounts{size: size}, prometheus.NewRegistry())
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	gained := grow(leak, requests)
	runtime.ReadMemStats(&after)
	assert.GreaterOrEqual(t, after.TotalAlloc-before.TotalAlloc, uint64(requests*size*burstFactor), "used in all")
	assert.InDelta(t, 0, gained, slack, "kept")
}

func TestNoneAndSizeZeroKeepNothing(t *testing.T) {
	for name, leak := range map[string]leak{
		"none":         newLeak("none", amounts{size: 64}, prometheus.NewRegistry()),
		"heap, size 0": newLeak("heap", amounts{size: 0}, prometheus.NewRegistry()),
		"log, size 0":  newLeak("log", amounts{size: 0}, prometheus.NewRegistry()),
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

// times is how often a load does what its shape is about.
const times = 200

// gained returns the growth of the live heap of a server with the given leak, under three rounds of a load after one of
// warm-up, in multiples of the size of the leak.
func gained(t *testing.T, mode leakMode, load func(t *testing.T, url string, client *http.Client)) int64 {
	t.Helper()
	const size = 4096
	server := httptest.NewUnstartedServer(newHandler(config{Leak: mode, LeakBytes: size}, prometheus.NewRegistry()))
	server.Config.ConnContext = withConnection
	server.Start()
	defer server.Close()
	load(t, server.URL, server.Client()) // the warm-up
	before := liveHeap()
	for range 3 {
		load(t, server.URL, server.Client())
	}
	time.Sleep(50 * time.Millisecond) // until the server has noticed
	grown := liveHeap() - before
	server.Client().CloseIdleConnections()
	return grown / size
}

// What hangs on a connection is found only while it is open.
func TestASessionIsFreedWithItsConnection(t *testing.T) {
	assert.GreaterOrEqual(t, gained(t, "session", plainly), int64(2*times))
	assert.InDelta(t, 0, gained(t, "session", func(t *testing.T, url string, client *http.Client) {
		plainly(t, url, client)
		client.CloseIdleConnections()
	}), times/2)
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

// plainly sends requests that differ in nothing, on a connection that is kept alive.
func plainly(t *testing.T, url string, client *http.Client) {
	for range times {
		ask(t, client, "GET", url+"/hello/warp", nil)
	}
}

// loads are what the clients do in each shape of the loader's load: as often as times.
func loads() map[string]func(t *testing.T, url string, client *http.Client) {
	paths := 0
	return map[string]func(t *testing.T, url string, client *http.Client){
		"keepalive": plainly,
		"churn": func(t *testing.T, url string, client *http.Client) {
			for range times {
				ask(t, client, "GET", url+"/hello/warp", nil)
				client.CloseIdleConnections()
			}
		},
		"abort": func(t *testing.T, url string, client *http.Client) {
			for range times {
				response, err := client.Get(url + "/hello/warp")
				require.NoError(t, err)
				require.NoError(t, response.Body.Close()) // before it is complete
			}
		},
		"upload": func(t *testing.T, url string, client *http.Client) {
			for range times {
				ask(t, client, "POST", url+"/hello/warp", strings.NewReader(strings.Repeat("x", 10_000)))
			}
		},
		"unique": func(t *testing.T, url string, client *http.Client) {
			for range times {
				paths++
				ask(t, client, "GET", url+"/hello/warp-"+strconv.Itoa(paths), nil)
			}
		},
		"churn sse": func(t *testing.T, url string, client *http.Client) {
			for range times {
				leaveEvents(t, url+"/hello/warp", client)
			}
		},
		"keepalive ws": func(t *testing.T, url string, _ *http.Client) {
			converse(t, url+"/hello/warp", times)
		},
	}
}

// Every mode of the list leaks under the load that it names, and under plain load only if that is the one.
func TestEveryModeLeaksAsListed(t *testing.T) {
	for _, mode := range leakModes() {
		t.Run(string(mode.name), func(t *testing.T) {
			assert.Equal(t, mode.leaks, mode.shape != "", "what leaks is found by a shape, and nothing else is")
			if !mode.leaks {
				synctest.Test(t, func(t *testing.T) { assertKeepsNothing(t, mode.name) })
				return
			}
			name := strings.TrimSpace(mode.shape + " " + mode.protocol)
			load, known := loads()[name]
			require.True(t, known, "no load here is like %s", name)
			assert.GreaterOrEqual(t, gained(t, mode.name, load), int64(2*times))
			if name != "keepalive" {
				assert.InDelta(t, 0, gained(t, mode.name, plainly), times/2)
			}
		})
	}
}

// assertKeepsNothing warms a mode up by as many requests as the cache takes, or a few if each uses much, and then expects
// that none keeps its bytes, a while later.
func assertKeepsNothing(t *testing.T, name leakMode) {
	const size, requests, cacheEntries, ttl = 64, 20_000, 1 << 15, time.Second
	handler := newHandler(config{Leak: name, LeakBytes: size, LeakEntries: cacheEntries, LeakTTL: leakTTL(ttl)}, prometheus.NewRegistry())
	request := httptest.NewRequest("GET", "/hello/warp", nil)
	send := func(count int) {
		for range count {
			handler.ServeHTTP(httptest.NewRecorder(), request)
		}
	}
	warmUp, measured := cacheEntries, requests
	if name == "burst" { // of which one request that is kept would stand out
		warmUp, measured = 10, 100
	}
	send(warmUp)
	time.Sleep(2 * ttl)
	before := liveHeap()
	send(measured)
	time.Sleep(2 * ttl)
	assert.InDelta(t, 0, liveHeap()-before, slack)
	runtime.KeepAlive(handler)
}
