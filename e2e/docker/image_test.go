package docker

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/e2e/dashboard"
	"leaklab/e2e/internal/lab"
)

// imageFiles are the compose files for any image in place of the demo server.
const imageFiles = "COMPOSE_FILE=" + lab.Root + "/docker-compose.yml:" + lab.Root + "/compose/image.yml"

func TestAnyImageInDocker(t *testing.T) {
	environment := filepath.Join(t.TempDir(), "image.env")
	require.NoError(t, os.WriteFile(environment, []byte("GREETING=hello from a file\n"), 0o600))
	l := newComposeLab(t, imageFiles, "SERVER_IMAGE=nginx:1.29", "SERVER_PORT=80", "SERVER_ENV_FILE="+environment,
		"REQUEST_PATH=/", "TRIES=10", "REQUESTS=10000", "LEAK=heap")
	d := dashboard.Read(t)
	l.up()
	assert.Equal(t, 0, l.awaitLoader())
	logs := l.mustCompose(nil, "logs", "--no-log-prefix", "loader")
	lab.AssertVerdict(t, "no leak", logs)
	assert.Contains(t, logs, "(now 3 processes; what they share is counted once)", "nginx's user is not the loader's")
	rows := l.newestRows(1)
	require.Len(t, rows, 10)
	for _, row := range rows {
		assert.Equal(t, "3", row[lab.ColumnProcesses])
		assert.Zero(t, lab.Number(t, row, lab.ColumnErrors))
		assert.Positive(t, lab.Number(t, row, lab.ColumnOpenFiles))
		assert.NotEmpty(t, row[lab.ColumnPageCache], "the container has its control group")
	}

	report := l.newestReport(1)
	assert.Equal(t, &lab.ServerImage{Reference: "nginx:1.29"}, report.Environment.Server.Image)
	assert.Regexp(t, `^TRIES=10 SERVER_PORT=80 .*REQUESTS=10000 .*REQUEST_PATH=/ SERVER_IMAGE=nginx:1.29 SERVER_ENV_FILE=`+regexp.QuoteMeta(environment)+
		` docker compose -f docker-compose.yml -f compose/image.yml up$`, report.Reproduce)

	// The same dashboard, from what the loader sees; the server shows no metrics.
	l.assertBarsEqualTable(d, rows)
	for name, query := range d.Queries() {
		if strings.Contains(query.Expr, "go_") && strings.Contains(query.Expr, "server") || strings.Contains(query.Expr, `{job="server"}`) ||
			strings.Contains(query.Expr, "leaklab_demo_info") || strings.Contains(query.Expr, "live_heap") || ofLiveMemory(query) {
			continue
		}
		l.eventually(true, func() any { return len(l.query(query.Text(), query.Instant)) > 0 }, "%s:\n%s", name, query.Text())
	}
	assert.Contains(t, l.mustCompose(nil, "exec", "--no-TTY", "server", "env"), "GREETING=hello from a file\n")
	assert.NotContains(t, l.mustCompose(nil, "exec", "--no-TTY", "server", "env"), "LEAK=")

	// Apart from what is documented, the lab around it is as tight as ever.
	loader := l.inspect("loader")
	assert.Equal(t, []string{"ALL"}, loader.HostConfig.CapDrop)
	assert.Equal(t, []string{"CAP_SYS_PTRACE"}, loader.HostConfig.CapAdd)
	assert.True(t, loader.HostConfig.ReadonlyRootfs)
	assert.Contains(t, l.inspect("server").HostConfig.SecurityOpt, "no-new-privileges:true")
}

// ofLiveMemory tells whether a query of the dashboard needs live memory, which nginx does not tell.
func ofLiveMemory(query dashboard.Target) bool {
	return strings.Contains(query.Expr, "leaklab_iteration_live_bytes") || strings.Contains(query.Expr, "leaklab_iteration_stopped_seconds")
}

func TestImageNeedsItsNameAndPortInDocker(t *testing.T) {
	l := newComposeLab(t, imageFiles)
	for missing, settings := range map[string][]string{
		"the image of the server, for example nginx:1.29": {"SERVER_PORT=80"},
		"the port on which the image's server listens":    {"SERVER_IMAGE=nginx:1.29"},
	} {
		output, err := l.compose(settings, "config", "--quiet")
		assert.Error(t, err)
		assert.Contains(t, output, missing)
	}
}

// The demo server's image, without its leak, is the baseline of the demo server with it.
func TestBaselineOfAnImageInDocker(t *testing.T) {
	environment := filepath.Join(t.TempDir(), "baseline.env")
	require.NoError(t, os.WriteFile(environment, []byte("LEAK=none\nHOST=0.0.0.0\n"), 0o600))
	l := newComposeLab(t, "COMPOSE_FILE="+lab.Root+"/docker-compose.yml:"+lab.Root+"/compose/baseline.yml", "BASELINE_ENV_FILE="+environment,
		"TRIES=7", "REQUESTS=6000", "SETTLE=50ms", "RELEASE=50ms", "LEAK=heap", "LEAK_BYTES=1024", "TOLERANCE=256")
	l.environment = append(l.environment, "BASELINE="+l.project+"-server")
	l.mustCompose(nil, "build", "--quiet", "server") // it cannot be pulled
	l.up()
	assert.Equal(t, 1, l.awaitLoader())
	logs := l.mustCompose(nil, "logs", "--no-log-prefix", "loader")
	lab.AssertComparison(t, "worse", logs)
	assert.Regexp(t, `\nBaseline: process \d+, .*: /server, in turns with the server\n`, logs)

	rows, others := l.newestRows(1), lab.TableIn(t, lab.Newest(t, l.results, 1), "baseline.csv")
	require.Len(t, others, 7)
	for n, row := range rows {
		assert.Equal(t, row[lab.ColumnRequests], others[n][lab.ColumnRequests])
		assert.Zero(t, lab.Number(t, others[n], lab.ColumnErrors))
	}
	assert.Greater(t, lab.Number(t, rows[6], lab.ColumnEnd)-lab.Number(t, others[6], lab.ColumnEnd), 7*6000*1024.0/2, "they are two processes")

	file := l.newestReport(1)
	assert.Equal(t, l.project+"-server", file.Baseline.Command)
	assert.Contains(t, file.Reproduce, " BASELINE="+l.project+"-server ")
	assert.Contains(t, file.Reproduce, " BASELINE_ENV_FILE="+environment+" docker compose -f docker-compose.yml -f compose/baseline.yml up")
}
