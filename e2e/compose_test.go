package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// requireDocker skips the test where there is no Docker, and fails it there if CI says that there must be.
func requireDocker(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for _, probe := range [][]string{{"info"}, {"compose", "version"}} {
		if output, err := exec.CommandContext(ctx, "docker", probe...).CombinedOutput(); err != nil {
			message := fmt.Sprintf("needs Docker with Compose: docker %s: %v: %s", strings.Join(probe, " "), err, bytes.TrimSpace(output))
			if os.Getenv("LEAKLAB_REQUIRE_DOCKER") != "" {
				t.Fatal(message)
			}
			t.Skip(message)
		}
	}
}

// lab is the real docker-compose.yml as a project of its own, on ports of its own.
type lab struct {
	t           *testing.T
	project     string
	environment []string
	results     string
	server      string // published addresses, host:port
	prometheus  string
	grafana     string
}

func newLab(t *testing.T, settings ...string) *lab {
	t.Helper()
	requireDocker(t)
	ports := freePorts(t, 3)
	l := &lab{
		t:          t,
		project:    fmt.Sprintf("leaklab-e2e-%d", os.Getpid()),
		results:    filepath.Join(t.TempDir(), "results"), // missing: Docker makes it
		server:     "127.0.0.1:" + ports[0],
		prometheus: "127.0.0.1:" + ports[1],
		grafana:    "127.0.0.1:" + ports[2],
	}
	l.environment = append(os.Environ(), "HOST=127.0.0.1", "PORT="+ports[0], "PROMETHEUS_PORT="+ports[1], "GRAFANA_PORT="+ports[2],
		"RESULTS="+l.results, "WORKERS=20", "SETTLE=200ms", "RELEASE=1s")
	l.environment = append(l.environment, settings...)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(l.compose(nil, "logs", "--no-color", "--tail=200"))
		}
		l.compose(nil, "down", "--volumes", "--remove-orphans", "--rmi=local", "--timeout=2")
	})
	return l
}

// compose runs docker compose and returns what it prints.
func (l *lab) compose(settings []string, args ...string) (string, error) {
	l.t.Helper()
	cmd := exec.Command("docker", append([]string{"compose", "--project-directory", "..", "-p", l.project}, args...)...)
	cmd.Env = append(l.environment, settings...)
	output, err := cmd.CombinedOutput()
	return string(output), err
}

func (l *lab) mustCompose(settings []string, args ...string) string {
	l.t.Helper()
	output, err := l.compose(settings, args...)
	require.NoError(l.t, err, "docker compose %s:\n%s", strings.Join(args, " "), output)
	return output
}

func (l *lab) up(settings ...string) {
	l.t.Helper()
	l.mustCompose(settings, "up", "--detach", "--build", "--quiet-pull")
}

// container is what docker inspect says of a service's container.
type container struct {
	State struct {
		Status   string
		ExitCode int
	}
	Config struct {
		User string
		Env  []string
	}
	HostConfig struct {
		NetworkMode     string
		ReadonlyRootfs  bool
		Privileged      bool
		CapAdd, CapDrop []string
		SecurityOpt     []string
		Memory          int64
		PidsLimit       int64
		PortBindings    map[string][]struct{ HostIP, HostPort string }
	}
}

func (l *lab) inspect(service string) container {
	l.t.Helper()
	id := strings.TrimSpace(l.mustCompose(nil, "ps", "--all", "--quiet", service))
	output, err := exec.Command("docker", "inspect", id).Output()
	require.NoError(l.t, err)
	var containers []container
	require.NoError(l.t, json.Unmarshal(output, &containers))
	require.Len(l.t, containers, 1)
	return containers[0]
}

// awaitLoader waits until the loader has exited and returns its exit code.
func (l *lab) awaitLoader() int {
	l.t.Helper()
	var c container
	require.Eventually(l.t, func() bool {
		c = l.inspect("loader")
		return c.State.Status == "exited"
	}, 3*time.Minute, 200*time.Millisecond, "the loader exits")
	return c.State.ExitCode
}

