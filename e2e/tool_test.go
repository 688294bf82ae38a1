package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// loadLog returns load.log of a run.
func (r *run) loadLog(t *testing.T) string {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(r.results, "*", "load.log"))
	require.NoError(t, err)
	require.Len(t, logs, 1, "%s%s", &r.out, &r.err)
	content, err := os.ReadFile(logs[0])
	require.NoError(t, err)
	return string(content)
}

func TestWrkFromDebian(t *testing.T) {
	need(t, "wrk")
	const tries = 6
	r := start(t, []string{"TRIES=6", "DURATION=1s", "LEAK=heap", "LOAD_COMMAND=wrk -t1 -c {workers} -d {duration} '{url}'"})
	code := r.exitCode()
	assert.Equal(t, verdictCode(t, r.out.String()), code, "%s", &r.err)
	assert.Contains(t, r.out.String(), "6 iterations of LOAD_COMMAND, which is wrk\n")
	assert.Contains(t, r.out.String(), "Latency (p99): not known\n")
	assert.Contains(t, r.out.String(), "bytes/request (")
	sums := regexp.MustCompile(`(?m)^ +(\d+) requests in `).FindAllStringSubmatch(r.loadLog(t), -1)
	require.Len(t, sums, tries)
	rows := r.rows(t)
	require.Len(t, rows, tries)
	for n, row := range rows {
		assert.Equal(t, sums[n][1], row[columnRequests], "iteration %d: wrk's own sum", n+1)
		assert.Zero(t, number(t, row, columnErrors))
		assert.GreaterOrEqual(t, number(t, row, 2), 1.0)
	}
	assert.Greater(t, leakedBytes(t, rows, 0), requestsIn(t, rows)*64*0.8)
	assert.Equal(t, tries, strings.Count(r.loadLog(t), "== iteration "))
}

func TestLoadOfAnUnknownToolIsJudgedPerIteration(t *testing.T) {
	r := start(t, []string{"TRIES=6", "LEAK=none", "LOAD_COMMAND=sleep 0.2"})
	code := r.exitCode()
	assert.Equal(t, verdictCode(t, r.out.String()), code, "%s", &r.err)
	words := strings.Join(strings.Fields(r.out.String()), " ")
	assert.Contains(t, words, "bytes/iteration (")
	assert.Contains(t, words, "bytes an iteration")
	assert.Contains(t, words, "Nobody could count the requests")
	assert.Equal(t, 6, strings.Count(r.out.String(), "Requests/sec: not known\n"))
	for _, row := range r.rows(t) {
		assert.Equal(t, "1", row[columnRequests])
	}

	// The recorded run is judged the same.
	tables, err := filepath.Glob(filepath.Join(r.results, "*", "iterations.csv"))
	require.NoError(t, err)
	require.Len(t, tables, 1)
	again := exec.Command("../.build/loader", "verdict", tables[0])
	output, _ := again.Output()
	assert.Equal(t, code, again.ProcessState.ExitCode())
	assert.Contains(t, string(output), "bytes/iteration (")
}

func TestLoadToolThatFails(t *testing.T) {
	once := filepath.Join(t.TempDir(), "once")
	r := start(t, []string{"TRIES=10", `LOAD_COMMAND=sh -c '[ ! -e "$1" ] || { echo no connection; exit 3; }; touch "$1"' - ` + once})
	assert.Equal(t, 125, r.exitCode())
	assert.Equal(t, "loader: iteration 2 of 10: LOAD_COMMAND failed with exit code 3; its last lines:\n  no connection\n", r.err.String())
	assert.Len(t, r.rows(t), 1, "what was measured is kept")
	assertNoServerLeft(t, r.serverPID(t))
}

func TestLoadToolEndsWithTheRun(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL} {
		t.Run(signal.String(), func(t *testing.T) {
			marker := filepath.Join(t.TempDir(), "pid")
			r := start(t, []string{"TRIES=10", `LOAD_COMMAND=sh -c 'echo $$ >"$1.part"; mv "$1.part" "$1"; sleep 1000; :' - ` + marker})
			require.Eventually(t, func() bool { _, err := os.Stat(marker); return err == nil }, 5*time.Minute, 10*time.Millisecond, "%s%s", &r.out, &r.err)
			require.NoError(t, r.Process.Signal(signal))
			r.exitCode()
			content, err := os.ReadFile(marker)
			require.NoError(t, err)
			group, err := strconv.Atoi(strings.TrimSpace(string(content)))
			require.NoError(t, err)
			assertNoServerLeft(t, group)
			assertNoServerLeft(t, r.serverPID(t))
		})
	}
}

func TestWrongLoadCommand(t *testing.T) {
	for setting, want := range map[string]string{
		"LOAD_COMMAND=hey -z {time} {url}":      `LOAD_COMMAND: {time} is no placeholder; expected {duration}, `,
		"LOAD_COMMAND=/does/not/exist -x {url}": `LOAD_COMMAND: expected a program that can be run: `,
	} {
		marker := filepath.Join(t.TempDir(), "started")
		r := start(t, []string{setting}, "touch", marker)
		assert.Equal(t, 2, r.exitCode())
		assert.Contains(t, r.err.String(), want)
		assert.NoFileExists(t, marker)
		assert.NoDirExists(t, r.results)
	}
}
