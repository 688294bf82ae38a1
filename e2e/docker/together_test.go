package docker

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/e2e/dashboard"
	"leaklab/e2e/internal/lab"
)

// tables returns iterations.csv of each run, once all loaders have ended.
func (l *composeLab) tables(loaders int) [][][]string {
	l.t.Helper()
	folders, err := filepath.Glob(filepath.Join(l.results, "*"))
	require.NoError(l.t, err)
	require.Len(l.t, folders, loaders, "a folder for each loader")
	var tables [][][]string
	for _, folder := range folders {
		tables = append(tables, lab.RowsIn(l.t, folder))
	}
	return tables
}

// own is how many requests the loaders themselves have sent, as Prometheus knows it when they have ended.
func (l *composeLab) own() float64 {
	l.t.Helper()
	return values(l.query(`sum(last_over_time(leaklab_requests_total[1d]))`, true))[0]
}

// together is how many iterations aligned loaders have.
const together = 5

// aligned are the settings of loaders whose iterations take alignedPeriod: 1 s of load, twice 200 ms of settling, and
// 1 s for the rest, in whole seconds.
func aligned(more ...string) []string {
	return append([]string{"ALIGN=true", "TRIES=5", "DURATION=1s", "LEAK=heap", "LEAK_BYTES=64"}, more...)
}

const alignedPeriod = 3 * time.Second

func TestTwoLoadersInDocker(t *testing.T) {
	l := newComposeLab(t, aligned()...)
	d := dashboard.Read(t)
	l.mustCompose(nil, "up", "--detach", "--build", "--quiet-pull", "--scale", "loader=2")
	require.Eventually(t, func() bool {
		return strings.Count(l.mustCompose(nil, "ps", "--all", "--format", "{{.State}}", "loader"), "exited") == 2
	}, 3*time.Minute, 200*time.Millisecond, "both loaders exit")
	l.assertTwoLoaders(d)
	l.assertEveryQueryReturnsData(d, "two loaders")
	logs := l.mustCompose(nil, "logs", "--no-log-prefix", "loader")
	assert.Equal(t, 2, strings.Count(logs, "together with other loaders every 3s\n"), logs)
	assert.Equal(t, 2, strings.Count(strings.Join(strings.Fields(logs), " "), "The requests were counted by the server: http_requests_total at METRICS_URL."), logs)
	assert.Equal(t, 2, strings.Count(logs, "Memory:  /proc, summed over the server's process tree"), logs)
}

// assertTwoLoaders checks what two loaders have left behind, and what the dashboard shows of them.
func (l *composeLab) assertTwoLoaders(d dashboard.Dashboard) {
	l.t.Helper()
	tables := l.tables(2)
	for _, rows := range tables {
		require.Len(l.t, rows, together)
		assert.Zero(l.t, lab.Sum(l.t, rows, lab.ColumnErrors))
	}
	lab.AssertTogether(l.t, tables, alignedPeriod)

	// Each knows the requests of both, as the server has counted them; the loaders together have sent no more.
	own := l.own()
	for _, rows := range tables {
		all := lab.Sum(l.t, rows, lab.ColumnRequests)
		assert.Greater(l.t, all, 0.6*own)
		assert.LessOrEqual(l.t, all, own+100, "and a few to see that the server answers")
		assert.Greater(l.t, lab.LeakedBytes(l.t, rows, 0), all*64*0.5, "the memory of all requests, not only its own")
	}

	queries := d.Queries()
	bars := queries["Requests per iteration/bars"]
	var shown float64
	for _, bar := range l.query(bars.Text(), bars.Instant) {
		shown += bar.Value
	}
	assert.Equal(l.t, own, shown, "the dashboard's bars are of both")
	ends := 0
	for _, bar := range l.ask(queries["Memory per iteration/bars"].Text()) {
		if bar.Metric["series"] == "end" {
			ends++
		}
	}
	assert.Equal(l.t, together, ends)
	assert.Len(l.t, l.ask(queries["Leaked per iteration/leaked"].Text()), together)
	shownVerdict := queries["Verdict/verdict"]
	assert.Subset(l.t, []float64{2, 3, 4}, values(l.query(shownVerdict.Text(), shownVerdict.Instant)))
}

// docker runs docker with the lab's settings and returns what it prints.
func (l *composeLab) docker(settings []string, args ...string) (string, error) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.Env = append(l.environment, settings...)
	output, err := cmd.CombinedOutput()
	return string(output), err
}

// joinSwarm makes this engine a cluster of one machine until the test is over, unless it is in a cluster already.
func (l *composeLab) joinSwarm() {
	l.t.Helper()
	state, err := l.docker(nil, "info", "--format", "{{.Swarm.LocalNodeState}}")
	require.NoError(l.t, err, state)
	if strings.TrimSpace(state) == "active" {
		return
	}
	output, err := l.docker(nil, "swarm", "init", "--advertise-addr", "127.0.0.1")
	require.NoError(l.t, err, output)
	l.t.Cleanup(func() {
		output, err := l.docker(nil, "swarm", "leave", "--force")
		assert.NoError(l.t, err, output)
	})
}

func TestStackInDocker(t *testing.T) {
	l := newComposeLab(t, aligned()...)
	d := dashboard.Read(t)
	l.mustCompose(nil, "build", "server", "loader")
	l.joinSwarm()
	t.Cleanup(func() { l.removeStack() })
	require.NoError(t, os.Mkdir(l.results, 0o700))
	require.NoError(t, os.Chmod(l.results, 0o777), "whatever the umask")
	output, err := l.docker([]string{"SERVER_IMAGE=" + l.project + "-server", "LOADER_IMAGE=" + l.project + "-loader", "LOADERS=2"},
		"stack", "deploy", "--resolve-image=never", "-c", lab.Root+"/compose/stack.yml", l.project)
	require.NoError(t, err, output)
	l.results = filepath.Join(l.results, "leaklab")

	ended := regexp.MustCompile(`(?m)^(Complete|Failed) `)
	require.Eventually(t, func() bool {
		output, err = l.docker(nil, "service", "ps", "--format", "{{.CurrentState}} {{.Error}}", l.project+"_loader")
		return err == nil && len(ended.FindAllString(output, -1)) == 2
	}, 3*time.Minute, 500*time.Millisecond, "both loaders end")
	logs, err := l.docker(nil, "service", "logs", "--raw", l.project+"_loader")
	require.NoError(t, err)
	require.Len(t, lab.Verdicts(logs), 2, logs)
	assert.Equal(t, 2, strings.Count(logs, "Memory:  process_resident_memory_bytes of http://server:9101/metrics"), logs)
	l.assertTwoLoaders(d)
}

func (l *composeLab) removeStack() {
	l.t.Helper()
	if l.t.Failed() {
		output, _ := l.docker(nil, "stack", "ps", "--no-trunc", l.project)
		logs, _ := l.docker(nil, "service", "logs", "--raw", "--tail=100", l.project+"_loader")
		l.t.Log(output, logs)
	}
	output, err := l.docker(nil, "stack", "rm", l.project)
	assert.NoError(l.t, err, output)
	left := []string{"ps", "--all", "--quiet", "--filter", "label=com.docker.stack.namespace=" + l.project}
	assert.Eventually(l.t, func() bool {
		containers, err := l.docker(nil, left...)
		return err == nil && strings.TrimSpace(containers) == ""
	}, time.Minute, 200*time.Millisecond, "its containers are removed")
	for _, volume := range []string{"prometheus", "grafana"} {
		output, err := l.docker(nil, "volume", "rm", "--force", l.project+"_"+volume)
		assert.NoError(l.t, err, output)
	}
}
