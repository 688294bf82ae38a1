package e2e

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// testMe is the script that runs the lab without Docker; it builds both programs.
const testMe = "../test-me.sh"

// server and loader are what testMe has built.
const (
	server = "../.build/server"
	loader = "../.build/loader"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "hostile" {
		fmt.Fprintln(os.Stderr, serveHostile(os.Args[2]))
		os.Exit(1)
	}
	for _, what := range [][]string{{"./server", "./loader", "./e2e/faulty"}, {"-tags", "pictures", "./loader/draw"}} {
		if output, err := exec.Command("go", append([]string{"build", "-C", "..", "-buildvcs=false", "-o", ".build/"}, what...)...).CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "cannot build the lab: %v\n%s", err, output)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// portsTried is how many ports freePorts has tried.
var portsTried atomic.Int64

// freePorts returns TCP ports of the loopback interface that are not in use, each only once, since tests run at the
// same time. They are below those that the kernel hands out to clients.
func freePorts(t testing.TB, count int) []string {
	t.Helper()
	const lowest, number, apart = 10_000, 20_000, 7
	var ports []string
	for len(ports) < count {
		tried := portsTried.Add(1)
		require.Less(t, tried, int64(number), "all ports are taken")
		port := strconv.FormatInt(lowest+(int64(os.Getpid())+tried)*apart%number, 10)
		if listener, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			require.NoError(t, listener.Close())
			ports = append(ports, port)
		}
	}
	return ports
}

// lockedBuffer can be read while a process writes to it.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

// run is one run of the lab as a process.
type run struct {
	*exec.Cmd
	results string
	metrics string // the loader's METRICS_PORT
	out     lockedBuffer
	err     lockedBuffer
}

// start runs testMe with the given settings. The server is the demo server on ports of its own, or command.
func start(t testing.TB, settings []string, command ...string) *run {
	t.Helper()
	if command == nil {
		command = []string{"env", "METRICS_PORT=" + freePorts(t, 1)[0], server}
	}
	return startProgram(t, settings, append([]string{testMe}, command...)...)
}

// startUnbuilt does the same without testMe, which builds both programs once more.
func startUnbuilt(t testing.TB, settings []string, command ...string) *run {
	t.Helper()
	return startProgram(t, settings, append([]string{loader, "--"}, command...)...)
}

// startProgram starts testMe or the loader, on ports of its own.
func startProgram(t testing.TB, settings []string, words ...string) *run {
	t.Helper()
	ports := freePorts(t, 2)
	r := &run{Cmd: exec.Command(words[0], words[1:]...), results: filepath.Join(t.TempDir(), "results"), metrics: ports[1]}
	r.Env = append(os.Environ(), "PORT="+ports[0], "METRICS_PORT="+ports[1], "RESULTS="+r.results, "SETTLE=50ms", "RELEASE=0", "WORKERS=10")
	r.Env = append(r.Env, settings...)
	r.Stdout, r.Stderr = &r.out, &r.err
	r.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, r.Start())
	t.Cleanup(func() { _ = r.Process.Kill() }) // the lab's guard stops the server
	return r
}

// exitCode waits for the end of the run.
func (r *run) exitCode() int {
	_ = r.Wait()
	return r.ProcessState.ExitCode()
}

// awaitOutput waits until the run has printed text.
func (r *run) awaitOutput(t testing.TB, text string) {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Contains(r.out.String(), text) }, 5*time.Minute, 10*time.Millisecond,
		"%q in the output:\n%s%s", text, &r.out, &r.err)
}

// serverPID is the process of the server, from the settings block.
func (r *run) serverPID(t *testing.T) int {
	t.Helper()
	match := regexp.MustCompile(`Server: +process (\d+)`).FindStringSubmatch(r.out.String())
	require.NotNil(t, match, r.out.String())
	pid, err := strconv.Atoi(match[1])
	require.NoError(t, err)
	return pid
}

func assertNoServerLeft(t *testing.T, pid int) {
	t.Helper()
	assert.Eventually(t, func() bool { return syscall.Kill(-pid, 0) != nil }, time.Minute, 10*time.Millisecond, "process %d", pid)
}

// rows returns iterations.csv without its header.
func (r *run) rows(t *testing.T) [][]string {
	t.Helper()
	return rowsBelow(t, r.results)
}

