package docker

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/e2e/internal/lab"
)

// smallServer gives the server little memory, and no swap.
const smallServer = `services:
  server:
    memswap_limit: 64M
    deploy: {resources: {limits: {memory: 64M}}}
`

// awaitRows waits until the newest of several runs has a number of rows on disk.
func (l *composeLab) awaitRows(runs, rows int) {
	l.t.Helper()
	require.Eventually(l.t, func() bool {
		tables, _ := filepath.Glob(filepath.Join(l.results, "*", "iterations.csv"))
		if len(tables) != runs {
			return false
		}
		table, _ := os.ReadFile(tables[runs-1])
		return len(regexp.MustCompile(`(?m)^\d+,`).FindAll(table, -1)) >= rows
	}, endLimit, 20*time.Millisecond, "%d rows of run %d", rows, runs)
}

// assertEndedEarly checks that the newest of several runs has kept its rows, and tells why it ended.
func (l *composeLab) assertEndedEarly(runs int, reason string) {
	l.t.Helper()
	rows, file := l.newestRows(runs), l.newestReport(runs)
	require.NotEmpty(l.t, rows)
	assert.Len(l.t, file.Iterations, len(rows))
	assert.Equal(l.t, "ended early", file.State)
	match := regexp.MustCompile(`^iteration (\d+) of \d+: ` + reason).FindStringSubmatch(file.Reason)
	require.NotNil(l.t, match, file.Reason)
	assert.Equal(l.t, strconv.Itoa(len(rows)+1), match[1], "the iteration after the last row")
}

func TestFaultsInDocker(t *testing.T) {
	override := filepath.Join(t.TempDir(), "small.yml")
	require.NoError(t, os.WriteFile(override, []byte(smallServer), 0o600))
	l := newComposeLab(t, "COMPOSE_FILE="+lab.Root+"/docker-compose.yml:"+override, "LEAK=none", "SETTLE=50ms", "RELEASE=0", "DURATION=300ms", "TRIES=10000")

	// Prometheus is slow, and then it is gone; so is Grafana. The run does not mind.
	l.up("TRIES=12")
	l.awaitRows(1, 1)
	l.mustCompose(nil, "pause", "prometheus")
	l.mustCompose(nil, "kill", "grafana")
	l.awaitRows(1, 4)
	l.mustCompose(nil, "unpause", "prometheus")
	l.mustCompose(nil, "kill", "prometheus")
	code := l.awaitLoader()
	assert.Equal(t, lab.VerdictCode(t, l.mustCompose(nil, "logs", "--no-log-prefix", "loader")), code)
	assert.Len(t, l.newestRows(1), 12)
	assert.Equal(t, "complete", l.newestReport(1).State)

	// The server runs out of memory, and its end stops all, as in CI.
	output, err := l.compose([]string{"LEAK=heap", "LEAK_BYTES=8192", "REQUESTS=1000", "SCRAPE_WAIT=0s"},
		"up", "--abort-on-container-exit", "--exit-code-from", "loader")
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit, output)
	assert.Equal(t, 125, exit.ExitCode(), output)
	const outOfMemory = `process \d+: the server process is gone: it ran out of memory \(OOM\); the limit of its cgroup is 64 MiB`
	l.assertEndedEarly(2, `(interrupted \(terminated\); )?`+outOfMemory)
	assert.Regexp(t, outOfMemory, output)

	// The server is killed, and started again.
	l.up("SCRAPE_WAIT=0s")
	l.awaitRows(3, 2)
	l.mustCompose(nil, "kill", "server")
	assert.Equal(t, 125, l.awaitLoader())
	l.assertEndedEarly(3, `process \d+: the server process is gone$`)

	// Everything is taken down.
	l.up("SCRAPE_WAIT=0s")
	l.awaitRows(4, 2)
	l.mustCompose(nil, "stop", "--timeout=120")
	for _, service := range []string{"server", "loader", "processes"} {
		assert.NotEqual(t, 137, l.inspect(service).State.ExitCode, "%s ends before it is killed", service)
	}
	l.mustCompose(nil, "down")
	l.assertEndedEarly(4, `(interrupted|process \d+: the server process is gone)`)
}
