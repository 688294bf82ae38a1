package process

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/e2e/internal/lab"
)

func TestRunPrintsABlockAndARowForEachIteration(t *testing.T) {
	lab.Quiet(t)
	r := lab.StartScript(t, []string{"TRIES=3", "DURATION=300ms", "LEAK=none"})
	r.ExitCode()
	assert.Empty(t, strings.TrimPrefix(r.Err.String(), "draw: building the drawing program, which takes longest the first time\n"), "but in a fresh checkout")

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
	blocks := block.FindAllStringSubmatch(r.Out.String(), -1)
	require.Len(t, blocks, 3, r.Out.String())
	rows := r.Rows(t)
	require.Len(t, rows, 3)
	for n, row := range rows {
		assert.Equal(t, strconv.Itoa(n+1), row[0])
		assert.Equal(t, row[0], blocks[n][1])
		started, err := time.Parse(time.RFC3339, row[1])
		require.NoError(t, err)
		assert.Equal(t, time.UTC, started.Location())
		assert.GreaterOrEqual(t, lab.Number(t, row, 2), 0.3)
		assert.Positive(t, lab.Number(t, row, lab.ColumnRequests))
		assert.Zero(t, lab.Number(t, row, lab.ColumnErrors))
		assert.GreaterOrEqual(t, lab.Number(t, row, lab.ColumnPeak), lab.Number(t, row, lab.ColumnStart))
		kilobytes := func(column int) string { return strconv.Itoa(int(lab.Number(t, row, column)) / 1024) }
		assert.Equal(t, kilobytes(lab.ColumnStart), blocks[n][2])
		assert.Equal(t, kilobytes(lab.ColumnEnd), blocks[n][3])
	}
	lab.AssertNoServerLeft(t, r.ServerPID(t))
	log, err := filepath.Glob(filepath.Join(r.Results, "*", "server.log"))
	require.NoError(t, err)
	assert.Len(t, log, 1)
}

func TestEveryModeOfTheDemoRuns(t *testing.T) {
	for _, mode := range lab.Modes(t) {
		t.Run(mode.Name, func(t *testing.T) {
			t.Parallel()
			r := lab.Start(t, []string{"TRIES=2", "REQUESTS=500", "LEAK=" + mode.Name})
			r.ExitCode()
			assert.Len(t, r.Rows(t), 2, "%s%s", &r.Out, &r.Err)
		})
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--"}, {"server"}, {"verdict"}, {"verdict", "a.csv", "b.csv"}, {"reproduce"}, {"reproduce", "a", "b"}} {
		loader := exec.Command(lab.Loader, args...)
		output, _ := loader.CombinedOutput()
		assert.Equal(t, 2, loader.ProcessState.ExitCode(), args)
		assert.Contains(t, string(output), "\nusage: loader ")
	}
}

func TestErrorPageIsWarnedAbout(t *testing.T) {
	t.Parallel()
	r := lab.Start(t, []string{"TRIES=1", "REQUESTS=10", "REQUEST_PATH=/missing"})
	r.ExitCode()
	assert.Contains(t, r.Err.String(), `REQUEST_PATH="/missing": the server answers 404 Not Found; you may be measuring its error page`)
	assert.Contains(t, r.Out.String(), "Errors: 10 (status_4xx 10)\n")
}

func assertExported(t testing.TB, r *lab.Run, series string) {
	t.Helper()
	_, found := r.Exported(t, series)
	assert.True(t, found, series)
}

func TestLastIterationIsScrapedBeforeTheEnd(t *testing.T) {
	t.Parallel()
	r := lab.Start(t, []string{"TRIES=2", "DURATION=300ms"})
	r.AwaitOutput(t, "Iteration: 1 of 2")
	assertExported(t, r, `leaklab_iteration_rss_end_bytes{iteration="1"}`)
	r.AwaitOutput(t, "Iteration: 2 of 2")
	time.Sleep(500 * time.Millisecond) // a scraper that comes late
	assertExported(t, r, `leaklab_iteration_rss_end_bytes{iteration="2"}`)
	r.ExitCode()
}

func TestGivenBackIsReadAfterARest(t *testing.T) {
	t.Parallel()
	r := lab.Start(t, []string{"TRIES=5", "REQUESTS=5000", "LEAK=heap", "LEAK_BYTES=1024", "RELEASE=1s"})
	begin := time.Now()
	r.ExitCode()
	assert.GreaterOrEqual(t, time.Since(begin), time.Second)
	assert.Contains(t, r.Out.String(), "1s of rest in the end")
	assert.Contains(t, lab.Words(r.Out.String()), "nothing was given back in 1 s of rest. That proves little: Go collects no garbage in the first minute of rest.")
}
