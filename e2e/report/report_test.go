package report

import (
	"encoding/csv"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/e2e/internal/lab"
)

func TestReportOfARun(t *testing.T) {
	t.Parallel()
	r := lab.Start(t, []string{"TRIES=6", "DURATION=400ms", "LEAK=heap", "HEADERS=X-Key: hunter2", "BASIC_AUTH=me:hunter2", "BODY=hunter2", "METHOD=POST",
		"GOGC=50", "PASSWORD=hunter2"})
	code := r.ExitCode()
	file := r.RunFile(t)
	assert.Equal(t, 1, file.Format)
	assert.Equal(t, "complete", file.State)
	assert.Equal(t, code, lab.KindCode(t, file.Verdict.Kind))
	rows := r.Rows(t)
	require.Len(t, file.Iterations, 6)
	for n, i := range file.Iterations {
		assert.EqualValues(t, lab.Number(t, rows[n], lab.ColumnEnd), i.RSSEndBytes)
	}
	assert.Contains(t, file.Environment.Kernel, "linux")
	assert.NotEmpty(t, file.Environment.Server.Go.Version)
	assert.Equal(t, map[string]string{"GOGC": "50"}, file.Environment.Server.Variables)
	assert.Contains(t, file.Reproduce, "TRIES=6 ")
	assert.Contains(t, file.Reproduce, " DURATION=400ms ")
	assert.Contains(t, file.Reproduce, " ./test-me.sh env METRICS_PORT=")
	assert.Contains(t, r.Content(t, "report.md"), file.Reproduce)
	assert.Contains(t, r.Content(t, "report.md"), "| 6 | ")
	r.AssertPictures(t)

	entries, err := os.ReadDir(r.Folder(t))
	require.NoError(t, err)
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
		assert.NotContains(t, r.Content(t, entry.Name()), "hunter2", entry.Name())
	}
	assert.Equal(t, []string{"iterations.csv", "memory.png", "memory.svg", "report.html", "report.md", "run.json", "samples.csv", "server.log"}, names)

	require.NoError(t, os.Remove(filepath.Join(r.Folder(t), "memory.png")))
	drawing := exec.Command(lab.Draw, r.Folder(t))
	output, err := drawing.CombinedOutput()
	require.NoError(t, err, string(output))
	r.AssertPictures(t)
	drawing = exec.Command(lab.Draw, t.TempDir())
	output, _ = drawing.CombinedOutput()
	assert.Equal(t, 2, drawing.ProcessState.ExitCode())
	assert.Contains(t, string(output), "run.json: no such file")
}

func TestSamplesTellLoadFromRest(t *testing.T) {
	t.Parallel()
	r := lab.Start(t, []string{"TRIES=2", "DURATION=2s", "SETTLE=300ms", "LEAK=none"}) // a busy machine takes few samples
	r.ExitCode()
	rows, err := csv.NewReader(strings.NewReader(r.Content(t, "samples.csv"))).ReadAll()
	require.NoError(t, err)
	assert.Equal(t, "time,iteration,rss_bytes,anonymous_bytes,file_bytes,shared_bytes", strings.Join(rows[0], ","))
	during := map[string]int{}
	var last time.Time
	for _, row := range rows[1:] {
		at, err := time.Parse(time.RFC3339, row[0])
		require.NoError(t, err)
		assert.False(t, at.Before(last))
		last = at
		during[row[1]]++
		assert.Equal(t, lab.Number(t, row, 2), lab.Number(t, row, 3)+lab.Number(t, row, 4)+lab.Number(t, row, 5))
	}
	assert.Len(t, during, 3, "idle, and each iteration: %v", during)
	assert.Positive(t, during[""])
	assert.Positive(t, during["1"])
	assert.Positive(t, during["2"])
}

func TestRunKilledInIterationSixLeavesAReportOfFive(t *testing.T) {
	t.Parallel()
	r := lab.Start(t, []string{"TRIES=10", "DURATION=1s", "RATE=500", "LEAK=heap"})
	require.Eventually(t, func() bool {
		samples, _ := filepath.Glob(filepath.Join(r.Results, "*", "samples.csv"))
		return len(samples) == 1 && strings.Contains(r.Content(t, "samples.csv"), "Z,6,")
	}, 5*time.Minute, 10*time.Millisecond, "%s%s", &r.Out, &r.Err)
	require.NoError(t, r.Process.Kill())
	r.ExitCode()

	assert.Len(t, r.Rows(t), 5)
	file := r.RunFile(t)
	assert.Equal(t, "running", file.State)
	assert.Len(t, file.Iterations, 5)
	assert.NotEmpty(t, file.Verdict.Sentence)
	markdown := r.Content(t, "report.md")
	assert.Contains(t, markdown, "5 of 10 iterations so far. If the run is not going on any more, it was killed.")
	assert.Contains(t, markdown, "\n| 5 | ")
	assert.NotContains(t, markdown, "\n| 6 | ")
	page := r.Content(t, "report.html")
	assert.Equal(t, 5, strings.Count(page, `<rect class="bar`))
	assert.True(t, strings.HasSuffix(page, "</html>\n"))

	// Pictures are drawn when a run has ended; here that is left to whoever wants them.
	output, err := exec.Command(lab.Draw, r.Folder(t)).CombinedOutput()
	require.NoError(t, err, string(output))
	r.AssertPictures(t)
}

func TestReportOfAServerThatDies(t *testing.T) {
	t.Parallel()
	r := lab.Start(t, []string{"TRIES=10000", "DURATION=200ms", "LEAK=none"})
	r.AwaitOutput(t, "Iteration: 2 of 10000")
	require.NoError(t, syscall.Kill(r.ServerPID(t), syscall.SIGKILL))
	assert.Equal(t, 125, r.ExitCode())
	file := r.RunFile(t)
	assert.Equal(t, "ended early", file.State)
	assert.Regexp(t, `^iteration \d+ of 10000: the server was killed by SIGKILL`, file.Reason)
	assert.NotContains(t, file.Reason, "last output", "what the server prints is in server.log alone")
	assert.Contains(t, r.Content(t, "report.md"), "the server was killed by SIGKILL")
	assert.Len(t, file.Iterations, len(r.Rows(t)))
}
