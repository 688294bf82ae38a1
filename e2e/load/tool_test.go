package load

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

	"leaklab/e2e/internal/lab"
)

// loadLog returns load.log of a run.
func loadLog(t *testing.T, r *lab.Run) string {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(r.Results, "*", "load.log"))
	require.NoError(t, err)
	require.Len(t, logs, 1, "%s%s", &r.Out, &r.Err)
	content, err := os.ReadFile(logs[0])
	require.NoError(t, err)
	return string(content)
}

func TestWrkFromDebian(t *testing.T) {
	lab.Quiet(t)
	lab.Need(t, "wrk")
	const tries = 5
	r := lab.Start(t, []string{"TRIES=5", "DURATION=1s", "LEAK=heap", "LOAD_COMMAND=wrk -t1 -c {workers} -d {duration} '{url}'"})
	code := r.ExitCode()
	assert.Equal(t, lab.VerdictCode(t, r.Out.String()), code, "%s", &r.Err)
	assert.Contains(t, r.Out.String(), "5 iterations of LOAD_COMMAND, which is wrk\n")
	assert.Contains(t, r.Out.String(), "Latency (p99): not known\n")
	assert.Contains(t, r.Out.String(), "bytes/request (")
	sums := regexp.MustCompile(`(?m)^ +(\d+) requests in `).FindAllStringSubmatch(loadLog(t, r), -1)
	require.Len(t, sums, tries)
	rows := r.Rows(t)
	require.Len(t, rows, tries)
	for n, row := range rows {
		assert.Equal(t, sums[n][1], row[lab.ColumnRequests], "iteration %d: wrk's own sum", n+1)
		assert.Zero(t, lab.Number(t, row, lab.ColumnErrors))
		assert.GreaterOrEqual(t, lab.Number(t, row, 2), 1.0)
	}
	assert.Greater(t, lab.LeakedBytes(t, rows, 0), lab.Sum(t, rows, lab.ColumnRequests)*64*0.8)
	assert.Equal(t, tries, strings.Count(loadLog(t, r), "== iteration "))
}

func TestLoadOfAnUnknownToolIsJudgedPerIteration(t *testing.T) {
	t.Parallel()
	r := lab.Start(t, []string{"TRIES=6", "LEAK=none", "LOAD_COMMAND=sleep 0.2"})
	code := r.ExitCode()
	assert.Equal(t, lab.VerdictCode(t, r.Out.String()), code, "%s", &r.Err)
	words := lab.Words(r.Out.String())
	assert.Contains(t, words, "bytes/iteration (")
	assert.Contains(t, words, "are in bytes per iteration")
	assert.Contains(t, words, "The number of requests is unknown: ")
	assert.Equal(t, 6, strings.Count(r.Out.String(), "Requests/sec: not known\n"))
	for _, row := range r.Rows(t) {
		assert.Equal(t, "1", row[lab.ColumnRequests])
	}

	// The recorded run is judged the same.
	tables, err := filepath.Glob(filepath.Join(r.Results, "*", "iterations.csv"))
	require.NoError(t, err)
	require.Len(t, tables, 1)
	again := exec.Command(lab.Loader, "verdict", tables[0])
	output, _ := again.Output()
	assert.Equal(t, code, again.ProcessState.ExitCode())
	assert.Contains(t, string(output), "bytes/iteration (")
}

func TestLoadToolThatFails(t *testing.T) {
	t.Parallel()
	once := filepath.Join(t.TempDir(), "once")
	r := lab.Start(t, []string{"TRIES=10", `LOAD_COMMAND=sh -c '[ ! -e "$1" ] || { echo no connection; exit 3; }; touch "$1"' - ` + once})
	assert.Equal(t, 125, r.ExitCode())
	assert.Equal(t, "loader: iteration 2 of 10: LOAD_COMMAND failed with exit code 3; its last lines:\n  no connection\n", r.Err.String())
	assert.Len(t, r.Rows(t), 1, "what was measured is kept")
	lab.AssertNoServerLeft(t, r.ServerPID(t))
}

func TestLoadToolEndsWithTheRun(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			marker := filepath.Join(t.TempDir(), "pid")
			r := lab.Start(t, []string{"TRIES=10", `LOAD_COMMAND=sh -c 'echo $$ >"$1.part"; mv "$1.part" "$1"; sleep 1000; :' - ` + marker})
			require.Eventually(t, func() bool { _, err := os.Stat(marker); return err == nil }, 5*time.Minute, 10*time.Millisecond, "%s%s", &r.Out, &r.Err)
			require.NoError(t, r.Process.Signal(signal))
			r.ExitCode()
			content, err := os.ReadFile(marker)
			require.NoError(t, err)
			group, err := strconv.Atoi(strings.TrimSpace(string(content)))
			require.NoError(t, err)
			lab.AssertNoServerLeft(t, group)
			lab.AssertNoServerLeft(t, r.ServerPID(t))
		})
	}
}