// rowsBelow returns iterations.csv of the one run whose folder is in results, without its header.
func rowsBelow(t *testing.T, results string) [][]string {
	t.Helper()
	folders, err := filepath.Glob(filepath.Join(results, "*"))
	require.NoError(t, err)
	require.Len(t, folders, 1)
	return rowsIn(t, folders[0])
}

// rowsIn returns iterations.csv in the folder of a run, without its header.
func rowsIn(t *testing.T, folder string) [][]string {
	t.Helper()
	return tableIn(t, folder, "iterations.csv")
}

// tableIn returns a table of iterations, without its header.
func tableIn(t *testing.T, folder, name string) [][]string {
	t.Helper()
	file, err := os.Open(filepath.Join(folder, name))
	require.NoError(t, err)
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	require.NoError(t, err)
	require.Equal(t, "iteration,started_at,duration_seconds,requests,errors,requests_per_second,latency_p50_seconds,latency_p99_seconds,latency_max_seconds,rss_start_bytes,rss_end_bytes,rss_peak_bytes,"+
		"anonymous_end_bytes,file_end_bytes,shared_end_bytes,live_heap_end_bytes,cgroup_file_end_bytes,cgroup_socket_end_bytes,open_files,threads,processes,"+
		"latency_p90_seconds,latency_p999_seconds,errors_connect,errors_timeout,errors_reset,errors_bad_response,errors_status_4xx,errors_status_5xx,errors_other",
		strings.Join(rows[0], ","))
	return rows[1:]
}

// Columns of iterations.csv.
const (
	columnStarted       = 1
	columnDuration      = 2
	columnRequests      = 3
	columnErrors        = 4
	columnRate          = 5
	columnLatencyMax    = 8
	columnStart         = 9
	columnEnd           = 10
	columnPeak          = 11
	columnPageCache     = 16
	columnOpenFiles     = 18
	columnProcesses     = 20
	columnErrorsConnect = 23 // timeout, reset, bad_response and so on follow
)

func number(t *testing.T, row []string, column int) float64 {
	t.Helper()
	value, err := strconv.ParseFloat(row[column], 64)
	require.NoError(t, err)
	return value
}

func TestRunPrintsABlockAndARowForEachIteration(t *testing.T) {
	r := start(t, []string{"TRIES=3", "DURATION=300ms", "LEAK=none"})
	r.exitCode()
	assert.Empty(t, r.err.String())

	block := regexp.MustCompile(`===============================
Iteration: (\d) of 3
-------------------------------
Requests/sec: \d+\.\d{4}
Latency \(worst case\): \d+\.\d{4} secs
Latency \(p99\): \d+\.\d{4} secs
-------------------------------
Starting memory: (\d+) KB
Ending memory: (\d+) KB
Memory leaked: (-?\d+) KB
`)
	blocks := block.FindAllStringSubmatch(r.out.String(), -1)
	require.Len(t, blocks, 3, r.out.String())
	rows := r.rows(t)
	require.Len(t, rows, 3)
	for n, row := range rows {
		assert.Equal(t, strconv.Itoa(n+1), row[0])
		assert.Equal(t, row[0], blocks[n][1])
		started, err := time.Parse(time.RFC3339, row[1])
		require.NoError(t, err)
		assert.Equal(t, time.UTC, started.Location())
		assert.GreaterOrEqual(t, number(t, row, 2), 0.3)
		assert.Positive(t, number(t, row, columnRequests))
		assert.Zero(t, number(t, row, columnErrors))
		assert.GreaterOrEqual(t, number(t, row, columnPeak), number(t, row, columnStart))
		kilobytes := func(column int) string { return strconv.Itoa(int(number(t, row, column)) / 1024) }
		assert.Equal(t, kilobytes(columnStart), blocks[n][2])
		assert.Equal(t, kilobytes(columnEnd), blocks[n][3])
	}
	assertNoServerLeft(t, r.serverPID(t))
	log, err := filepath.Glob(filepath.Join(r.results, "*", "server.log"))
	require.NoError(t, err)
	assert.Len(t, log, 1)
}

// requestsIn is how many requests the rows have in all.
func requestsIn(t *testing.T, rows [][]string) float64 {
	t.Helper()
	var sum float64
	for _, row := range rows {
		sum += number(t, row, columnRequests)
	}
	return sum
}

