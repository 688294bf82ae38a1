package e2e

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// startPair runs testMe with the demo server against a baseline of it, which is on a port of its own, without a leak.
func startPair(t *testing.T, settings ...string) *run {
	t.Helper()
	return start(t, append([]string{"BASELINE=env LEAK=none " + server, "BASELINE_PORT=" + freePorts(t, 1)[0]}, settings...))
}

// baselinePID is the process of the baseline, from the settings block.
func (r *run) baselinePID(t *testing.T) int {
	t.Helper()
	match := regexp.MustCompile(`Baseline: process (\d+): env LEAK=none \S+, in turns with the server\n`).FindStringSubmatch(r.out.String())
	require.NotNil(t, match, r.out.String())
	pid, err := strconv.Atoi(match[1])
	require.NoError(t, err)
	return pid
}

func TestASuspectThatIsWorseThanItsBaseline(t *testing.T) {
	r := startPair(t, "TRIES=7", "REQUESTS=6000", "LEAK=heap", "LEAK_BYTES=1024", "TOLERANCE=256", "RELEASE=50ms")
	assert.Equal(t, 1, r.exitCode(), "%s%s", &r.out, &r.err)
	assert.Empty(t, r.err.String())
	assert.Contains(t, r.out.String(), "\nIteration: 7 of 7, baseline\n")
	assert.Regexp(t, `Comparison: worse\n(?s:.*)\nbaseline: env LEAK=none \S+\nsuspect: env METRICS_PORT=\d+ \S+\n`, r.out.String())

	rows, others := r.rows(t), tableIn(t, r.folder(t), "baseline.csv")
	require.Len(t, rows, 7)
	require.Len(t, others, 7)
	for n, row := range rows {
		assert.Equal(t, row[columnRequests], others[n][columnRequests], "requests of iteration %d", n+1)
		assert.Less(t, row[columnStarted], others[n][columnStarted], "in turns")
		if n > 0 {
			assert.Less(t, others[n-1][columnStarted], row[columnStarted])
		}
	}
	file := r.runFile(t)
	assert.Equal(t, "worse", file.Baseline.Difference.Change)
	assert.Equal(t, "env LEAK=none "+server, file.Baseline.Command)
	assert.NotEqual(t, "leak", file.Baseline.Verdict.Kind)
	require.Len(t, file.Baseline.Iterations, 7)
	assert.EqualValues(t, number(t, others[6], columnEnd), file.Baseline.Iterations[6].RSSEndBytes)
	assert.Contains(t, file.Reproduce, "BASELINE='env LEAK=none "+server+"' ")
	assert.Contains(t, r.content(t, "report.md"), "## Comparison: worse, ")
	assert.Contains(t, r.content(t, "report.html"), file.Baseline.Difference.Sentence)
	assert.Contains(t, r.content(t, "memory.svg"), "load of the baseline")
	r.assertPictures(t)
	assert.Regexp(t, `listening on 127\.0\.0\.1:\d+, metrics and pprof on 127\.0\.0\.1:\d+\n`, r.content(t, "baseline.log"))
	assert.NotContains(t, r.content(t, "baseline.log"), ":9101\n", "both servers read METRICS_PORT")
	assertNoServerLeft(t, r.serverPID(t))
	assertNoServerLeft(t, r.baselinePID(t))
}

func TestASuspectThatIsTheSameAsItsBaseline(t *testing.T) {
	r := startPair(t, "TRIES=6", "REQUESTS=5000", "LEAK=none", "TOLERANCE=4000")
	assert.Equal(t, 0, r.exitCode(), "%s%s", &r.out, &r.err)
	assert.Contains(t, r.out.String(), "Comparison: same\n")
}