// series is one element of Prometheus's answer: its labels and its newest value.
type series struct {
	Metric map[string]string
	Value  float64
}

// query asks Prometheus, as Grafana would: for the last 15 minutes, or for this moment.
func (l *lab) query(text string, instant bool) []series {
	l.t.Helper()
	return l.queryAt(time.Now(), text, instant)
}

// queryAt is query with another end of the time that is shown.
func (l *lab) queryAt(end time.Time, text string, instant bool) []series {
	l.t.Helper()
	form := url.Values{"query": {text}, "time": {strconv.FormatFloat(float64(end.UnixMilli())/1000, 'f', 3, 64)}}
	path := "/api/v1/query"
	if !instant {
		path = "/api/v1/query_range"
		form.Set("start", strconv.FormatInt(end.Add(-15*time.Minute).Unix(), 10))
		form.Set("end", strconv.FormatInt(end.Unix(), 10))
		form.Set("step", "1")
	}
	resp, err := http.PostForm("http://"+l.prometheus+path, form)
	require.NoError(l.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(l.t, err)
	var answer struct {
		Status, Error string
		Data          struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
				Values [][2]any
			}
		}
	}
	require.NoError(l.t, json.Unmarshal(body, &answer), string(body))
	require.Equal(l.t, "success", answer.Status, "%s\n%s", text, answer.Error)
	var result []series
	for _, r := range answer.Data.Result {
		newest := r.Value
		if !instant {
			newest = r.Values[len(r.Values)-1]
		}
		value, err := strconv.ParseFloat(newest[1].(string), 64)
		require.NoError(l.t, err)
		result = append(result, series{r.Metric, value})
	}
	return result
}

func (l *lab) assertEveryQueryReturnsData(d dashboard, when string, runs ...string) {
	l.t.Helper()
	for name, query := range d.queries() {
		assert.NotEmpty(l.t, l.query(query.text(runs...), query.Instant), "%s: %s:\n%s", when, name, query.text(runs...))
	}
}

// choices returns what can be chosen at the top of the dashboard, as Grafana finds it in Prometheus's answer.
func (l *lab) choices(d dashboard, end time.Time) []string {
	l.t.Helper()
	run := d.Templating.List[0]
	query := strings.TrimSuffix(strings.TrimPrefix(run.Query.Query, "query_result("), ")")
	pattern := regexp.MustCompile(strings.Trim(run.Regex, "/"))
	var choices []string
	for _, one := range l.queryAt(end, query, true) {
		var labels []string
		for name, value := range one.Metric {
			labels = append(labels, fmt.Sprintf("%s=%q", name, value))
		}
		match := pattern.FindStringSubmatch(fmt.Sprintf("{%s} %v %d", strings.Join(labels, ","), one.Value, time.Now().UnixMilli()))
		require.Len(l.t, match, 2)
		choices = append(choices, match[1])
	}
	sort.Sort(sort.Reverse(sort.StringSlice(choices)))
	return choices
}

// runs returns the names of the runs so far, the oldest first.
func (l *lab) runs() []string {
	l.t.Helper()
	folders, err := filepath.Glob(filepath.Join(l.results, "*"))
	require.NoError(l.t, err)
	for n := range folders {
		folders[n] = filepath.Base(folders[n])
	}
	return folders
}

// assertOverlay compares the bars that lay runs over each other with each run's iterations.csv.
func (l *lab) assertOverlay(d dashboard, runs ...string) {
	l.t.Helper()
	want, got := map[string]float64{}, map[string]float64{}
	for _, run := range runs {
		for _, row := range rowsIn(l.t, filepath.Join(l.results, run)) {
			want[run+" "+row[0]] = number(l.t, row, columnEnd)
		}
	}
	overlay := d.queries()["End of each iteration, run by run/end"]
	for _, bar := range l.query(overlay.text(runs...), overlay.Instant) {
		got[bar.Metric["run"]+" "+strings.TrimLeft(bar.Metric["iteration"], "0")] = bar.Value
	}
	assert.Equal(l.t, want, got)
}

