package docker

import (
	"context"
	"fmt"
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

// What two aligned loaders do. The rate makes their number of requests the same on any machine, and what the server keeps
// of them is far more than its resident memory moves by itself.
const (
	together      = 7 // iterations of each
	burst         = 500
	sent          = 2 * together * burst
	kept          = 4096            // bytes a request
	alignedPeriod = 3 * time.Second // 2.1 s for load, settling and the rest, in whole seconds
)

func aligned() []string {
	return []string{"ALIGN=true", fmt.Sprintf("TRIES=%d", together), fmt.Sprintf("RATE=%d", 2*burst), "DURATION=500ms", "SETTLE=300ms",
		"LEAK=heap", fmt.Sprintf("LEAK_BYTES=%d", kept)}
}

func TestTwoLoadersInDocker(t *testing.T) {
	l := newComposeLab(t, aligned()...)
	d := dashboard.Read(t)
	l.mustCompose(nil, "up", "--detach", "--build", "--quiet-pull", "--scale", "loader=2")
	require.Eventually(t, func() bool {
		return strings.Count(l.mustCompose(nil, "ps", "--all", "--format", "{{.State}}", "loader"), "exited") == 2
	}, endLimit, 200*time.Millisecond, "both loaders exit")
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
	for _, rows := range tables {
		all := lab.Sum(l.t, rows, lab.ColumnRequests)
		assert.Greater(l.t, all, 0.6*sent)
		assert.LessOrEqual(l.t, all, sent+100.0, "and a few to see that the server answers")
		grown := lab.Number(l.t, rows[together-1], lab.ColumnEnd) - lab.Number(l.t, rows[0], lab.ColumnStart)
		assert.Greater(l.t, grown, all*kept*0.7, "the memory of all requests, not only its own")
	}

	// Prometheus may take a moment to store the last scrape.
	queries := d.Queries()
	total := func(text string) (sum float64) {
		for _, one := range l.ask(text) {
			sum += one.Value
		}
		return sum
	}
	l.eventually(float64(sent), func() any { return total(`sum(last_over_time(leaklab_requests_total[1d]))`) }, "both loaders' own requests")
	l.eventually(float64(sent), func() any { return total(queries["Requests per iteration/bars"].Text()) }, "the dashboard's bars are of both")
	l.eventually(together, func() any {
		ends := 0
		for _, bar := range l.ask(queries["Memory per iteration/bars"].Text()) {
			if bar.Metric["series"] == "end" {
				ends++
			}
		}
		return ends
	}, "the end of each iteration")
	l.eventually(together, func() any {
		iterations := make(map[string]bool) // bars have the colour of their loader's verdict, and the verdicts may differ
		for _, bar := range l.ask(queries["Leaked per iteration/leaked"].Text()) {
			iterations[bar.Metric["iteration"]] = true
		}
		return len(iterations)
	}, "what each iteration leaked")
	verdicts := values(l.ask(queries["Verdict/verdict"].Text()))
	require.NotEmpty(l.t, verdicts)
	assert.Subset(l.t, []float64{2, 3, 4}, verdicts)
}

// docker runs docker with the lab's settings and returns what it prints.
func (l *composeLab) docker(settings []string, args ...string) (string, error) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
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
	}, endLimit, 500*time.Millisecond, "both loaders end")
	// The logs of a service come from its tasks, one after the other, and the last lines may come late.
	l.eventually([2]int{2, 2}, func() any {
		logs, err := l.docker(nil, "service", "logs", "--raw", l.project+"_loader")
		require.NoError(t, err)
		return [2]int{len(lab.Verdicts(logs)), strings.Count(logs, "Memory:  process_resident_memory_bytes of http://server:9101/metrics")}
	}, "each loader prints a verdict, and where it reads memory")
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
	}, endLimit, 200*time.Millisecond, "its containers are removed")
	for _, volume := range []string{"prometheus", "grafana"} {
		output, err := l.docker(nil, "volume", "rm", "--force", l.project+"_"+volume)
		assert.NoError(l.t, err, output)
	}
}
