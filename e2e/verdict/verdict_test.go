package verdict

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/e2e/internal/lab"
)

func TestALeakIsSeenAndNoLeakIsNot(t *testing.T) {
	lab.Quiet(t)
	const tries, warmUp = 8, 3
	requests, size := 5000, 1024
	if lab.Long() {
		requests, size = 20_000, 256
	}
	settings := []string{"TRIES=" + strconv.Itoa(tries), "REQUESTS=" + strconv.Itoa(requests), "LEAK_BYTES=" + strconv.Itoa(size)}
	judged := float64((tries - warmUp) * requests)

	leaking := lab.Start(t, append(settings, "LEAK=heap"))
	code := leaking.ExitCode()
	assert.Equal(t, lab.VerdictCode(t, leaking.Out.String()), code)
	assert.NotEqual(t, 0, code, "never no leak")
	rows := leaking.Rows(t)
	require.Len(t, rows, tries)
	for _, row := range rows {
		assert.EqualValues(t, requests, lab.Number(t, row, lab.ColumnRequests))
	}
	assert.Greater(t, lab.LeakedBytes(t, rows, 0), 0.8*float64(tries*requests*size))

	clean := lab.Start(t, append(settings, "LEAK=none"))
	code = clean.ExitCode()
	assert.Equal(t, lab.VerdictCode(t, clean.Out.String()), code)
	assert.NotEqual(t, 1, code, "never leak")
	assert.Less(t, lab.LeakedBytes(t, clean.Rows(t), warmUp)/judged, 0.25*float64(size), "bytes a request")
}

func TestAutoGoesOnUntilDecided(t *testing.T) {
	lab.Quiet(t)
	r := lab.Start(t, []string{"TRIES=auto", "MAX_TRIES=30", "REQUESTS=20000", "LEAK=none", "TOLERANCE=100"})
	assert.Equal(t, 0, r.ExitCode(), "%s%s", &r.Out, &r.Err)
	assert.Contains(t, r.Out.String(), "as many iterations as it takes, at most 30,")
	rows := r.Rows(t)
	assert.GreaterOrEqual(t, len(rows), 5)
	assert.Less(t, len(rows), 30)
}

// write writes a table to a file of a test.
func write(t *testing.T, table string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "run.csv")
	require.NoError(t, os.WriteFile(path, []byte(table), 0o600))
	return path
}

// judge judges a recorded run, with a setting.
func judge(t *testing.T, table, setting string) (output string, code int) {
	t.Helper()
	loader := exec.Command(lab.Loader, "verdict", table)
	loader.Env = append(os.Environ(), setting)
	printed, err := loader.CombinedOutput()
	if err != nil {
		require.ErrorAs(t, err, new(*exec.ExitError))
	}
	return string(printed), loader.ProcessState.ExitCode()
}

func TestRecordedRunIsJudged(t *testing.T) {
	t.Parallel()
	var steady, flat strings.Builder
	steady.WriteString("iteration,requests,rss_start_bytes,rss_end_bytes\n")
	flat.WriteString("iteration,requests,rss_start_bytes,rss_end_bytes\n")
	for n := range 12 {
		fmt.Fprintf(&steady, "%d,100000,%d,%d\n", n+1, 20_000_000+n*10_000_000, 20_000_000+(n+1)*10_000_000)
		fmt.Fprintf(&flat, "%d,100000,20000000,20000000\n", n+1)
	}
	for _, test := range []struct {
		name, table, verdict string
		code                 int
		settings             string
	}{
		{"leak", steady.String(), "leak", 1, ""},
		{"tolerated", steady.String(), "no leak", 0, "TOLERANCE=200"},
		{"no leak", flat.String(), "no leak", 0, ""},
		{"too few", strings.Join(strings.SplitAfter(flat.String(), "\n")[:4], ""), "inconclusive", 125, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			output, code := judge(t, write(t, test.table), test.settings)
			assert.Equal(t, test.code, code)
			lab.AssertVerdict(t, test.verdict, output)
		})
	}
	output, code := judge(t, write(t, "iteration,requests\n"), "")
	assert.Equal(t, 2, code)
	assert.Contains(t, output, `:1:1: column "rss_start_bytes" is missing`)
	output, code = judge(t, "/does/not/exist.csv", "")
	assert.Equal(t, 2, code)
	assert.Contains(t, output, "/does/not/exist.csv")
}

