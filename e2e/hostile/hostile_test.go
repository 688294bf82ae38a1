package hostile

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/e2e/internal/lab"
)

// mostMemory is what the loader may take, whatever the server does, in bytes.
const mostMemory = 64 << 20

// peaks is the most memory that loaders took.
type peaks struct {
	mu      sync.Mutex
	highest int64
	in      string
}

// add fails when the loader of a test took more than it may.
func (p *peaks) add(t *testing.T, bytes int64) {
	if runtime.GOOS != "linux" {
		return
	}
	assert.Positive(t, bytes)
	assert.Less(t, bytes, int64(mostMemory))
	p.mu.Lock()
	defer p.mu.Unlock()
	if bytes > p.highest {
		p.highest, p.in = bytes, t.Name()
	}
}

func (p *peaks) log(t *testing.T) {
	t.Logf("the loader took at most %.1f MiB, in %s", float64(p.highest)/(1<<20), p.in)
}

// measured is a loader that has ended.
type measured struct {
	results, out, err string
	code              int
	peak              int64 // the most resident memory that it took, in bytes; 0 where that is not known
}

// measure runs the loader on a server that command starts, and kills it after a minute.
func measure(t *testing.T, settings []string, command ...string) measured {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ports := lab.FreePorts(t, 2)
	m := measured{results: filepath.Join(t.TempDir(), "results")}
	loader := exec.CommandContext(ctx, lab.Loader, append([]string{"--"}, command...)...)
	loader.Env = append(os.Environ(), "PORT="+ports[0], "METRICS_PORT="+ports[1], "RESULTS="+m.results,
		"TRIES=1", "SETTLE=50ms", "RELEASE=0", "WORKERS=100", "DURATION=200ms")
	loader.Env = append(loader.Env, settings...)
	var stdout, stderr bytes.Buffer
	loader.Stdout, loader.Stderr = &stdout, &stderr
	require.NoError(t, loader.Start())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = loader.Wait()
	}()
	for over := false; !over; {
		select {
		case <-ended:
			over = true
		case <-time.After(5 * time.Millisecond):
			m.peak = max(m.peak, peakOf(loader.Process.Pid))
		}
	}
	m.out, m.err, m.code = stdout.String(), stderr.String(), loader.ProcessState.ExitCode()
	return m
}

var highWater = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// peakOf is the most resident memory that a process has taken so far, in bytes; 0 if that is not known.
func peakOf(pid int) int64 {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	match := highWater.FindSubmatch(status)
	if match == nil {
		return 0
	}
	kilobytes, _ := strconv.ParseInt(string(match[1]), 10, 64)
	return kilobytes << 10
}

