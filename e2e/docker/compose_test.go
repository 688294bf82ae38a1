package docker

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/e2e/dashboard"
	"leaklab/e2e/internal/lab"
)

func TestLabInDocker(t *testing.T) {
	const tries = 10
	// The rate makes the number of requests the same on any machine.
	const kept = 1024
	l := newComposeLab(t, "TRIES="+strconv.Itoa(tries), "DURATION=1s", "RATE=3000", "LEAK=heap", "LEAK_BYTES="+strconv.Itoa(kept))
	d := dashboard.Read(t)
	l.up()

	// While it runs.
	require.Eventually(t, func() bool { return len(l.query("leaklab_iteration_rss_end_bytes", true)) >= 3 }, endLimit, 100*time.Millisecond)
	for _, job := range []string{"server", "loader"} {
		l.eventually([]float64{1}, func() any { return values(l.ask(fmt.Sprintf("up{job=%q}", job))) }, job)
	}
	l.assertEveryQueryReturnsData(d, "during the run")
	l.assertEveryQueryReturnsData(d, "during the run, by its name", l.runs()...)
	l.assertHardened()
	l.assertOnlyTheDocumentedPortsArePublished()
	l.assertGrafanaHasItsFiles()
	l.assertGrafanaIsOnlyLookedAt()

	// When it is over.
	code := l.awaitLoader()
	logs := l.mustCompose(nil, "logs", "--no-log-prefix", "loader")
	assert.Contains(t, logs, "Memory:  /proc, summed over the server's process tree", "it reads the server's memory from outside")
	assert.Equal(t, tries, strings.Count(logs, "Memory leaked: "))
	assert.Equal(t, lab.VerdictCode(t, logs), code, logs)
	assert.NotEqual(t, 0, code, "it leaks")
	if code == 1 {
		assert.Contains(t, strings.Join(strings.Fields(logs), " "), "the limit of its cgroup, 2048 MiB", "the limit of the server's container, from outside")
	}
	assert.Regexp(t, `\nGrafana: +http://`+l.grafana+`/d/leaklab/leaklab\?from=\d+&refresh=5s&to=now&var-run=`+l.runs()[0]+`\n`, logs, "while it runs")
	assert.Regexp(t, `\nGrafana: http://`+l.grafana+`/d/leaklab/leaklab\?from=\d+&to=\d+&var-run=`+l.runs()[0]+`\n`, logs, "when it is over")
	shown := d.Queries()["Verdict/verdict"]
	l.eventually([]float64{map[int]float64{125: 2, 0: 3, 1: 4}[code]}, func() any { return values(l.query(shown.Text(), shown.Instant)) }, "the dashboard shows the same verdict")
	rows := l.newestRows(1)
	require.Len(t, rows, tries)
	l.assertEveryQueryReturnsData(d, "after the loader has exited")
	l.assertBarsEqualTable(d, rows)
	for _, row := range rows {
		assert.Zero(t, lab.Number(t, row, lab.ColumnErrors))
	}
	assert.Greater(t, lab.LeakedBytes(t, rows, 0), lab.Sum(t, rows, lab.ColumnRequests)*kept*0.8)
	assert.Contains(t, logs, "read after each iteration, by go\n", "live memory of the demo server, by pprof")
	assert.InEpsilon(t, kept, l.liveGrowth(), 0.15)
	for _, service := range []string{"server", "prometheus", "grafana"} {
		assert.Equal(t, "running", l.inspect(service).State.Status, service)
	}

	profiles, err := filepath.Glob(filepath.Join(l.results, "*", "heap-end.pb.gz"))
	require.NoError(t, err)
	assert.Len(t, profiles, 1)
	assert.Regexp(t, `main\.filled \(leak_modes\.go:\d+\): .* called by main\.leakHeap\.func1 leak_modes\.go:\d+`, strings.Join(strings.Fields(logs), " "), "the leak's line")
	l.assertSiteIsShown(d, `^main\.filled \(leak_modes\.go:\d+\)$`, kept)

	// A second run while Prometheus keeps the first, with more iterations than there are scrapes: none is lost.
	const many = 100
	l.up("LEAK=none", "TRIES="+strconv.Itoa(many), "DURATION=20ms", "SETTLE=10ms")
	l.awaitLoader()
	l.eventually("none", func() any {
		shown := l.ask("leaklab_demo_info")
		if len(shown) == 0 {
			return nil
		}
		return shown[0].Metric["leak"]
	}, "the server's LEAK")
	rows = l.newestRows(2)
	require.Len(t, rows, many)
	l.assertBarsEqualTable(d, rows)

	// A third, shorter than both: the bars are the third's alone.
	l.up("LEAK=none", "TRIES=3", "DURATION=300ms")
	l.awaitLoader()
	rows = l.newestRows(3)
	require.Len(t, rows, 3)
	l.assertBarsEqualTable(d, rows)
	l.assertRunsCanBeChosen(d)

	// And as CI would: the loader's exit code is the result, and everything stops.
	output, err := l.compose([]string{"TRIES=2", "DURATION=300ms"}, "up", "--abort-on-container-exit", "--exit-code-from", "loader")
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit, output)
	assert.Equal(t, 125, exit.ExitCode(), output)
	assert.Len(t, l.newestRows(4), 2)
	assert.Equal(t, "exited", l.inspect("server").State.Status)
	assert.Zero(t, l.inspect("server").State.ExitCode, "SIGTERM drains, and the exit code is 0")
}

