package fault

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/e2e/internal/lab"
)

// startFaulty starts a run of the faulty server, which has the given variables.
func startFaulty(t *testing.T, settings []string, variables ...string) *lab.Run {
	t.Helper()
	return lab.Start(t, settings, append(append([]string{"env"}, variables...), lab.Faulty)...)
}

// A run whose server has a fault ends within TIMEOUT + 5 s; patience is for a machine that has other things to do.
const (
	afterTimeout = 5 * time.Second
	patience     = 15 * time.Second
)

// endsInTime waits for the end of the run, and checks that it comes in time after the server's fault.
func endsInTime(t *testing.T, r *lab.Run, timeout time.Duration) int {
	t.Helper()
	code := r.ExitCode()
	end := time.Now()
	_, after, found := strings.Cut(r.Content(t, "server.log"), " at ")
	require.True(t, found)
	moment, _, _ := strings.Cut(after, "\n")
	fault, err := time.Parse(time.RFC3339Nano, moment)
	require.NoError(t, err)
	took := end.Sub(fault)
	t.Logf("it took %s, with a timeout of %s", took.Round(time.Millisecond), timeout)
	assert.Less(t, took, timeout+afterTimeout+patience, "%s%s", &r.Out, &r.Err)
	return code
}

func TestServerWithAFault(t *testing.T) {
	const requests, timeout = 200, time.Second
	amid := func(iteration int) string { return fmt.Sprintf("FAULT_AFTER=%d", (iteration-1)*requests+requests/2) }
	settings := []string{"TRIES=7", "TIMEOUT=1s", fmt.Sprintf("REQUESTS=%d", requests)}
	for _, test := range []struct {
		name      string
		settings  []string
		variables []string
		rows      int
		message   string // regular expression
	}{
		{"crashes in the first iteration", nil, []string{"FAULT=crash", amid(1)}, 0,
			`iteration 1 of 7: the server ended by itself with exit code 3; its last output, of .*server\.log:\n  fault: crash at \S+\n$`},
		{"crashes in iteration 6", nil, []string{"FAULT=crash", amid(6)}, 5,
			`iteration 6 of 7: the server ended by itself with exit code 3; its last output, of .*server\.log:\n  fault: crash at \S+\n$`},
		{"crashes in the last iteration", nil, []string{"FAULT=crash", amid(7)}, 6,
			`iteration 7 of 7: the server ended by itself with exit code 3; its last output, of .*server\.log:\n  fault: crash at \S+\n$`},
		{"hangs", nil, []string{"FAULT=hang", amid(3)}, 2,
			`iteration 3 of 7: no response from the server for \d+s \(.*timeout \d+.*\)`},
		{"hangs from one iteration to the next", []string{"REQUESTS=0", "DURATION=300ms", "TRIES=1000"}, []string{"FAULT=hang", "FAULT_AFTER=2000"}, -1,
			`iteration \d+ of 1000: no response from the server for \d+s \(.*timeout \d+.*\)`},
		{"closes every connection", []string{"REQUESTS=0", "DURATION=1m"}, []string{"FAULT=close", "FAULT_AFTER=2000"}, 0,
			`iteration 1 of 7: no response from the server for \d+s \(.*reset \d+.*\)`},
		{"closes every connection until the end", nil, []string{"FAULT=close", amid(3)}, 7,
			`iteration 7 of 7: none of its 200 requests was answered`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := startFaulty(t, append(settings, test.settings...), test.variables...)
			assert.Equal(t, 125, endsInTime(t, r, timeout), "%s%s", &r.Out, &r.Err)
			assert.Regexp(t, "^loader: "+test.message, r.Err.String())
			if test.rows < 0 {
				test.rows = len(r.Rows(t))
			}
			r.AssertEndedEarly(t, test.rows)
			lab.AssertNoServerLeft(t, r.ServerPID(t))
		})
	}
}

func TestServerThatIsNotReadyAtOnce(t *testing.T) {
	t.Run("starts late", func(t *testing.T) {
		t.Parallel()
		r := startFaulty(t, []string{"TRIES=2", "REQUESTS=100"}, "START_AFTER=700ms")
		r.ExitCode()
		assert.Empty(t, r.Err.String())
		assert.Len(t, r.Rows(t), 2)
	})
	t.Run("accepts and never answers", func(t *testing.T) {
		t.Parallel()
		port := lab.FreePorts(t, 1)[0]
		began := time.Now()
		r := startFaulty(t, []string{"PORT=" + port, "START_TIMEOUT=300ms", "TIMEOUT=1h"}, "FAULT=hang", "FAULT_AFTER=1")
		assert.Equal(t, 125, r.ExitCode())
		assert.Less(t, time.Since(began), time.Minute)
		assert.Regexp(t, `^loader: the server is not ready after 300ms: no answer from http://127\.0\.0\.1:\d+/hello/warp \(timeout\)\n$`, r.Err.String())
		r.AssertEndedEarly(t, 0)
		lab.AssertPortFree(t, port)
	})
}