func TestABaselineThatDies(t *testing.T) {
	t.Run("before it answers", func(t *testing.T) {
		r := startPair(t, "LEAK=none", "BASELINE=sh -c 'echo no such table: users >&2; exit 3'")
		assert.Equal(t, 125, r.exitCode())
		assert.Regexp(t, `^loader: baseline: the server ended by itself with exit code 3; its last output, of .*baseline\.log:\n  no such table: users\n$`, r.err.String())
	})
	t.Run("during the run", func(t *testing.T) {
		r := startPair(t, "TRIES=10000", "DURATION=200ms", "LEAK=none")
		r.awaitOutput(t, "Iteration: 1 of 10000, baseline")
		require.NoError(t, syscall.Kill(r.baselinePID(t), syscall.SIGKILL))
		assert.Equal(t, 125, r.exitCode())
		assert.Regexp(t, `^loader: iteration \d+ of 10000: baseline: the server was killed by SIGKILL \(killed\); its last output, of .*baseline\.log`, r.err.String())
		rows, others := r.rows(t), tableIn(t, r.folder(t), "baseline.csv")
		require.NotEmpty(t, others)
		require.GreaterOrEqual(t, len(rows), len(others))
		for n, other := range others {
			assert.Equal(t, rows[n][columnRequests], other[columnRequests], "as many requests, by DURATION too")
		}
		assertNoServerLeft(t, r.serverPID(t))
	})
}

func TestABaselineNeedsAPortAndACommand(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	port := strconv.Itoa(taken.Addr().(*net.TCPAddr).Port)
	r := startPair(t, "BASELINE_PORT="+port)
	assert.Equal(t, 2, r.exitCode())
	assert.Regexp(t, `^BASELINE_PORT="`+port+`": process [0-9]+, ".*", listens on .*: nothing was measured\n$`, r.err.String())
	assert.NoDirExists(t, r.results)

	results := filepath.Join(t.TempDir(), "results")
	loader := exec.Command("../.build/loader")
	loader.Env = append(os.Environ(), "BASELINE=true ./old", "RESULTS="+results, "PORT="+freePorts(t, 1)[0])
	output, _ := loader.CombinedOutput()
	assert.Equal(t, 2, loader.ProcessState.ExitCode())
	assert.Contains(t, string(output), `BASELINE="true ./old": expected a command for the server as well`)
	assert.NoDirExists(t, results)
}

// The demo server's image, without its leak, is the baseline of the demo server with it.
func TestBaselineOfAnImageInDocker(t *testing.T) {
	environment := filepath.Join(t.TempDir(), "baseline.env")
	require.NoError(t, os.WriteFile(environment, []byte("LEAK=none\nHOST=0.0.0.0\n"), 0o600))
	l := newLab(t, "COMPOSE_FILE=../docker-compose.yml:../compose/baseline.yml", "BASELINE_ENV_FILE="+environment,
		"TRIES=7", "REQUESTS=6000", "SETTLE=50ms", "RELEASE=50ms", "LEAK=heap", "LEAK_BYTES=1024", "TOLERANCE=256")
	l.environment = append(l.environment, "BASELINE="+l.project+"-server")
	l.mustCompose(nil, "build", "--quiet", "server") // it cannot be pulled
	l.up()
	assert.Equal(t, 1, l.awaitLoader())
	logs := l.mustCompose(nil, "logs", "--no-log-prefix", "loader")
	assert.Contains(t, logs, "\nComparison: worse\n")
	assert.Regexp(t, `\nBaseline: process \d+, .*: /server, in turns with the server\n`, logs)

	rows, others := l.newestRows(1), tableIn(t, newest(t, l.results, 1), "baseline.csv")
	require.Len(t, others, 7)
	for n, row := range rows {
		assert.Equal(t, row[columnRequests], others[n][columnRequests])
		assert.Zero(t, number(t, others[n], columnErrors))
	}
	assert.Greater(t, number(t, rows[6], columnEnd)-number(t, others[6], columnEnd), 7*6000*1024.0/2, "they are two processes")

	file := l.newestReport(1)
	assert.Equal(t, l.project+"-server", file.Baseline.Command)
	assert.Contains(t, file.Reproduce, " BASELINE="+l.project+"-server ")
	assert.Contains(t, file.Reproduce, " BASELINE_ENV_FILE="+environment+" docker compose -f docker-compose.yml -f compose/baseline.yml up")
}