// A recorded run with live memory is judged by that: resident memory of these tables goes up and down by 20 MB.
func TestRecordedRunIsJudgedByLiveMemory(t *testing.T) {
	t.Parallel()
	table := func(live, outside int) string {
		var b strings.Builder
		b.WriteString("iteration,requests,rss_start_bytes,rss_end_bytes,live_end_bytes,outside_end_bytes\n")
		for n := range 12 {
			fmt.Fprintf(&b, "%d,3000,50000000,%d,%d,%d\n", n+1, 60_000_000+n*7%5*5_000_000, 4_000_000+n*live, 30_000_000+n*outside)
		}
		return b.String()
	}
	for _, test := range []struct {
		name, table, verdict string
		code                 int
		says                 string
	}{
		{"live", table(312_000, 0), "leak", 1, "live memory +104 bytes/request"},
		{"outside", table(0, 3_000_000), "leak", 1, "memory outside the heap +1,000 bytes/request"},
		{"clean", table(0, 0), "no leak", 0, "live memory 0 bytes/request"},
		{"a gap at the end", table(312_000, 0) + "13,3000,50000000,60000000,,\n", "inconclusive", 125, "Live memory could not be read after iteration 13"},
	} {
		t.Run(test.name, func(t *testing.T) {
			output, code := judge(t, write(t, test.table), "TOLERANCE=4")
			assert.Equal(t, test.code, code, output)
			lab.AssertVerdict(t, test.verdict, output)
			assert.Contains(t, lab.Words(output), test.says)
		})
	}
}

// Descriptors that are never closed are named, though they take no memory of the process.
func TestOpenFilesAreNamed(t *testing.T) {
	t.Parallel()
	python := lab.Need(t, "python3")
	script := `
import http.server, os
kept = []
class Hello(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        kept.append(os.open("/dev/null", os.O_RDONLY))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Hello).serve_forever()
`
	r := lab.Start(t, []string{"TRIES=6", "REQUESTS=100", "WORKERS=2", "REQUEST_PATH=/"}, python, "-c", script)
	r.ExitCode()
	text := lab.Words(r.Out.String())
	assert.Contains(t, text, "Open files and connections grow by 1,000 per 1,000 requests: they are not closed.", "%s", &r.Err)

	// The recorded run is judged the same.
	again, code := judge(t, filepath.Join(r.Folder(t), "iterations.csv"), "")
	assert.Equal(t, r.ProcessState.ExitCode(), code)
	assert.Contains(t, lab.Words(again), "Open files and connections grow by 1,000 per 1,000 requests")
}

// Memory that grows with time is no matter of the requests.
func TestGrowthWithTimeIsNamed(t *testing.T) {
	python := lab.Need(t, "python3")
	script := `
import http.server, os, threading, time
kept = []
def job():
    while True:
        time.sleep(0.01)
        kept.append(os.urandom(20_000))
class Hello(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_): pass
threading.Thread(target=job, daemon=True).start()
http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Hello).serve_forever()
`
	for _, live := range []string{"off", "python"} {
		t.Run(live, func(t *testing.T) {
			r := lab.Start(t, []string{"TRIES=6", "DURATION=200ms", "WORKERS=2", "REQUEST_PATH=/", "SETTLE=300ms", "RELEASE=1s", "LIVE=" + live}, python, "-c", script)
			r.ExitCode()
			assert.Contains(t, lab.Words(r.Out.String()), " grows with time, not with requests: without load by ", "%s", &r.Err)
		})
	}
}

// The samples of a run stand for the run, and alone for its iterations.
func TestSamplesAreJudged(t *testing.T) {
	r := lab.Start(t, []string{"TRIES=6", "REQUESTS=2000", "LEAK=heap", "LEAK_BYTES=4096", "LIVE=off"})
	r.ExitCode()
	folder := r.Folder(t)
	whole, code := judge(t, filepath.Join(folder, "iterations.csv"), "")
	again, codeAgain := judge(t, filepath.Join(folder, "samples.csv"), "")
	assert.Equal(t, code, codeAgain)
	assert.NotContains(t, whole, "with time", "it leaks with requests")
	assert.Contains(t, lab.Words(again), "samples.csv holds no requests: iterations.csv beside it was judged.")
	assert.Equal(t, lab.Words(whole), strings.Replace(lab.Words(again), "samples.csv holds no requests: iterations.csv beside it was judged. ", "", 1))

	alone := filepath.Join(t.TempDir(), "samples.csv")
	content, err := os.ReadFile(filepath.Join(folder, "samples.csv"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(alone, content, 0o600))
	printed, _ := judge(t, alone, "")
	assert.Contains(t, printed, "bytes/iteration")
	assert.Contains(t, lab.Words(printed), "The number of requests is unknown. The growth, and TOLERANCE, are in bytes per iteration.")
}

func TestImplausibleTablesAreRefused(t *testing.T) {
	t.Parallel()
	var kilobytes strings.Builder
	kilobytes.WriteString("iteration,requests,rss_start_bytes,rss_end_bytes\n")
	for n := range 12 {
		fmt.Fprintf(&kilobytes, "%d,100000,%d,%d\n", n+1, 50_000+n*400, 50_000+(n+1)*400)
	}
	output, code := judge(t, write(t, kilobytes.String()), "")
	assert.Equal(t, 2, code)
	assert.Contains(t, output, "run.csv:2:10: rss_start_bytes is 50,000 bytes, less than any server takes: is it in KiB or MiB?")
}