func TestServerThatRestartsByItself(t *testing.T) {
	lab.Quiet(t)
	once := filepath.Join(t.TempDir(), "crashed")
	r := lab.Start(t, []string{"TRIES=12", "REQUESTS=200", "WORKERS=1", "GOGC=off", "KEEP=65536", "FAULT=crash", "FAULT_AFTER=1100", "FAULT_ONCE=" + once},
		"sh", "-c", "while :; do "+lab.Faulty+"; done")
	assert.Equal(t, 1, r.ExitCode(), "%s%s", &r.Out, &r.Err)
	assert.Empty(t, r.Err.String())
	assert.Contains(t, r.Content(t, "server.log"), "fault: crash")
	assert.Len(t, r.Rows(t), 12)
	assert.Regexp(t, `The server restarted before iteration 7: only what came after is judged\.`, r.Out.String())
	lab.AssertNoServerLeft(t, r.ServerPID(t))
}

func TestServerThatIsStoppedForAWhile(t *testing.T) {
	t.Run("5 s", func(t *testing.T) {
		t.Parallel()
		r := startFaulty(t, []string{"TRIES=3", "DURATION=300ms"})
		r.AwaitOutput(t, "Iteration: 1 of 3")
		server := r.ServerPID(t)
		require.NoError(t, syscall.Kill(server, syscall.SIGSTOP))
		time.Sleep(5 * time.Second)
		require.NoError(t, syscall.Kill(server, syscall.SIGCONT))
		r.ExitCode()
		assert.Empty(t, r.Err.String())
		rows := r.Rows(t)
		require.Len(t, rows, 3)
		assert.Greater(t, max(lab.Number(t, rows[1], lab.ColumnLatencyMax), lab.Number(t, rows[2], lab.ColumnLatencyMax)), 4.0, "the latencies show it")
		assert.Equal(t, "complete", r.RunFile(t).State)
	})
	t.Run("for good", func(t *testing.T) {
		t.Parallel()
		r := startFaulty(t, []string{"TRIES=1000", "DURATION=300ms", "TIMEOUT=1s"})
		r.AwaitOutput(t, "Iteration: 2 of 1000")
		server := r.ServerPID(t)
		require.NoError(t, syscall.Kill(server, syscall.SIGSTOP))
		stopped := time.Now()
		assert.Equal(t, 125, r.ExitCode())
		t.Logf("it took %s, with a timeout of 1s", time.Since(stopped).Round(time.Millisecond))
		assert.Less(t, time.Since(stopped), time.Second+afterTimeout+patience)
		assert.Contains(t, r.Content(t, "server.log"), "terminated", "it was asked to end, and could")
		assert.Regexp(t, fmt.Sprintf(`^loader: iteration \d+ of 1000: no response from the server for \d+s \(.*timeout \d+.*\); its process %d has been stopped \(SIGSTOP\)\n$`, server), r.Err.String())
		r.AssertEndedEarly(t, len(r.Rows(t)))
		lab.AssertNoServerLeft(t, server)
	})
}

func TestServerThatRunsOutOfFileDescriptors(t *testing.T) {
	t.Parallel()
	r := lab.Start(t, []string{"TRIES=2", "DURATION=300ms", "TIMEOUT=300ms", "WORKERS=40"}, "sh", "-c", "ulimit -n 20; exec "+lab.Faulty)
	r.ExitCode()
	assert.Empty(t, r.Err.String(), "the run goes on with those that are answered")
	rows := r.Rows(t)
	require.Len(t, rows, 2)
	for _, row := range rows {
		assert.Positive(t, lab.Number(t, row, lab.ColumnRequests))
		assert.Positive(t, lab.Number(t, row, lab.ColumnErrors))
	}
	assert.Regexp(t, `Errors: \d+ \(.*timeout \d+`, r.Out.String())
	remark := "The server had all 20 files open that it may have, sockets included (ulimit -n): what connects beyond that has to wait."
	assert.Contains(t, strings.ReplaceAll(r.Out.String(), "\n", " "), remark)
	assert.Contains(t, r.Content(t, "report.md"), remark)
	lab.AssertNoServerLeft(t, r.ServerPID(t))
}
func TestServerThatDies(t *testing.T) {
	t.Parallel()
	t.Run("before it answers", func(t *testing.T) {
		r := lab.Start(t, nil, "sh", "-c", "echo no such table: users >&2; exit 3")
		assert.Equal(t, 125, r.ExitCode())
		assert.Regexp(t, `^loader: the server ended by itself with exit code 3; its last output, of .*server\.log:\n  no such table: users\n$`, r.Err.String())
	})
	t.Run("during the run", func(t *testing.T) {
		r := lab.Start(t, []string{"TRIES=10000", "DURATION=200ms"})
		r.AwaitOutput(t, "Iteration: 1 of 10000")
		require.NoError(t, syscall.Kill(r.ServerPID(t), syscall.SIGKILL))
		assert.Equal(t, 125, r.ExitCode())
		assert.Regexp(t, `^loader: iteration \d+ of 10000: the server was killed by SIGKILL \(killed\); its last output`, r.Err.String())
		assert.NotEmpty(t, r.Rows(t))
	})
	t.Run("command that does not exist", func(t *testing.T) {
		r := lab.Start(t, nil, "/does/not/exist")
		assert.Equal(t, 125, r.ExitCode())
		assert.Contains(t, r.Err.String(), "cannot start the server")
	})
	t.Run("never listens", func(t *testing.T) {
		r := lab.Start(t, []string{"START_TIMEOUT=200ms"}, "sleep", "1000")
		assert.Equal(t, 125, r.ExitCode())
		assert.Contains(t, r.Err.String(), "the server is not ready after 200ms: no answer from http://127.0.0.1:")
	})
}