func TestTheLoaderSurvivesHostileServers(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	columns := map[string]int{"connect": lab.ColumnErrorsConnect, "timeout": lab.ColumnErrorsConnect + 1, "reset": lab.ColumnErrorsConnect + 2, "bad_response": lab.ColumnErrorsConnect + 3}
	const short = 500 * time.Millisecond // TIMEOUT where that is what ends a request
	var most peaks
	t.Cleanup(func() { most.log(t) })
	tried := make(map[string]bool)
	for _, test := range []struct {
		server  string
		reasons string // why there is no answer; empty if there is one
		shape   string // keepalive if empty
	}{
		{server: "endless body", reasons: "timeout"},
		{server: "endless body", reasons: "timeout", shape: "churn"},
		{server: "endless body without a length", reasons: "timeout"},
		{server: "endless chunks", reasons: "timeout"},
		{server: "endless header", reasons: "bad_response"},
		{server: "endless status line", reasons: "bad_response"},
		{server: "endless line ends", reasons: "bad_response"},
		{server: "endless interim answers", reasons: "bad_response"},
		{server: "endless chunk extension", reasons: "bad_response"},
		{server: "endless trailer", reasons: "bad_response"},
		{server: "header line of 1 GiB", reasons: "bad_response"},
		{server: "gzip bomb"},
		{server: "not HTTP", reasons: "bad_response"},
		{server: "length too long", reasons: "timeout"},
		{server: "length too long, closed", reasons: "reset"},
		{server: "length too short", reasons: "bad_response"},
		{server: "length below zero", reasons: "bad_response"},
		{server: "several lengths", reasons: "bad_response"},
		{server: "a body that may not be", reasons: "bad_response"},
		{server: "header by a byte a second", reasons: "timeout"},
		{server: "body by a byte a second", reasons: "timeout"},
		{server: "answers before it was asked", reasons: "bad_response"},
		{server: "half-closed", reasons: "reset"},
		{server: "half-closed in its answer", reasons: "reset"},

		{server: "ws: endless message", reasons: "timeout bad_response"},
		{server: "ws: endless message", reasons: "timeout bad_response", shape: "churn"},
		{server: "ws: endless fragments", reasons: "timeout bad_response"},
		{server: "ws: endless empty fragments", reasons: "bad_response"},
		{server: "ws: endless pings", reasons: "bad_response"},
		{server: "ws: endless handshake", reasons: "bad_response"},
		{server: "ws: frame that may not be", reasons: "bad_response"},
		{server: "ws: silent", reasons: "timeout"},
		{server: "ws: closes at once", reasons: "reset"},
		{server: "sse: endless line", reasons: "timeout bad_response"},
		{server: "sse: endless line", reasons: "timeout", shape: "slow"},
		{server: "sse: endless event", reasons: "timeout bad_response"},
		{server: "sse: endless comments", reasons: "timeout bad_response"},
		{server: "sse: no event", reasons: "bad_response"},
		{server: "sse: another type", reasons: "bad_response"},
		{server: "sse: header line of 1 GiB", reasons: "bad_response"},

		{server: "h2: endless header block", reasons: "bad_response"},
		{server: "h2: header field of 1 GiB", reasons: "bad_response"},
		{server: "h2: endless interim answers", reasons: "bad_response"},
		{server: "h2: endless body", reasons: "timeout"},
		{server: "h2: endless body beyond the window", reasons: "timeout bad_response"},
		{server: "h2: endless body beyond the window", reasons: "timeout bad_response", shape: "slow"},
		{server: "h2: endless pings", reasons: "timeout"},
		{server: "h2: endless settings", reasons: "timeout"},
		{server: "h2: endless resets", reasons: "timeout reset"},
		{server: "h2: endless windows of a byte", reasons: "timeout"},
		{server: "h2: windows that open and shut", reasons: "timeout"},
		{server: "h2: windows that open and shut", reasons: "timeout", shape: "upload"},
		{server: "h2: window too large", reasons: "bad_response"},
		{server: "h2: window of nothing", reasons: "bad_response"},
		{server: "h2: endless empty data", reasons: "timeout"},
		{server: "h2: endless empty continuations", reasons: "bad_response"},
		{server: "h2: endless unknown frames", reasons: "timeout"},
		{server: "h2: leaves at once", reasons: "reset"},
		{server: "h2: refuses", reasons: "reset"},
		{server: "h2: header bomb"},
		{server: "h2: gzip bomb"},
		{server: "h2: HTTP/1.1", reasons: "bad_response"},
		{server: "h2: half-closed", reasons: "reset"},
		{server: "h2: never reads", reasons: "timeout"},
	} {
		tried[test.server] = true
		t.Run(strings.TrimSpace(test.server+" "+test.shape), func(t *testing.T) {
			t.Parallel()
			settings := []string{"PROTOCOL=http1", "SHAPE=" + test.shape}
			switch protocol, _, found := strings.Cut(test.server, ": "); {
			case protocol == "h2":
				settings[0] = "PROTOCOL=h2c"
			case found:
				settings = append(settings, "PROTOCOL="+protocol, "READY_PATH=/")
			}
			timeout := 30 * time.Second
			if strings.HasPrefix(test.reasons, "timeout") {
				timeout = short
				test.reasons += " connect" // on a slow machine that may take as long
			}
			m := measure(t, append(settings, "TIMEOUT="+timeout.String()), self, "hostile", test.server)
			assert.Equal(t, 125, m.code, m.err)
			answered := test.reasons == ""
			if answered {
				assert.Empty(t, m.err)
			} else {
				assert.Regexp(t, `^loader: iteration 1 of 1: none of its \d+ requests was answered\n$`, m.err)
			}
			rows := lab.RowsIn(t, lab.Newest(t, m.results, 1))
			require.Len(t, rows, 1)
			assert.Less(t, lab.Number(t, rows[0], lab.ColumnDuration), (200*time.Millisecond + timeout + 5*time.Second).Seconds())
			var expected float64
			for _, reason := range strings.Fields(test.reasons) {
				expected += lab.Number(t, rows[0], columns[reason])
			}
			assert.Equal(t, expected, lab.Number(t, rows[0], lab.ColumnErrors), "no other errors: %v", rows[0])
			assert.Equal(t, answered, expected == 0, "errors: %v", rows[0])
			assert.Equal(t, answered, lab.Number(t, rows[0], lab.ColumnRequests) > 0, "answers: %v", rows[0])
			most.add(t, m.peak)
		})
	}
	assert.Len(t, tried, len(hostile), "every server is tried")
}

