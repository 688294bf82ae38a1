package live

import (
	"encoding/csv"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/e2e/internal/lab"
)

// native runs the loader on a server in C, with settings of both.
func native(t *testing.T, settings ...string) *lab.Run {
	t.Helper()
	r := startNative(t, settings...)
	r.ExitCode()
	t.Log(r.Out.String(), r.Err.String())
	return r
}

// startNative starts what native runs.
func startNative(t *testing.T, settings ...string) *lab.Run {
	t.Helper()
	lab.Quiet(t)
	return lab.Start(t, append(slices.Clone(shortRun), settings...), compileNative(t))
}

// shortRun are the settings of a run on the server in C.
var shortRun = []string{"TRIES=7", "REQUESTS=2000", "SETTLE=100ms", "REQUEST_PATH=/"}

// compileNative compiles the server in C.
func compileNative(t *testing.T) string {
	t.Helper()
	server := filepath.Join(t.TempDir(), "server")
	source := filepath.Join("testdata", "native", "server.c")
	output, err := exec.Command(lab.Need(t, "gcc"), "-O1", "-Wall", "-s", "-pthread", "-o", server, source).CombinedOutput()
	require.NoError(t, err, "%s", output)
	return server
}

func TestNativeThatKeepsNothing(t *testing.T) {
	lab.OnlyLong(t)
	lab.Need(t, "gdb")
	r := native(t)
	lab.AssertVerdict(t, "no leak", r.Out.String())
	assertLive(t, r)
}

// TestNativeThatKeepsMemory keeps 48 bytes a request, for which malloc takes a chunk of 64.
func TestNativeThatKeepsMemory(t *testing.T) {
	lab.Need(t, "gdb")
	r := native(t, "LIVE=native", "KEEP=48")
	lab.AssertVerdict(t, "leak", r.Out.String())
	assert.InDelta(t, 64, liveGrowth(t, r), 0.5, "bytes a request")
	assertLive(t, r)
}

// TestNativeThatKeepsMappings leaks where malloc does not see it.
func TestNativeThatKeepsMappings(t *testing.T) {
	lab.OnlyLong(t)
	lab.Need(t, "gdb")
	r := native(t, "MAP=4096")
	lab.AssertVerdict(t, "leak", r.Out.String())
	assert.Contains(t, lab.Words(r.Out.String()), "memory outside the heap grows by more than the tolerance")
	assert.Less(t, liveGrowth(t, r), 1.0, "bytes a request")
	assertLive(t, r)
}

// Uploads that are left in memory are a leak, though they are in no process's resident memory.
func TestUploadsThatStayInMemory(t *testing.T) {
	for name, settings := range map[string][]string{"memfd": nil, "tmpfs": {"UPLOAD_TO=" + filepath.Join("/dev/shm", "leaklab-"+strconv.Itoa(os.Getpid()))}} {
		t.Run(name, func(t *testing.T) {
			r := native(t, append(settings, "LIVE=off", "UPLOAD=4096")...)
			lab.AssertVerdict(t, "leak", r.Out.String())
			said := lab.Words(r.Out.String())
			assert.Contains(t, said, "held memory grows by more than the tolerance")
			assert.Regexp(t, `Files in memory that no process maps \(memfd, tmpfs\) grow by 4,\d+ bytes a request: the kernel cannot take them back`, said)
			assert.NotContains(t, said, "page cache")
		})
	}
}

// The main thread may end while others serve: the memory of all is measured.
func TestAMainThreadThatEnds(t *testing.T) {
	r := native(t, "LIVE=off", "MAIN_ENDS=1", "KEEP=4096")
	lab.AssertVerdict(t, "leak", r.Out.String())
	lab.AssertNoServerLeft(t, r.ServerPID(t))
}

// The sockets of such a server are those of its other threads.
func TestAMainThreadThatHasEndedIsAttachedTo(t *testing.T) {
	lab.Quiet(t)
	port := lab.FreePorts(t, 1)[0]
	server := exec.Command(compileNative(t))
	server.Env = append(os.Environ(), "PORT="+port, "MAIN_ENDS=1", "KEEP=4096")
	require.NoError(t, server.Start())
	t.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })
	r := lab.Attach(t, append(slices.Clone(shortRun), "HOST=127.0.0.1", "PORT="+port, "WORKERS=10"))
	r.ExitCode()
	lab.AssertVerdict(t, "leak", r.Out.String())
	assert.Contains(t, r.Out.String(), "Server:  process "+strconv.Itoa(server.Process.Pid))
}

func TestAMainThreadThatEndsBeforeAnyListens(t *testing.T) {
	r := native(t, "LIVE=off", "MAIN_ENDS=2", "START_TIMEOUT=1s")
	assert.Equal(t, 125, r.ProcessState.ExitCode())
	assert.Contains(t, r.Err.String(), "not ready after 1s")
}

func TestAMainThreadThatEndsIsInterrupted(t *testing.T) {
	r := startNative(t, "LIVE=off", "MAIN_ENDS=1", "TRIES=100")
	r.AwaitOutput(t, "Iteration: 1 of 100")
	require.NoError(t, r.Process.Signal(syscall.SIGTERM))
	assert.Equal(t, 125, r.ExitCode())
	assert.Less(t, len(r.Rows(t)), 100)
	lab.AssertNoServerLeft(t, r.ServerPID(t))
}

func TestTCMallocOfWhatKeepsNothing(t *testing.T) {
	lab.OnlyLong(t)
	needTCMalloc(t)
	r := native(t, "LIVE=tcmalloc")
	lab.AssertVerdict(t, "no leak", r.Out.String())
	assertLive(t, r)
}

func TestTCMallocCountsBytes(t *testing.T) {
	needTCMalloc(t)
	r := native(t, "LIVE=tcmalloc", "KEEP=48")
	lab.AssertVerdict(t, "leak", r.Out.String())
	assert.InDelta(t, 48, liveGrowth(t, r), 0.1, "bytes a request")
	assertLive(t, r)
}

func needTCMalloc(t *testing.T) {
	t.Helper()
	if found, _ := filepath.Glob("/usr/lib/*/libtcmalloc.so.4"); len(found) == 0 {
		lab.Need(t, "libtcmalloc.so.4")
	}
}

// liveGrowth is how much live memory grew from the second iteration to the last, in bytes a request.
func liveGrowth(t *testing.T, r *lab.Run) float64 {
	t.Helper()
	file, err := os.Open(filepath.Join(r.Folder(t), "iterations.csv"))
	require.NoError(t, err)
	defer file.Close()
	table, err := csv.NewReader(file).ReadAll()
	require.NoError(t, err)
	live := slices.Index(table[0], "live_end_bytes")
	require.GreaterOrEqual(t, live, 0)
	rows := table[1:]
	require.Greater(t, len(rows), 2)
	grown := lab.Number(t, rows[len(rows)-1], live) - lab.Number(t, rows[1], live)
	return grown / lab.Sum(t, rows[2:], lab.ColumnRequests)
}
