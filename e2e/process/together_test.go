package process

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/e2e/internal/lab"
)

// A second lab takes other ports for what Prometheus scrapes, if nothing is said about them.
func TestTwoDemosSideBySide(t *testing.T) {
	t.Parallel()
	start := func(tries string) *lab.Run {
		return lab.StartProgram(t, []string{"METRICS_PORT=", "TRIES=" + tries, "REQUESTS=200"}, lab.Loader, "run", "--demo", lab.Server)
	}
	metricsOf := func(r *lab.Run) string {
		for _, s := range r.RunFile(t).Settings {
			if s.Name == "METRICS_URL" {
				return s.Value
			}
		}
		return ""
	}
	first := start("10000")
	first.AwaitOutput(t, "Iteration: 1 of 10000")
	second := start("2")
	second.ExitCode()
	assert.Equal(t, "complete", second.RunFile(t).State, "%s%s", &second.Out, &second.Err)
	assert.Regexp(t, `^loader: 127\.0\.0\.1:9102 is taken; the metrics of this run are at 127\.0\.0\.1:\d+\n$`, second.Err.String())
	assert.NotEqual(t, metricsOf(first), metricsOf(second))
	require.NoError(t, first.Process.Signal(os.Interrupt))
	assert.Equal(t, 125, first.ExitCode())
}

// Whoever reads what a run prints may end before it, as head does. The run goes on, and its exit code is the verdict's.
func TestTheReaderOfTheOutputMayEnd(t *testing.T) {
	t.Parallel()
	code := filepath.Join(t.TempDir(), "code")
	const script = `{ "$@" 2>&1; echo $? >"$0"; } | head -1`
	r := lab.StartProgram(t, []string{"TRIES=7", "REQUESTS=200"}, append([]string{"sh", "-c", script, code, lab.Loader, "--"}, lab.Demo(t)...)...)
	r.ExitCode()
	assert.Len(t, strings.Split(strings.TrimSpace(r.Out.String()), "\n"), 1)
	assert.Len(t, r.Rows(t), 7)
	file := r.RunFile(t)
	assert.Equal(t, "complete", file.State)
	written, err := os.ReadFile(code)
	require.NoError(t, err)
	want := map[string]int{"no leak": 0, "leak": 1, "inconclusive": 125}[file.Verdict.Kind]
	assert.Equal(t, strconv.Itoa(want)+"\n", string(written))
}