func TestRunOnceInDocker(t *testing.T) {
	l := newComposeLab(t, "TRIES=2", "DURATION=300ms", "LEAK=none")
	output, _ := l.compose(nil, "run", "--rm", "--build", "--no-TTY", "-e", "TRIES=1", "loader")
	assert.Contains(t, output, "Iteration: 1 of 1")
	assert.Len(t, l.newestRows(1), 1)
	report := l.newestReport(1)
	if checkout, err := os.Stat(lab.Root + "/.git"); err == nil && checkout.IsDir() {
		head, err := exec.Command("git", "rev-parse", "HEAD").Output()
		require.NoError(t, err)
		assert.Equal(t, strings.TrimSpace(string(head))+" (image)", report.Version)
	}
	assert.Nil(t, report.Environment.Server.Image)
	assert.Regexp(t, ` LEAK=none LEAK_BYTES=64 docker compose up$`, report.Reproduce)

	// Made again where it was made, with the recorded settings.
	folders, err := filepath.Glob(filepath.Join(l.results, "*"))
	require.NoError(t, err)
	output, _ = l.compose([]string{"TRIES=7"}, "run", "--rm", "--no-TTY", "loader", "reproduce", "/results/"+filepath.Base(folders[0]))
	assert.Contains(t, output, "Iteration: 1 of 1")
	assert.Contains(t, output, "Reproduction: the same verdict, inconclusive\n")
	assert.Len(t, l.newestRows(2), 1)

	output, err = l.compose(nil, "run", "--rm", "--no-TTY", "-e", "LEAK=heap", "loader")
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit, output)
	assert.Equal(t, 2, exit.ExitCode(), output)
	assert.Contains(t, output, `LEAK="heap": the server is running with LEAK=none`)

	output, _ = l.compose([]string{"LEAK=heap"}, "run", "--rm", "--no-TTY", "loader")
	assert.Contains(t, output, "Iteration: 2 of 2")

	output, err = l.compose(nil, "run", "--rm", "--no-TTY", "-e", "WORKERS=none", "-e", "TRIES=0", "loader")
	require.ErrorAs(t, err, &exit, output)
	assert.Equal(t, 2, exit.ExitCode(), output)
	assert.Contains(t, output, "TRIES=\"0\": expected a whole number (iterations) from 1 to 10000, or \"auto\"\nWORKERS=\"none\"")
}
