package e2e

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// faulty is the server of this folder, with its faults.
const faulty = "../.build/faulty"

// startFaulty starts a run of the faulty server, which has the given variables.
func startFaulty(t *testing.T, settings []string, variables ...string) *run {
	t.Helper()
	return startUnbuilt(t, settings, append(append([]string{"env"}, variables...), faulty)...)
}

// A run whose server has a fault ends within TIMEOUT + 5 s; patience is for a machine that has other things to do.
const (
	afterTimeout = 5 * time.Second
	patience     = 15 * time.Second
)

// endsInTime waits for the end of the run, and checks that it comes in time after the server's fault.
func (r *run) endsInTime(t *testing.T, timeout time.Duration) int {
	t.Helper()
	code := r.exitCode()
	end := time.Now()
	_, after, found := strings.Cut(r.content(t, "server.log"), " at ")
	require.True(t, found)
	moment, _, _ := strings.Cut(after, "\n")
	fault, err := time.Parse(time.RFC3339Nano, moment)
	require.NoError(t, err)
	took := end.Sub(fault)
	t.Logf("it took %s, with a timeout of %s", took.Round(time.Millisecond), timeout)
	assert.Less(t, took, timeout+afterTimeout+patience, "%s%s", &r.out, &r.err)
	return code
}

// assertEndedEarly checks that the run has left the rows, whole, and a report that says the same as the terminal.
func (r *run) assertEndedEarly(t *testing.T, rows int) {
	t.Helper()
	assert.Len(t, r.rows(t), rows)
	file := r.runFile(t)
	assert.Equal(t, "ended early", file.State)
	assert.Len(t, file.Iterations, rows)
	first, _, _ := strings.Cut(file.Reason, "\n")
	assert.Contains(t, r.err.String(), first)
	if rows > 0 {
		assert.Contains(t, r.out.String(), "\nVerdict: ", "what was measured is judged")
	}
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
			assert.Equal(t, 125, r.endsInTime(t, timeout), "%s%s", &r.out, &r.err)
			assert.Regexp(t, "^loader: "+test.message, r.err.String())
			if test.rows < 0 {
				test.rows = len(r.rows(t))
			}
			r.assertEndedEarly(t, test.rows)
			assertNoServerLeft(t, r.serverPID(t))
		})
	}
}

func TestServerThatIsNotReadyAtOnce(t *testing.T) {
	t.Run("starts late", func(t *testing.T) {
		t.Parallel()
		r := startFaulty(t, []string{"TRIES=2", "REQUESTS=100"}, "START_AFTER=700ms")
		r.exitCode()
		assert.Empty(t, r.err.String())
		assert.Len(t, r.rows(t), 2)
	})
	t.Run("accepts and never answers", func(t *testing.T) {
		t.Parallel()
		port := freePorts(t, 1)[0]
		began := time.Now()
		r := startFaulty(t, []string{"PORT=" + port, "START_TIMEOUT=300ms", "TIMEOUT=1h"}, "FAULT=hang", "FAULT_AFTER=1")
		assert.Equal(t, 125, r.exitCode())
		assert.Less(t, time.Since(began), time.Minute)
		assert.Regexp(t, `^loader: the server is not ready after 300ms: no answer from http://127\.0\.0\.1:\d+/hello/warp \(timeout\)\n$`, r.err.String())
		r.assertEndedEarly(t, 0)
		assertNobodyListens(t, port)
	})
}

func assertNobodyListens(t *testing.T, port string) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", "127.0.0.1:"+port, time.Second)
	if assert.Error(t, err, "port "+port) {
		return
	}
	_ = conn.Close()
}

func TestServerThatRestartsByItself(t *testing.T) {
	once := filepath.Join(t.TempDir(), "crashed")
	r := startUnbuilt(t, []string{"TRIES=12", "REQUESTS=200", "WORKERS=1", "GOGC=off", "KEEP=65536", "FAULT=crash", "FAULT_AFTER=1100", "FAULT_ONCE=" + once},
		"sh", "-c", "while :; do "+faulty+"; done")
	assert.Equal(t, 1, r.exitCode(), "%s%s", &r.out, &r.err)
	assert.Empty(t, r.err.String())
	assert.Contains(t, r.content(t, "server.log"), "fault: crash")
	assert.Len(t, r.rows(t), 12)
	assert.Regexp(t, `The server restarted before iteration 7: only what came after is judged\.`, r.out.String())
	assertNoServerLeft(t, r.serverPID(t))
}

func TestServerThatIsStoppedForAWhile(t *testing.T) {
	t.Run("5 s", func(t *testing.T) {
		t.Parallel()
		r := startFaulty(t, []string{"TRIES=3", "DURATION=300ms"})
		r.awaitOutput(t, "Iteration: 1 of 3")
		server := r.serverPID(t)
		require.NoError(t, syscall.Kill(server, syscall.SIGSTOP))
		time.Sleep(5 * time.Second)
		require.NoError(t, syscall.Kill(server, syscall.SIGCONT))
		r.exitCode()
		assert.Empty(t, r.err.String())
		rows := r.rows(t)
		require.Len(t, rows, 3)
		assert.Greater(t, max(number(t, rows[1], columnLatencyMax), number(t, rows[2], columnLatencyMax)), 4.0, "the latencies show it")
		assert.Equal(t, "complete", r.runFile(t).State)
	})
	t.Run("for good", func(t *testing.T) {
		t.Parallel()
		r := startFaulty(t, []string{"TRIES=1000", "DURATION=300ms", "TIMEOUT=1s"})
		r.awaitOutput(t, "Iteration: 2 of 1000")
		server := r.serverPID(t)
		require.NoError(t, syscall.Kill(server, syscall.SIGSTOP))
		stopped := time.Now()
		assert.Equal(t, 125, r.exitCode())
		t.Logf("it took %s, with a timeout of 1s", time.Since(stopped).Round(time.Millisecond))
		assert.Less(t, time.Since(stopped), time.Second+afterTimeout+patience)
		assert.Contains(t, r.content(t, "server.log"), "terminated", "it was asked to end, and could")
		assert.Regexp(t, fmt.Sprintf(`^loader: iteration \d+ of 1000: no response from the server for \d+s \(.*timeout \d+.*\); its process %d has been stopped \(SIGSTOP\)\n$`, server), r.err.String())
		r.assertEndedEarly(t, len(r.rows(t)))
		assertNoServerLeft(t, server)
	})
}

func TestServerThatRunsOutOfFileDescriptors(t *testing.T) {
	r := startUnbuilt(t, []string{"TRIES=2", "DURATION=300ms", "TIMEOUT=300ms", "WORKERS=40"}, "sh", "-c", "ulimit -n 20; exec "+faulty)
	r.exitCode()
	assert.Empty(t, r.err.String(), "the run goes on with those that are answered")
	rows := r.rows(t)
	require.Len(t, rows, 2)
	for _, row := range rows {
		assert.Positive(t, number(t, row, columnRequests))
		assert.Positive(t, number(t, row, columnErrors))
	}
	assert.Regexp(t, `Errors: \d+ \(.*timeout \d+`, r.out.String())
	remark := "The server had all 20 files open that it may have, sockets included (ulimit -n): what connects beyond that has to wait."
	assert.Contains(t, strings.ReplaceAll(r.out.String(), "\n", " "), remark)
	assert.Contains(t, r.content(t, "report.md"), remark)
	assertNoServerLeft(t, r.serverPID(t))
}