// leakedBytes is what the iterations gained in all, without the first few.
func leakedBytes(t *testing.T, rows [][]string, without int) float64 {
	t.Helper()
	var sum float64
	for _, row := range rows[without:] {
		sum += number(t, row, columnEnd) - number(t, row, columnStart)
	}
	return sum
}

// verdictCode is the exit code that belongs to the verdict in the output of a run.
func verdictCode(t *testing.T, output string) int {
	t.Helper()
	match := regexp.MustCompile(`Verdict: (leak|no leak|inconclusive)\n`).FindStringSubmatch(output)
	require.NotNil(t, match, output)
	return map[string]int{"no leak": 0, "leak": 1, "inconclusive": 125}[match[1]]
}

func TestALeakIsSeenAndNoLeakIsNot(t *testing.T) {
	const tries, warmUp, requests, size = 8, 3, 20_000, 256
	settings := []string{"TRIES=" + strconv.Itoa(tries), "REQUESTS=" + strconv.Itoa(requests), "LEAK_BYTES=" + strconv.Itoa(size)}
	judged := float64((tries - warmUp) * requests)

	leaking := start(t, append(settings, "LEAK=heap"))
	code := leaking.exitCode()
	assert.Equal(t, verdictCode(t, leaking.out.String()), code)
	assert.NotEqual(t, 0, code, "never no leak")
	rows := leaking.rows(t)
	require.Len(t, rows, tries)
	for _, row := range rows {
		assert.EqualValues(t, requests, number(t, row, columnRequests))
	}
	assert.Greater(t, leakedBytes(t, rows, 0), tries*requests*size*0.8)

	clean := start(t, append(settings, "LEAK=none"))
	code = clean.exitCode()
	assert.Equal(t, verdictCode(t, clean.out.String()), code)
	assert.NotEqual(t, 1, code, "never leak")
	assert.Less(t, leakedBytes(t, clean.rows(t), warmUp)/judged, 0.25*size, "bytes a request")
}

func TestEveryModeOfTheDemoRuns(t *testing.T) {
	for _, mode := range []string{"none", "heap", "log", "map", "goroutine", "cache", "burst"} {
		t.Run(mode, func(t *testing.T) {
			r := start(t, []string{"TRIES=2", "REQUESTS=500", "LEAK=" + mode})
			r.exitCode()
			assert.Len(t, r.rows(t), 2, "%s%s", &r.out, &r.err)
		})
	}
}

func TestRecordedRunIsJudged(t *testing.T) {
	var steady, flat strings.Builder
	steady.WriteString("iteration,requests,rss_start_bytes,rss_end_bytes\n")
	flat.WriteString("iteration,requests,rss_start_bytes,rss_end_bytes\n")
	for n := range 12 {
		fmt.Fprintf(&steady, "%d,100000,%d,%d\n", n+1, 20_000_000+n*10_000_000, 20_000_000+(n+1)*10_000_000)
		fmt.Fprintf(&flat, "%d,100000,20000000,20000000\n", n+1)
	}
	for _, test := range []struct {
		name, table, out string
		code             int
		settings         string
	}{
		{"leak", steady.String(), "Verdict: leak\n", 1, ""},
		{"tolerated", steady.String(), "Verdict: no leak\n", 0, "TOLERANCE=200"},
		{"no leak", flat.String(), "Verdict: no leak\n", 0, ""},
		{"too few", strings.Join(strings.SplitAfter(flat.String(), "\n")[:4], ""), "Verdict: inconclusive\n", 125, ""},
		{"malformed", "iteration,requests\n", `:1:1: column "rss_start_bytes" is missing`, 2, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "run.csv")
			require.NoError(t, os.WriteFile(path, []byte(test.table), 0o600))
			loader := exec.Command("../.build/loader", "verdict", path)
			loader.Env = append(os.Environ(), test.settings)
			output, _ := loader.CombinedOutput()
			assert.Equal(t, test.code, loader.ProcessState.ExitCode())
			assert.Contains(t, string(output), test.out)
		})
	}
	loader := exec.Command("../.build/loader", "verdict", "/does/not/exist.csv")
	output, _ := loader.CombinedOutput()
	assert.Equal(t, 2, loader.ProcessState.ExitCode())
	assert.Contains(t, string(output), "/does/not/exist.csv")
}