// assertBarsEqualTable compares the bars of the dashboard, with a run chosen or else the newest, with iterations.csv.
func (l *lab) assertBarsEqualTable(d dashboard, rows [][]string, run ...string) {
	l.t.Helper()
	queries := d.queries()
	for name, value := range map[string]func(row []string) float64{
		"Memory per iteration/start":      func(row []string) float64 { return number(l.t, row, columnStart) },
		"Memory per iteration/end":        func(row []string) float64 { return number(l.t, row, columnEnd) },
		"Memory per iteration/peak":       func(row []string) float64 { return number(l.t, row, columnPeak) },
		"Leaked per iteration/leaked":     func(row []string) float64 { return number(l.t, row, columnEnd) - number(l.t, row, columnStart) },
		"Requests per iteration/requests": func(row []string) float64 { return number(l.t, row, columnRequests) },
	} {
		require.Contains(l.t, queries, name)
		bars := l.query(queries[name].text(run...), queries[name].Instant)
		sort.Slice(bars, func(i, j int) bool { return bars[i].Metric["iteration"] < bars[j].Metric["iteration"] })
		require.Len(l.t, bars, len(rows), name)
		for n, row := range rows {
			assert.Equal(l.t, fmt.Sprintf("%0*s", len(strconv.Itoa(len(rows))), row[0]), bars[n].Metric["iteration"], name)
			assert.Equal(l.t, value(row), bars[n].Value, name)
		}
	}
}

// newestRows returns iterations.csv of the newest run, and checks how many runs there are.
func (l *lab) newestRows(runs int) [][]string {
	l.t.Helper()
	return rowsIn(l.t, newest(l.t, l.results, runs))
}

// newestReport returns run.json of the newest run, and checks how many runs there are.
func (l *lab) newestReport(runs int) runFile {
	l.t.Helper()
	return readRunFile(l.t, newest(l.t, l.results, runs))
}

