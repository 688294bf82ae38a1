package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func get(t *testing.T, handler http.Handler, path string) (int, string) {
	t.Helper()
	server := httptest.NewServer(handler)
	defer server.Close()
	resp, err := http.Get(server.URL + path)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(body)
}

func TestHello(t *testing.T) {
	handler := newHandler(config{Leak: "none"}, prometheus.NewRegistry())
	for path, want := range map[string]struct {
		code int
		body string
	}{
		"/hello/warp":      {200, "Hello, warp!"},
		"/hello/J%C3%BCrg": {200, "Hello, Jürg!"},
		"/hello/":          {404, "404 page not found\n"},
		"/debug/pprof/":    {404, "404 page not found\n"}, // these are on the other port
		"/metrics":         {404, "404 page not found\n"},
	} {
		code, body := get(t, handler, path)
		assert.Equal(t, want.code, code, path)
		assert.Equal(t, want.body, body, path)
	}
}

func TestAdminPort(t *testing.T) {
	registry := newRegistry()
	newHandler(config{Leak: "map", LeakBytes: 7}, registry)
	admin := newAdminHandler(registry)

	code, metrics := get(t, admin, "/metrics")
	assert.Equal(t, 200, code)
	assert.Contains(t, metrics, `leaklab_demo_info{leak="map",leak_bytes="7"} 1`)
	assert.Contains(t, metrics, "\ngo_goroutines ")

	for _, path := range []string{"/healthz", "/debug/pprof/", "/debug/pprof/heap?debug=1", "/debug/pprof/goroutine?debug=1"} {
		code, _ := get(t, admin, path)
		assert.Equal(t, 200, code, path)
	}
}

func TestRequestsAreCounted(t *testing.T) {
	registry := newRegistry()
	handler := counted(newHandler(config{Leak: "none"}, registry), registry)
	get(t, handler, "/hello/warp")
	get(t, handler, "/missing")
	_, metrics := get(t, newAdminHandler(registry), "/metrics")
	assert.Contains(t, metrics, "\nhttp_requests_total 2\n")

	own := prometheus.NewCounter(prometheus.CounterOpts{Name: "http_requests_total"})
	registry = newRegistry()
	registry.MustRegister(own)
	get(t, counted(http.NotFoundHandler(), registry), "/")
	_, metrics = get(t, newAdminHandler(registry), "/metrics")
	assert.Contains(t, metrics, "\nhttp_requests_total 0\n", "a handler's own counter is not touched")
}

func TestConfigDefaults(t *testing.T) {
	cfg, err := parseConfig(map[string]string{"LEAK": ""})
	require.NoError(t, err)
	assert.Equal(t, config{Host: "127.0.0.1", Port: 3030, MetricsPort: 9101, Protocol: "http1", Leak: "heap", LeakBytes: 64, LeakTTL: leakTTL(10 * time.Second), LeakEntries: 32768}, cfg)
}

func TestConfigReportsAllThatIsWrong(t *testing.T) {
	_, err := parseConfig(map[string]string{"PORT": "0", "METRICS_PORT": "70000", "LEAK": "Heap", "LEAK_BYTES": "64k", "LEAK_TTL": "0s", "LEAK_ENTRIES": "0", "PROTOCOL": "h3"})
	assert.EqualError(t, err, `PORT="0": expected a port number from 1 to 65535
METRICS_PORT="70000": expected a port number from 1 to 65535, or 0 for any that is free
PROTOCOL="h3": expected one of http1 https h2c h2 grpc grpcs ws wss sse
LEAK="Heap": expected one of abort, body, burst, cache, conn, expire, goroutine, heap, log, map, none, path, session, socket, stream
LEAK_BYTES="64k": expected a whole number of bytes from 0 to 262144
LEAK_TTL="0s": expected a length of time from 1ms to 1h, for example "10s"
LEAK_ENTRIES="0": expected a whole number of entries from 1 to 10000000`)
	_, err = parseConfig(map[string]string{"HOST": "http://localhost", "PORT": "9101", "LEAK_BYTES": "1048576"})
	assert.EqualError(t, err, `HOST="http://localhost": expected a host name or an IP address, without a scheme or a port
LEAK_BYTES="1048576": expected a whole number of bytes from 0 to 262144
METRICS_PORT="9101": expected another port than PORT`)
}

func TestHelpNamesEverySettingAndEveryMode(t *testing.T) {
	var help strings.Builder
	require.NoError(t, writeHelp(&help))
	settings := reflect.TypeFor[config]()
	for n := range settings.NumField() {
		tag := settings.Field(n).Tag
		require.NotEmpty(t, tag.Get("help"), tag.Get("env"))
		assert.Regexp(t, `(?m)^  `+tag.Get("env")+` +`+tag.Get("envDefault")+` +`+regexp.QuoteMeta(tag.Get("help"))+`$`, help.String())
	}
	for _, m := range leakModes() {
		assert.Regexp(t, `(?m)^  `+string(m.name)+` +(yes|no) `, help.String())
	}
}

func TestLeakTable(t *testing.T) {
	var table strings.Builder
	writeLeakTable(&table)
	lines := strings.Split(strings.TrimSuffix(table.String(), "\n"), "\n")
	require.Len(t, lines, 2+len(leakModes()))
	assert.Equal(t, "| mode | leaks | what it does | found by `SHAPE` |", lines[0])
	for _, line := range lines {
		assert.Equal(t, 5, strings.Count(line, "|"), line)
	}
	assert.Contains(t, lines, "| `none` | no | keeps nothing | |")
	assert.Contains(t, lines, "| `path` | yes | keeps the bytes for each distinct path | `unique` |")
}

func TestArguments(t *testing.T) {
	printed := func(code int, args ...string) (string, string) {
		t.Helper()
		var out, errs strings.Builder
		assert.Equal(t, code, run(args, &out, &errs), args)
		return out.String(), errs.String()
	}
	t.Setenv("PORT", "0") // settings are not read for what prints only
	help, errs := printed(0, "--help")
	assert.Contains(t, help, "Demonstrations:")
	assert.Empty(t, errs)
	modes, errs := printed(0, "leaks")
	assert.Contains(t, modes, "| `heap` | yes |")
	assert.Empty(t, errs)
	_, errs = printed(exitSettings, "healthcheck")
	assert.Contains(t, errs, `PORT="0"`)
	t.Setenv("PORT", "3030")
	for _, args := range [][]string{{"leaks", "heap"}, {"serve"}} {
		out, errs := printed(exitSettings, args...)
		assert.Empty(t, out)
		assert.Contains(t, errs, "unexpected arguments")
	}
}

func TestTheHeapIsSampledFinely(t *testing.T) {
	defer func(rate int) { runtime.MemProfileRate = rate }(runtime.MemProfileRate)
	for before, want := range map[int]int{512 << 10: heapSample, 1: 1, 0: 0, 64 << 10: 64 << 10} {
		runtime.MemProfileRate = before
		sampleHeap()
		assert.Equal(t, want, runtime.MemProfileRate)
	}
}