func TestAutoGoesOnUntilDecided(t *testing.T) {
	r := start(t, []string{"TRIES=auto", "MAX_TRIES=30", "REQUESTS=20000", "LEAK=none", "TOLERANCE=100"})
	assert.Equal(t, 0, r.exitCode(), "%s%s", &r.out, &r.err)
	assert.Contains(t, r.out.String(), "as many iterations as it takes, at most 30,")
	rows := r.rows(t)
	assert.GreaterOrEqual(t, len(rows), 5)
	assert.Less(t, len(rows), 30)
}

func TestInterruptKeepsWhatWasMeasured(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(signal.String(), func(t *testing.T) {
			r := start(t, []string{"TRIES=10000", "DURATION=200ms"})
			r.awaitOutput(t, "Iteration: 2 of 10000")
			require.NoError(t, r.Process.Signal(signal))
			assert.Equal(t, 125, r.exitCode())
			assert.Regexp(t, `^loader: iteration \d+ of 10000: interrupted \(`+signal.String()+`\)`, r.err.String())
			assert.GreaterOrEqual(t, len(r.rows(t)), 2)
			assertNoServerLeft(t, r.serverPID(t))
		})
	}
}

func TestKilledLoaderLeavesRowsAndNoServer(t *testing.T) {
	r := start(t, []string{"TRIES=10000", "DURATION=200ms"})
	r.awaitOutput(t, "Iteration: 2 of 10000")
	require.NoError(t, r.Process.Kill())
	r.exitCode()
	assert.GreaterOrEqual(t, len(r.rows(t)), 2)
	assertNoServerLeft(t, r.serverPID(t))
}

func TestServerThatDies(t *testing.T) {
	t.Run("before it answers", func(t *testing.T) {
		r := start(t, nil, "sh", "-c", "echo no such table: users >&2; exit 3")
		assert.Equal(t, 125, r.exitCode())
		assert.Regexp(t, `^loader: the server ended by itself with exit code 3; its last output, of .*server\.log:\n  no such table: users\n$`, r.err.String())
	})
	t.Run("during the run", func(t *testing.T) {
		r := start(t, []string{"TRIES=10000", "DURATION=200ms"})
		r.awaitOutput(t, "Iteration: 1 of 10000")
		require.NoError(t, syscall.Kill(r.serverPID(t), syscall.SIGKILL))
		assert.Equal(t, 125, r.exitCode())
		assert.Regexp(t, `^loader: iteration \d+ of 10000: the server was killed by SIGKILL \(killed\); its last output`, r.err.String())
		assert.NotEmpty(t, r.rows(t))
	})
	t.Run("command that does not exist", func(t *testing.T) {
		r := start(t, nil, "/does/not/exist")
		assert.Equal(t, 125, r.exitCode())
		assert.Contains(t, r.err.String(), "cannot start the server")
	})
	t.Run("never listens", func(t *testing.T) {
		r := start(t, []string{"START_TIMEOUT=200ms"}, "sleep", "1000")
		assert.Equal(t, 125, r.exitCode())
		assert.Contains(t, r.err.String(), "the server is not ready after 200ms: no answer from http://127.0.0.1:")
	})
}

func TestNothingIsStartedOrCreatedWithBadSettings(t *testing.T) {
	marker := filepath.Join(t.TempDir(), "started")
	r := start(t, []string{"DURATION=3", "WORKERS=none", "REQUEST_PATH=hello"}, "touch", marker)
	assert.Equal(t, 2, r.exitCode())
	assert.Equal(t, `DURATION="3": missing unit, for example "3s"
WORKERS="none": expected a whole number (connections) from 1 to 50000
REQUEST_PATH="hello": expected a path that begins with "/", percent-encoded, without a host
`, r.err.String())
	assert.Empty(t, r.out.String())
	assert.NoFileExists(t, marker)
	assert.NoDirExists(t, r.results)
}

func TestPortsInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	port := strconv.Itoa(taken.Addr().(*net.TCPAddr).Port)
	for _, setting := range []string{"PORT", "METRICS_PORT"} {
		r := start(t, []string{setting + "=" + port})
		assert.Equal(t, 2, r.exitCode())
		assert.Regexp(t, fmt.Sprintf(`^%s="%s": .*process %d, ".*/e2e\.test .*", listens .*: nothing was measured\n$`, setting, port, os.Getpid()), r.err.String())
		assert.NoDirExists(t, r.results)
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{"--"}, {"server"}, {"verdict"}, {"verdict", "a.csv", "b.csv"}, {"reproduce"}, {"reproduce", "a", "b"}} {
		loader := exec.Command("../.build/loader", args...)
		output, _ := loader.CombinedOutput()
		assert.Equal(t, 2, loader.ProcessState.ExitCode(), args)
		assert.Contains(t, string(output), "usage: loader -- COMMAND ARG...")
	}
}