func TestLabInDocker(t *testing.T) {
	const tries = 10
	l := newLab(t, "TRIES="+strconv.Itoa(tries), "DURATION=1s", "LEAK=heap", "LEAK_BYTES=64")
	d := readDashboard(t)
	l.up()

	// While it runs.
	require.Eventually(t, func() bool { return len(l.query("leaklab_iteration_rss_end_bytes", true)) >= 3 }, 2*time.Minute, 100*time.Millisecond)
	for _, job := range []string{"server", "loader"} {
		assert.Equal(t, []float64{1}, values(l.query(fmt.Sprintf("up{job=%q}", job), true)), job)
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
	assert.Equal(t, verdictCode(t, logs), code, logs)
	assert.NotEqual(t, 0, code, "it leaks")
	if code == 1 {
		assert.Contains(t, strings.Join(strings.Fields(logs), " "), "the limit of its cgroup, 2048 MiB", "the limit of the server's container, from outside")
	}
	shown := d.queries()["Verdict/verdict"]
	assert.Equal(t, []float64{map[int]float64{125: 0, 0: 1, 1: 2}[code]}, values(l.query(shown.text(), shown.Instant)), "the dashboard shows the same verdict")
	rows := l.newestRows(1)
	require.Len(t, rows, tries)
	l.assertEveryQueryReturnsData(d, "after the loader has exited")
	l.assertBarsEqualTable(d, rows)
	for _, row := range rows {
		assert.Zero(t, number(t, row, columnErrors))
	}
	assert.Greater(t, leakedBytes(t, rows, 0), requestsIn(t, rows)*64*0.8)
	for _, service := range []string{"server", "prometheus", "grafana"} {
		assert.Equal(t, "running", l.inspect(service).State.Status, service)
	}

	profiles, err := filepath.Glob(filepath.Join(l.results, "*", "heap-end.pb.gz"))
	require.NoError(t, err)
	assert.Len(t, profiles, 1)
	assert.Contains(t, strings.Join(strings.Fields(logs), " "), "called by main.leakHeap.func1 (leak.go:", "the leak's line")

	// A second run while Prometheus keeps the first, with more iterations than there are scrapes: none is lost.
	const many = 100
	l.up("LEAK=none", "TRIES="+strconv.Itoa(many), "DURATION=20ms", "SETTLE=10ms")
	l.awaitLoader()
	assert.Equal(t, "none", l.query("leaklab_demo_info", true)[0].Metric["leak"])
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

// assertRunsCanBeChosen checks what the dashboard shows of three runs that are over.
func (l *lab) assertRunsCanBeChosen(d dashboard) {
	l.t.Helper()
	runs := l.runs()
	require.Len(l.t, runs, 3)
	first, second, third := runs[0], runs[1], runs[2]
	assert.Equal(l.t, []string{"newest", third, second, first}, l.choices(d, time.Now()))
	for _, run := range runs {
		l.assertBarsEqualTable(d, rowsIn(l.t, filepath.Join(l.results, run)), run)
		l.assertOverlay(d, run)
	}
	l.assertEveryQueryReturnsData(d, "the first of three", first)
	l.assertEveryQueryReturnsData(d, "the second of three", second)
	l.assertEveryQueryReturnsData(d, "two of three", first, second)
	l.assertOverlay(d, first, second)
	l.assertOverlay(d, first, second, third)
	l.assertBarsEqualTable(d, rowsIn(l.t, filepath.Join(l.results, second)), first, second) // the newer of them

	// The newest beside another; and what is no run is nothing.
	overlay := d.queries()["End of each iteration, run by run/end"]
	assert.ElementsMatch(l.t, l.query(overlay.text(first, third), true), l.query(overlay.text(first, "newest"), true))
	assert.ElementsMatch(l.t, l.query(overlay.text(third), true), l.query(overlay.text("newest"), true))
	assert.Empty(l.t, l.query(overlay.text("20001231T235959Z"), true))

	// Whatever time is shown.
	before := time.Now().Add(-time.Hour)
	assert.Equal(l.t, []string{"newest", third, second, first}, l.choices(d, before))
	assert.ElementsMatch(l.t, l.query(overlay.text(first, third), true), l.queryAt(before, overlay.text(first, third), true))

	// Each choice has its own server, verdict and lines.
	demo, verdict, kinds := d.queries()["Demo server and load/demo"], d.queries()["Verdict/verdict"], d.queries()["Resident memory over time, by kind/kinds"]
	for n, leak := range []string{"heap", "none"} {
		shown := l.query(demo.text(runs[n]), true)
		require.Len(l.t, shown, 1)
		assert.Equal(l.t, leak, shown[0].Metric["leak"])
		assert.Equal(l.t, runs[n], l.query(verdict.text(runs[n]), true)[0].Metric["run"])
	}
	assert.NotEqual(l.t, values(l.query(kinds.text(first), false)), values(l.query(kinds.text(second), false)))

	// The table lists them all, whichever is chosen, and each has its report where the link leads.
	for _, column := range []string{"started", "ended", "iterations", "rate", "verdict", "lower", "estimate", "upper"} {
		assert.Len(l.t, l.query(d.queries()["Runs/"+column].text(first), true), len(runs), column)
	}
	for _, run := range runs {
		want, err := os.ReadFile(filepath.Join(l.results, run, "report.html"))
		require.NoError(l.t, err)
		for panel, path := range d.reportLinks(l.t, run) {
			assert.Equal(l.t, string(want), l.mustCompose(nil, "exec", "--no-TTY", "grafana", "cat", "/usr/share/grafana"+path), panel)
		}
	}
	output, err := l.compose(nil, "exec", "--no-TTY", "--user=0", "grafana", "rm", "/usr/share/grafana"+reports+first+"/report.html")
	assert.Error(l.t, err, output)
	assert.Contains(l.t, output, "Read-only file system")
}

func TestRunOnceInDocker(t *testing.T) {
	l := newLab(t, "TRIES=2", "DURATION=300ms", "LEAK=none")
	output, _ := l.compose(nil, "run", "--rm", "--build", "--no-TTY", "-e", "TRIES=1", "loader")
	assert.Contains(t, output, "Iteration: 1 of 1")
	assert.Len(t, l.newestRows(1), 1)
	report := l.newestReport(1)
	if checkout, err := os.Stat("../.git"); err == nil && checkout.IsDir() {
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

// imageFiles are the compose files for any image in place of the demo server.
const imageFiles = "COMPOSE_FILE=../docker-compose.yml:../compose/image.yml"

func TestAnyImageInDocker(t *testing.T) {
	environment := filepath.Join(t.TempDir(), "image.env")
	require.NoError(t, os.WriteFile(environment, []byte("GREETING=hello from a file\n"), 0o600))
	l := newLab(t, imageFiles, "SERVER_IMAGE=nginx:1.29", "SERVER_PORT=80", "SERVER_ENV_FILE="+environment,
		"REQUEST_PATH=/", "TRIES=10", "DURATION=1s", "LEAK=heap")
	d := readDashboard(t)
	l.up()
	assert.Equal(t, 0, l.awaitLoader())
	logs := l.mustCompose(nil, "logs", "--no-log-prefix", "loader")
	assert.Contains(t, logs, "Verdict: no leak\n")
	assert.Contains(t, logs, "(now 3 processes; what they share is counted once)", "nginx's user is not the loader's")
	rows := l.newestRows(1)
	require.Len(t, rows, 10)
	for _, row := range rows {
		assert.Equal(t, "3", row[columnProcesses])
		assert.Zero(t, number(t, row, columnErrors))
		assert.Positive(t, number(t, row, columnOpenFiles))
		assert.NotEmpty(t, row[columnPageCache], "the container has a control group of its own")
	}

	report := l.newestReport(1)
	assert.Equal(t, &serverImage{Reference: "nginx:1.29"}, report.Environment.Server.Image)
	assert.Regexp(t, `^SERVER_PORT=80 DURATION=1s .*REQUEST_PATH=/ SERVER_IMAGE=nginx:1.29 SERVER_ENV_FILE=`+regexp.QuoteMeta(environment)+
		` docker compose -f docker-compose.yml -f compose/image.yml up$`, report.Reproduce)

	// The same dashboard, from what the loader sees; the server shows no metrics of its own.
	l.assertBarsEqualTable(d, rows)
	for name, query := range d.queries() {
		if strings.Contains(query.Expr, "go_") && strings.Contains(query.Expr, "server") || strings.Contains(query.Expr, `{job="server"}`) ||
			strings.Contains(query.Expr, "leaklab_demo_info") || strings.Contains(query.Expr, "live_heap") {
			continue
		}
		assert.NotEmpty(t, l.query(query.text(), query.Instant), "%s:\n%s", name, query.text())
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

func TestImageNeedsItsNameAndPortInDocker(t *testing.T) {
	l := newLab(t, imageFiles)
	for missing, settings := range map[string][]string{
		"the image of the server, for example nginx:1.29": {"SERVER_PORT=80"},
		"the port on which the image's server listens":    {"SERVER_IMAGE=nginx:1.29"},
	} {
		output, err := l.compose(settings, "config", "--quiet")
		assert.Error(t, err)
		assert.Contains(t, output, missing)
	}
}

func values(all []series) []float64 {
	var values []float64
	for _, one := range all {
		values = append(values, one.Value)
	}
	return values
}

func (l *lab) assertHardened() {
	l.t.Helper()
	services := strings.Fields(l.mustCompose(nil, "config", "--services"))
	assert.ElementsMatch(l.t, []string{"server", "loader", "processes", "prometheus", "grafana"}, services)
	for _, service := range services {
		c := l.inspect(service)
		assert.NotContains(l.t, []string{"", "0", "root"}, strings.Split(c.Config.User, ":")[0], "%s: user", service)
		assert.True(l.t, c.HostConfig.ReadonlyRootfs, "%s: read-only root", service)
		assert.False(l.t, c.HostConfig.Privileged, service)
		assert.Empty(l.t, c.HostConfig.CapAdd, service)
		assert.Equal(l.t, []string{"ALL"}, c.HostConfig.CapDrop, service)
		assert.Contains(l.t, c.HostConfig.SecurityOpt, "no-new-privileges:true", service)
		assert.Positive(l.t, c.HostConfig.Memory, "%s: memory limit", service)
		assert.Positive(l.t, c.HostConfig.PidsLimit, "%s: pids limit", service)
	}
	assert.Equal(l.t, "none", l.inspect("processes").HostConfig.NetworkMode)
}

// assertGrafanaIsOnlyLookedAt checks what Grafana is told. That it obeys is seen with the real one alone.
func (l *lab) assertGrafanaIsOnlyLookedAt() {
	l.t.Helper()
	told := l.inspect("grafana").Config.Env
	for _, setting := range []string{
		"GF_AUTH_ANONYMOUS_ENABLED=true", "GF_AUTH_ANONYMOUS_ORG_ROLE=Viewer", "GF_AUTH_BASIC_ENABLED=false", "GF_AUTH_DISABLE_LOGIN_FORM=true",
		"GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION=true", "GF_USERS_ALLOW_SIGN_UP=false", "GF_ANALYTICS_REPORTING_ENABLED=false",
	} {
		assert.Contains(l.t, told, setting)
	}
	for _, setting := range told {
		assert.NotRegexp(l.t, "^GF_SECURITY_ADMIN_|_VIEWERS_CAN_EDIT=true|_EDITORS_CAN_ADMIN=true", setting)
	}
}

func (l *lab) assertOnlyTheDocumentedPortsArePublished() {
	l.t.Helper()
	for service, want := range map[string]map[string]string{
		"server": {"3030/tcp": l.server}, "loader": {}, "processes": {}, "prometheus": {"9090/tcp": l.prometheus}, "grafana": {"3000/tcp": l.grafana},
	} {
		published := map[string]string{}
		for port, bindings := range l.inspect(service).HostConfig.PortBindings {
			for _, binding := range bindings {
				published[port] = binding.HostIP + ":" + binding.HostPort
			}
		}
		assert.Equal(l.t, want, published, service)
	}
	addresses, err := net.InterfaceAddrs()
	require.NoError(l.t, err)
	for _, address := range addresses {
		if own, ok := address.(*net.IPNet); ok && !own.IP.IsLoopback() && own.IP.To4() != nil {
			for _, published := range []string{l.server, l.prometheus, l.grafana} {
				_, port, _ := net.SplitHostPort(published)
				conn, err := net.DialTimeout("tcp", net.JoinHostPort(own.IP.String(), port), time.Second)
				if assert.Error(l.t, err, "%s of %s is not HOST", port, own.IP) {
					continue
				}
				_ = conn.Close()
			}
		}
	}
	for address, path := range map[string]string{l.server: "/hello/warp", l.prometheus: "/-/ready", l.grafana: "/api/health"} {
		assert.Eventually(l.t, func() bool {
			resp, err := http.Get("http://" + address + path)
			if err != nil {
				return false
			}
			defer resp.Body.Close()
			return resp.StatusCode == http.StatusOK
		}, time.Minute, 200*time.Millisecond, address+path)
	}
}

// assertGrafanaHasItsFiles checks that Grafana's user can read what it is provisioned with, where it looks for it.
func (l *lab) assertGrafanaHasItsFiles() {
	l.t.Helper()
	for inside, file := range map[string]string{
		"/etc/grafana/dashboards/leaklab.json":                 dashboardFile,
		"/etc/grafana/provisioning/dashboards/leaklab.yml":     "../grafana/provisioning/dashboards/leaklab.yml",
		"/etc/grafana/provisioning/datasources/prometheus.yml": "../grafana/provisioning/datasources/prometheus.yml",
	} {
		want, err := os.ReadFile(file)
		require.NoError(l.t, err)
		assert.Equal(l.t, string(want), l.mustCompose(nil, "exec", "--no-TTY", "grafana", "cat", inside), inside)
	}
}
