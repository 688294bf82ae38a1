package compare

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

	"leaklab/e2e/internal/lab"
)

// startPair runs lab.Script with the demo server against a baseline of it, which is on another port, without a leak.
func startPair(t *testing.T, settings ...string) *lab.Run {
	t.Helper()
	return lab.Start(t, append([]string{"BASELINE=env LEAK=none " + lab.Server, "BASELINE_PORT=" + lab.FreePorts(t, 1)[0]}, settings...))
}

// baselinePID is the process of the baseline, from the settings block.
func baselinePID(t *testing.T, r *lab.Run) int {
	t.Helper()
	match := regexp.MustCompile(`Baseline: process (\d+): env LEAK=none \S+, in turns with the server\n`).FindStringSubmatch(r.Out.String())
	require.NotNil(t, match, r.Out.String())
	pid, err := strconv.Atoi(match[1])
	require.NoError(t, err)
	return pid
}

func TestASuspectThatIsWorseThanItsBaseline(t *testing.T) {
	lab.Quiet(t)
	r := startPair(t, "TRIES=7", "REQUESTS=6000", "LEAK=heap", "LEAK_BYTES=1024", "TOLERANCE=256", "RELEASE=50ms")
	assert.Equal(t, 1, r.ExitCode(), "%s%s", &r.Out, &r.Err)
	assert.Empty(t, r.Err.String())
	assert.Contains(t, r.Out.String(), "\nIteration: 7 of 7, baseline\n")
	lab.AssertComparison(t, "worse", r.Out.String())
	assert.Regexp(t, `\nbaseline: env LEAK=none \S+\nsuspect: env METRICS_PORT=\d+ \S+\n`, r.Out.String())

	rows, others := r.Rows(t), lab.TableIn(t, r.Folder(t), "baseline.csv")
	require.Len(t, rows, 7)
	require.Len(t, others, 7)
	for n, row := range rows {
		assert.Equal(t, row[lab.ColumnRequests], others[n][lab.ColumnRequests], "requests of iteration %d", n+1)
		assert.Less(t, row[lab.ColumnStarted], others[n][lab.ColumnStarted], "in turns")
		if n > 0 {
			assert.Less(t, others[n-1][lab.ColumnStarted], row[lab.ColumnStarted])
		}
	}
	file := r.RunFile(t)
	assert.Equal(t, "worse", file.Baseline.Difference.Change)
	assert.Equal(t, "env LEAK=none "+lab.Server, file.Baseline.Command)
	assert.NotEqual(t, "leak", file.Baseline.Verdict.Kind)
	require.Len(t, file.Baseline.Iterations, 7)
	assert.EqualValues(t, lab.Number(t, others[6], lab.ColumnEnd), file.Baseline.Iterations[6].RSSEndBytes)
	assert.Contains(t, file.Reproduce, "BASELINE='env LEAK=none "+lab.Server+"' ")
	assert.Contains(t, r.Content(t, "report.md"), "## Comparison: worse, ")
	assert.Contains(t, r.Content(t, "report.html"), file.Baseline.Difference.Sentence)
	assert.Contains(t, r.Content(t, "memory.svg"), "load of the baseline")
	r.AssertPictures(t)
	assert.Regexp(t, `listening on 127\.0\.0\.1:\d+, metrics and pprof on 127\.0\.0\.1:\d+\n`, r.Content(t, "baseline.log"))
	assert.NotContains(t, r.Content(t, "baseline.log"), ":9101\n", "both servers read METRICS_PORT")
	lab.AssertNoServerLeft(t, r.ServerPID(t))
	lab.AssertNoServerLeft(t, baselinePID(t, r))
}

func TestASuspectThatIsTheSameAsItsBaseline(t *testing.T) {
	lab.Quiet(t)
	r := startPair(t, "TRIES=6", "REQUESTS=5000", "LEAK=none", "TOLERANCE=4000")
	assert.Equal(t, 0, r.ExitCode(), "%s%s", &r.Out, &r.Err)
	lab.AssertComparison(t, "same", r.Out.String())
}

// The profiles of a Go baseline are where it listens, which no setting tells: its live memory is read as the suspect's is.
func TestSitesThatABaselineDoesNotHave(t *testing.T) {
	lab.Quiet(t)
	port := lab.FreePorts(t, 2)
	r := lab.Start(t, []string{
		"BASELINE=env LEAK=none " + lab.Server, "BASELINE_PORT=" + port[0], "METRICS_URL=http://127.0.0.1:" + port[1] + "/metrics",
		"TRIES=6", "REQUESTS=3000", "LEAK=heap", "LEAK_BYTES=4096", "TOLERANCE=256",
	}, "env", "METRICS_PORT="+port[1], lab.Server)
	assert.Equal(t, 1, r.ExitCode(), "%s%s", &r.Out, &r.Err)
	assert.NotContains(t, r.Err.String(), "nothing more is named")
	assert.Regexp(t, `\nnew: main\.\w+ \(leak_modes\.go:\d+\): `, r.Out.String())
	assert.Contains(t, r.Content(t, "report.html"), `<table id="changed-sites"`)
}

func TestABaselineThatDies(t *testing.T) {
	t.Parallel()
	t.Run("before it answers", func(t *testing.T) {
		r := startPair(t, "LEAK=none", "BASELINE=sh -c 'echo no such table: users >&2; exit 3'")
		assert.Equal(t, 125, r.ExitCode())
		assert.Regexp(t, `^loader: baseline: the server ended by itself with exit code 3; its last output, of .*baseline\.log:\n  no such table: users\n$`, r.Err.String())
	})
	t.Run("during the run", func(t *testing.T) {
		r := startPair(t, "TRIES=10000", "DURATION=200ms", "LEAK=none")
		r.AwaitOutput(t, "Iteration: 1 of 10000, baseline")
		require.NoError(t, syscall.Kill(baselinePID(t, r), syscall.SIGKILL))
		assert.Equal(t, 125, r.ExitCode())
		assert.Regexp(t, `^loader: iteration \d+ of 10000: baseline: the server was killed by SIGKILL \(killed\); its last output, of .*baseline\.log`, r.Err.String())
		rows, others := r.Rows(t), lab.TableIn(t, r.Folder(t), "baseline.csv")
		require.NotEmpty(t, others)
		require.GreaterOrEqual(t, len(rows), len(others))
		for n, other := range others {
			assert.Equal(t, rows[n][lab.ColumnRequests], other[lab.ColumnRequests], "as many requests, by DURATION too")
		}
		lab.AssertNoServerLeft(t, r.ServerPID(t))
	})
}

func TestABaselineNeedsAPortAndACommand(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	port := strconv.Itoa(taken.Addr().(*net.TCPAddr).Port)
	r := startPair(t, "BASELINE_PORT="+port)
	assert.Equal(t, 2, r.ExitCode())
	assert.Regexp(t, `^BASELINE_PORT="`+port+`": process [0-9]+, ".*", listens on .*: nothing was measured\n$`, r.Err.String())
	assert.NoDirExists(t, r.Results)

	results := filepath.Join(t.TempDir(), "results")
	loader := exec.Command(lab.Loader)
	loader.Env = append(os.Environ(), "BASELINE=true ./old", "RESULTS="+results, "PORT="+lab.FreePorts(t, 1)[0])
	output, _ := loader.CombinedOutput()
	assert.Equal(t, 2, loader.ProcessState.ExitCode())
	assert.Contains(t, string(output), `BASELINE="true ./old": expected a command for the server as well`)
	assert.NoDirExists(t, results)
}
