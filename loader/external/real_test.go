package external

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/load"
)

// counting starts a server of HTTP/1.1 and h2c that counts its requests.
func counting(t *testing.T) (url string, served *atomic.Uint64) {
	t.Helper()
	served = new(atomic.Uint64)
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		served.Add(1)
		_, _ = w.Write([]byte("hello"))
	})
	mux.HandleFunc("/redirect", func(w http.ResponseWriter, r *http.Request) {
		served.Add(1)
		http.Redirect(w, r, "/", http.StatusFound)
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Handler: mux, Protocols: &protocols}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return "http://" + listener.Addr().String(), served
}

// unlessMissing returns the path of a load tool. Where there is none the test is skipped, or fails if
// LEAKLAB_REQUIRE_SERVERS is set and the tool is not optional.
func unlessMissing(t *testing.T, tool string, optional bool) string {
	t.Helper()
	path, err := exec.LookPath(tool)
	if err != nil && (optional || os.Getenv("LEAKLAB_REQUIRE_SERVERS") == "") {
		t.Skip(tool + " is not installed")
	}
	require.NoError(t, err)
	return path
}

const k6Script = `import http from 'k6/http';
export const options = { vus: 2, iterations: 40, thresholds: { http_reqs: ['count>10'] } };
export default function () { http.get(__ENV.URL) }
`

func TestRealToolsAreCountedAsTheServerCounts(t *testing.T) {
	script := filepath.Join(t.TempDir(), "script.js")
	require.NoError(t, os.WriteFile(script, []byte(k6Script), 0o600))
	t.Setenv("HOME", t.TempDir()) // siege writes its settings there
	t.Setenv("K6_NO_USAGE_REPORT", "true")
	for _, line := range []string{
		"ab -n 100 -c 5 URL/", "ab -k -n 100 -c 5 URL/redirect",
		"h2load -n 100 -c 5 -m 4 URL/", "h2load --h1 -n 100 -c 5 URL/", "h2load -D 1 -c 5 -m 4 URL/",
		"siege -q -b -c 5 -r 20 URL/", "siege -q -b -c 5 -r 20 URL/redirect",
		"httperf --server HOST --port PORT --num-conns 10 --num-calls 10 --uri /",
		"bombardier -c 5 -n 100 URL/", "bombardier -c 5 -n 100 -o json URL/",
		"hey -n 100 -c 5 URL/", "hey -n 100 -c 5 -o csv URL/",
		"vegeta attack -targets TARGETS -rate 200 -duration 200ms -output RESULTS",
		"autocannon -c 5 -a 100 -j URL/", "autocannon -c 5 -d 1 -j --warmup [ -c 2 -d 1 ] URL/",
		"loadtest -n 100 -c 5 URL/", "loadtest -n 100 -c 5 -k URL/redirect",
		"fortio load -n 40 -c 4 -qps 0 URL/", "fortio load -t 200ms -c 4 -qps 100 URL/", "fortio load -quiet -t 200ms -c 4 -qps 100 -json - URL/",
		"k6 run --quiet -e URL=URL/ SCRIPT", "k6 run --quiet --summary-mode=full -e URL=URL/redirect SCRIPT",
	} {
		t.Run(line, func(t *testing.T) {
			url, served := counting(t)
			host, port, err := net.SplitHostPort(strings.TrimPrefix(url, "http://"))
			require.NoError(t, err)
			targets, results := filepath.Join(t.TempDir(), "targets"), filepath.Join(t.TempDir(), "results")
			require.NoError(t, os.WriteFile(targets, []byte("GET "+url+"/\n"), 0o600))
			words := strings.Fields(line)
			tool := unlessMissing(t, words[0], words[0] == "k6" || words[0] == "fortio")
			filled := strings.NewReplacer("=URL", "="+url, "URL/", url+"/", "HOST", host, "PORT", port, "SCRIPT", script, "TARGETS", targets, "RESULTS", results)
			for n, word := range words {
				words[n] = filled.Replace(word)
			}
			words[0] = tool
			if strings.HasPrefix(line, "vegeta") { // its report is a second program
				words = append([]string{"sh", "-c", `"$@" && vegeta report "$0"`, results}, words...)
			}
			c, printed := command(t, words...)
			result, err := c.Run(t.Context(), 1, load.NewMeter())
			require.NoError(t, err, printed())
			require.False(t, result.Uncounted, printed())
			// What is in flight when the time of a tool is over may end with its connection, unseen by the server.
			inFlight := map[string]uint64{"h2load -D": 20, "autocannon -c 5 -d": 7}
			most := uint64(0)
			for tool, n := range inFlight {
				if strings.HasPrefix(line, tool) {
					most = n
				}
			}
			assert.Eventually(t, func() bool {
				n := served.Load()
				return n <= result.Requests && n+most >= result.Requests
			}, time.Minute, 10*time.Millisecond, "%d served, %d counted, of %s", served.Load(), result.Requests, printed())
			assert.Positive(t, result.Requests)
			assert.False(t, result.Partial)
			assert.Empty(t, result.Notes)
		})
	}
}

func TestRealToolsWhoseCountIsPartial(t *testing.T) {
	url, served := counting(t)
	c, printed := command(t, unlessMissing(t, "h2load", false), "-D", "1", "--warm-up-time", "1", "-c", "2", url+"/")
	result, err := c.Run(t.Context(), 1, load.NewMeter())
	require.NoError(t, err, printed())
	assert.True(t, result.Partial)
	assert.NotEmpty(t, result.Notes)
	assert.Less(t, result.Requests, served.Load())
}