func TestErrorPageIsWarnedAbout(t *testing.T) {
	r := start(t, []string{"TRIES=1", "REQUESTS=10", "REQUEST_PATH=/missing"})
	r.exitCode()
	assert.Contains(t, r.err.String(), `REQUEST_PATH="/missing": the server answers 404 Not Found; you may be measuring its error page`)
	assert.Contains(t, r.out.String(), "Errors: 10 (status_4xx 10)\n")
}

// exported returns the value of a series that the loader exports now, and whether there is one.
func (r *run) exported(t testing.TB, series string) (float64, bool) {
	t.Helper()
	resp, err := http.Get("http://127.0.0.1:" + r.metrics + "/metrics")
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	_, after, found := strings.Cut("\n"+string(body), "\n"+series+" ")
	if !found {
		return 0, false
	}
	text, _, _ := strings.Cut(after, "\n")
	value, err := strconv.ParseFloat(text, 64)
	require.NoError(t, err)
	return value, true
}

func (r *run) assertExported(t testing.TB, series string) {
	t.Helper()
	_, found := r.exported(t, series)
	assert.True(t, found, series)
}

func TestLastIterationIsScrapedBeforeTheEnd(t *testing.T) {
	r := start(t, []string{"TRIES=2", "DURATION=300ms"})
	r.awaitOutput(t, "Iteration: 1 of 2")
	r.assertExported(t, `leaklab_iteration_rss_end_bytes{iteration="1"}`)
	r.awaitOutput(t, "Iteration: 2 of 2")
	time.Sleep(500 * time.Millisecond) // a scraper that comes late
	r.assertExported(t, `leaklab_iteration_rss_end_bytes{iteration="2"}`)
	r.exitCode()
}

// startDemo starts the demo server, which does not leak, without a loader.
func startDemo(t *testing.T, port, metricsPort string) *exec.Cmd {
	t.Helper()
	demo := exec.Command(server)
	demo.Env = append(os.Environ(), "PORT="+port, "METRICS_PORT="+metricsPort, "LEAK=none")
	require.NoError(t, demo.Start())
	t.Cleanup(func() { _ = demo.Process.Kill(); _ = demo.Wait() })
	return demo
}

func TestRunningServerIsMeasuredByPIDOrItsMetrics(t *testing.T) {
	ports := freePorts(t, 4)
	demo := startDemo(t, ports[0], ports[1])
	pid := "SERVER_PID=" + strconv.Itoa(demo.Process.Pid)
	url := "METRICS_URL=http://127.0.0.1:" + ports[1] + "/metrics"

	for name, test := range map[string]struct {
		settings []string
		code     int
		out, err string
	}{
		"process":               {[]string{pid}, 125, "summed over the server's process tree", ""},
		"process first":         {[]string{pid, url}, 125, fmt.Sprintf("Server:  process %d, running for ", demo.Process.Pid), ""},
		"process not visible":   {[]string{url, "SERVER_PID=4194304"}, 125, "Memory:  process_resident_memory_bytes of", ""},
		"no such process":       {[]string{"SERVER_PID=4194304"}, 125, "", `SERVER_PID="4194304": expected the process of the server`},
		"who listens":           {nil, 125, fmt.Sprintf("Server:  process %d, running for ", demo.Process.Pid), ""},
		"no process listens":    {[]string{"PORT=" + ports[3]}, 125, "", "loader: waiting for a server that listens on 127.0.0.1:" + ports[3] + "\n"},
		"not in time":           {[]string{"PORT=" + ports[3]}, 125, "", "the server is not ready after 300ms: no process listens there\n"},
		"elsewhere":             {[]string{"HOST=192.0.2.1", "ALLOW_REMOTE=true"}, 2, "", `HOST="192.0.2.1": expected an address of this machine, whose memory can be read; or a METRICS_URL`},
		"this machine, metrics": {[]string{url}, 125, fmt.Sprintf("Server:  process %d, running for ", demo.Process.Pid), ""},
		"other demo":            {[]string{pid, url, "LEAK=heap"}, 2, "", `LEAK="heap": the server is running with LEAK=none`},
	} {
		t.Run(name, func(t *testing.T) {
			loader := exec.Command("../.build/loader")
			loader.Env = append(os.Environ(), "PORT="+ports[0], "METRICS_PORT="+ports[2], "RESULTS="+t.TempDir(), "TRIES=1", "REQUESTS=100", "SETTLE=0s", "RELEASE=0", "START_TIMEOUT=300ms")
			loader.Env = append(loader.Env, test.settings...)
			var stdout, stderr bytes.Buffer
			loader.Stdout, loader.Stderr = &stdout, &stderr
			_ = loader.Run()
			assert.Equal(t, test.code, loader.ProcessState.ExitCode(), stderr.String())
			assert.Contains(t, stdout.String(), test.out)
			assert.Contains(t, stderr.String(), test.err)
		})
	}
	require.NoError(t, demo.Process.Signal(syscall.SIGTERM), "the loader does not stop what it did not start")
	require.NoError(t, demo.Wait(), "SIGTERM drains, and the exit code is 0")
}