// The endpoints of a server that tell of itself are not to be trusted more than the server is.
func TestTheLoaderSurvivesHostileEndpoints(t *testing.T) {
	pages := map[string]struct {
		header, first, rest string
		pause               time.Duration
	}{
		"/other/metrics":  {rest: strings.Repeat("other{a=\"b\"} 1\n", 1000)},
		"/asked/metrics":  {rest: strings.Repeat("http_requests_total{a=\"b\"} 1\n", 1000)},
		"/line/metrics":   {first: "go_threads ", rest: strings.Repeat("1", 10_000)},
		"/header/metrics": {header: strings.Repeat("x", 2<<20)},
		"/drip/metrics":   {rest: "#", pause: time.Second},
		"/bomb/metrics":   {header: "gzip", rest: packed(1)},
		"/random/heap":    {rest: page},
		"/bomb/heap":      {rest: packed(1)},
		"/packed/heap":    {header: "gzip", rest: packed(1)},
	}
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page, found := pages[r.URL.Path]
		if !found {
			http.NotFound(w, r)
			return
		}
		switch page.header {
		case "":
		case "gzip":
			w.Header().Set("Content-Encoding", "gzip")
		default:
			w.Header().Set("X-A", page.header)
		}
		for _, err := io.WriteString(w, page.first); err == nil && page.rest != ""; _, err = io.WriteString(w, page.rest) {
			_ = http.NewResponseController(w).Flush()
			time.Sleep(page.pause)
		}
	}))
	t.Cleanup(endpoint.Close)
	t.Cleanup(endpoint.CloseClientConnections)
	var most peaks
	t.Cleanup(func() { most.log(t) })
	for path := range pages {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			settings, want := []string{"REQUESTS=500", "WORKERS=10", "METRICS_URL=" + endpoint.URL + path}, ""
			if folder, profiles := strings.CutSuffix(path, "heap"); profiles {
				settings, want = append(settings[:2], "PPROF_URL="+endpoint.URL+folder), "loader: no profiles: "
			}
			begin := time.Now()
			m := measure(t, settings, "env", "METRICS_PORT="+lab.FreePorts(t, 1)[0], "LEAK=none", lab.Server)
			assert.Less(t, time.Since(begin), 30*time.Second)
			assert.Equal(t, 125, m.code, m.err)
			assert.True(t, strings.HasPrefix(m.err, want), m.err)
			rows := lab.RowsIn(t, lab.Newest(t, m.results, 1))
			require.Len(t, rows, 1)
			assert.EqualValues(t, 500, lab.Number(t, rows[0], lab.ColumnRequests))
			assert.Zero(t, lab.Number(t, rows[0], lab.ColumnErrors))
			most.add(t, m.peak)
		})
	}
}