func TestSettingsFileIsReadButDoesNotOverride(t *testing.T) {
	// A copy of the script with an .env of its own: the loader says what it has been given.
	folder := t.TempDir()
	script, err := os.ReadFile(testMe)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "test-me.sh"), script, 0o700))
	require.NoError(t, os.Mkdir(filepath.Join(folder, "bin"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "bin", "go"), []byte("#!/bin/sh\n"), 0o700))
	require.NoError(t, os.Mkdir(filepath.Join(folder, ".build"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(folder, ".build", "loader"), []byte("#!/bin/sh\nenv\necho \"arguments: $*\"\n"), 0o700))
	write := func(content string) {
		require.NoError(t, os.WriteFile(filepath.Join(folder, ".env"), []byte(content), 0o600))
	}
	output := func(environment ...string) (string, error) {
		cmd := exec.Command(filepath.Join(folder, "test-me.sh"), "my server", "--flag")
		cmd.Env = append([]string{"PATH=" + filepath.Join(folder, "bin") + ":" + os.Getenv("PATH")}, environment...)
		out, err := cmd.CombinedOutput()
		return "\n" + string(out), err
	}

	write("# comment\n\nTRIES=10\nREQUEST_PATH=/a?b=c d\nLEAK=heap")
	out, err := output("TRIES=3", "LEAK=")
	require.NoError(t, err, out)
	assert.Contains(t, out, "\nTRIES=3\n", "what is exported wins")
	assert.Contains(t, out, "\nLEAK=\n", "also when it is empty")
	assert.Contains(t, out, "\nREQUEST_PATH=/a?b=c d\n")
	assert.Contains(t, out, "arguments: -- my server --flag\n")

	write("TRIES=5\r\n\r\nLEAK=heap\r\n")
	out, err = output()
	require.NoError(t, err, out)
	assert.Contains(t, out, "\nTRIES=5\n", "line ends of Windows")

	write(`TRIES=10
rm -rf x
TRIES
=3
export LEAK=heap
1A=2
A-B=c
 LEAK=heap
LEAK =heap
TRIES=11
DURATION="3s"
HEADERS='A: b'
WORKERS=10 # connections
`)
	out, err = output()
	assert.Error(t, err)
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	assert.Equal(t, 2, exit.ExitCode())
	assert.Equal(t, `
test-me.sh: .env:2: expected NAME=VALUE, found: rm -rf x
test-me.sh: .env:3: expected NAME=VALUE, found: TRIES
test-me.sh: .env:4: expected NAME=VALUE, found: 
test-me.sh: .env:5: expected NAME=VALUE, found: export LEAK
test-me.sh: .env:6: expected NAME=VALUE, found: 1A
test-me.sh: .env:7: expected NAME=VALUE, found: A-B
test-me.sh: .env:8: expected NAME=VALUE, found:  LEAK
test-me.sh: .env:9: expected NAME=VALUE, found: LEAK 
test-me.sh: .env:10: expected each NAME once, found: TRIES
test-me.sh: .env:11: expected no quotes around a VALUE, and no comment after it, found: DURATION
test-me.sh: .env:12: expected no quotes around a VALUE, and no comment after it, found: HEADERS
test-me.sh: .env:13: expected no quotes around a VALUE, and no comment after it, found: WORKERS
`, out, "all at once, and nothing is started")
}
