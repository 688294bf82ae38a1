package prometheus

import (
	"fmt"
	"math"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/e2e/dashboard"
	"leaklab/e2e/internal/lab"
)

// Figures of the states that the tile of the verdict shows.
const (
	tooEarly     = 1
	inconclusive = 2
	noLeak       = 3
	leak         = 4
	died         = 5
	interrupted  = 6
)

// watched is runs of the lab, one after the other, of which Prometheus keeps all.
type watched struct {
	t          *testing.T
	dashboard  dashboard.Dashboard
	prometheus string
	server     string // METRICS_PORT of the server
	loader     string // METRICS_PORT of the loader
	results    string
}

func newWatched(t *testing.T) *watched {
	t.Helper()
	ports := lab.FreePorts(t, 2)
	return &watched{
		t: t, dashboard: dashboard.Read(t), server: ports[0], loader: ports[1], results: filepath.Join(t.TempDir(), "results"),
		prometheus: lab.StartPrometheus(t, "127.0.0.1:"+ports[0], "127.0.0.1:"+ports[1]),
	}
}

// start starts a run of the demo server. Its load is short, and its rests are long enough for a scrape.
func (w *watched) start(settings ...string) *lab.Run {
	w.t.Helper()
	settings = append([]string{
		"METRICS_PORT=" + w.loader, "METRICS_URL=http://127.0.0.1:" + w.server + "/metrics",
		lab.PprofAt(w.server), "RESULTS=" + w.results,
		"SCRAPE_WAIT=30s", "GRAFANA_URL=http://0.0.0.0:3000/", "SETTLE=500ms", "REQUESTS=500",
	}, settings...)
	return lab.Start(w.t, settings, "env", "METRICS_PORT="+w.server, lab.Server)
}

// run makes a run, and returns its name and its exit code.
func (w *watched) run(settings ...string) (name string, code int) {
	w.t.Helper()
	r := w.start(settings...)
	code = r.ExitCode()
	return w.name(r), code
}

var addressLine = regexp.MustCompile(`(?m)^Grafana: +(http://\S+)$`)

// addresses are those of the dashboard that a run has printed, parsed.
func (w *watched) addresses(r *lab.Run) (all []*url.URL) {
	w.t.Helper()
	for _, match := range addressLine.FindAllStringSubmatch(r.Out.String(), -1) {
		address, err := url.Parse(match[1])
		require.NoError(w.t, err)
		assert.Equal(w.t, "localhost:3000", address.Host)
		assert.Equal(w.t, "/d/leaklab/leaklab", address.Path)
		all = append(all, address)
	}
	return all
}

// name is the name of the run, from the address that it has printed.
func (w *watched) name(r *lab.Run) string {
	w.t.Helper()
	addresses := w.addresses(r)
	require.NotEmpty(w.t, addresses, "%s%s", &r.Out, &r.Err)
	return addresses[0].Query().Get("var-run")
}

// at returns a function that asks for the moment at which a dashboard's time range ends.
func (w *watched) at(end time.Time) func(text string) []dashboard.Series {
	return func(text string) []dashboard.Series {
		w.t.Helper()
		return dashboard.Query(w.t, w.prometheus, dashboard.Last15Minutes(end), text, true)
	}
}

// tile is the one value of a tile of the first row with its name, for some runs.
func (w *watched) tile(query, name string, end time.Time, runs ...string) (text string, value float64) {
	w.t.Helper()
	target, found := w.dashboard.OpenQueries()[query]
	require.True(w.t, found, query)
	all := w.at(end)(target.Text(runs...))
	require.Len(w.t, all, 1, "%s\n%s", query, target.Text(runs...))
	return all[0].Metric[name], all[0].Value
}

// assertVerdict checks the tile of the verdict.
func (w *watched) assertVerdict(end time.Time, state float64, note string, runs ...string) {
	w.t.Helper()
	text, value := w.tile("Verdict/verdict", "note", end, runs...)
	assert.Equal(w.t, state, value, text)
	assert.Regexp(w.t, "^"+note+"$", text)
}

// assertData checks that each of some queries finds something in a time range.
func (w *watched) assertData(queries map[string]dashboard.Target, shown dashboard.Range, runs ...string) {
	w.t.Helper()
	for name, query := range queries {
		text := query.TextIn(shown.To.Sub(shown.From), runs...)
		assert.NotEmpty(w.t, dashboard.Query(w.t, w.prometheus, shown, text, query.Instant), "%s of %s:\n%s", name, runs, text)
	}
}

// ownTime is the time range that a run's link sets: the table of runs has its ends in ms.
func (w *watched) ownTime(run string) dashboard.Range {
	w.t.Helper()
	at := func(column string) time.Time {
		for _, one := range w.at(time.Now())(w.dashboard.Queries()["Runs/"+column].Text()) {
			if one.Metric["run"] == run {
				return time.UnixMilli(int64(one.Value))
			}
		}
		require.Fail(w.t, "no "+column, run)
		return time.Time{}
	}
	return dashboard.Range{From: at("started"), To: at("ended")}
}

// killed makes a run whose server is killed after two iterations.
func (w *watched) killed() string {
	w.t.Helper()
	r := w.start("LEAK=none", "TRIES=1000")
	r.AwaitOutput(w.t, "Iteration: 2 of 1000")
	require.NoError(w.t, syscall.Kill(r.ServerPID(w.t), syscall.SIGKILL))
	assert.Equal(w.t, 125, r.ExitCode())
	return w.name(r)
}

// stopped makes a run that is interrupted after an iteration.
func (w *watched) stopped() string {
	w.t.Helper()
	r := w.start("LEAK=none", "TRIES=1000")
	r.AwaitOutput(w.t, "Iteration: 1 of 1000")
	require.NoError(w.t, r.Process.Signal(syscall.SIGTERM))
	assert.Equal(w.t, 125, r.ExitCode())
	return w.name(r)
}

func TestFiveRunsAreShownWhileTheyRunAfterwardsAndADayLater(t *testing.T) {
	lab.OnlyLong(t)
	w := newWatched(t)

	leaking, kind := w.firstRun()
	short, code := w.run("LEAK=none", "TRIES=3")
	assert.Equal(t, 125, code)
	w.assertVerdict(time.Now(), inconclusive, "iteration 3: complete")
	killed := w.killed()
	w.assertVerdict(time.Now(), died, `iteration 3: killed \(SIGKILL\)`)
	stopped := w.stopped()
	w.assertVerdict(time.Now(), interrupted, `iteration \d: SIGTERM`)
	last, code := w.run("LEAK=none", "TRIES=12")
	state := map[int]float64{0: noLeak, 1: leak, 125: inconclusive}
	rows := func(run string) [][]string { return lab.RowsIn(t, filepath.Join(w.results, run)) }

	for _, end := range []time.Time{time.Now(), time.Now().Add(24 * time.Hour)} {
		ask := w.at(end)
		w.assertVerdict(end, state[code], "iteration 12: complete")
		w.assertVerdict(end, state[code], "iteration 12: complete", last)
		w.assertVerdict(end, kind, "iteration 10: complete", leaking)
		w.assertVerdict(end, inconclusive, "iteration 3: complete", short)
		w.assertVerdict(end, died, `iteration 3: killed \(SIGKILL\)`, killed)
		w.assertVerdict(end, interrupted, `iteration \d: SIGTERM`, stopped)
		w.dashboard.AssertBarsEqualTable(t, ask, rows(last))
		w.dashboard.AssertBarsEqualTable(t, ask, rows(last), leaking, last)
		w.dashboard.AssertBarsEqualTable(t, ask, rows(leaking), leaking)
		w.dashboard.AssertLiveBarsEqualTable(t, ask, rows(last))
		w.dashboard.AssertLiveBarsEqualTable(t, ask, rows(leaking), leaking)
		w.dashboard.AssertSites(t, ask, w.results, leaking)
		w.dashboard.AssertSites(t, ask, w.results, last)
		w.dashboard.AssertOverlay(t, ask, w.results, leaking, last)
		w.dashboard.AssertOverlay(t, ask, w.results, leaking, short, killed, stopped, last)
		w.assertChoices(end, leaking, short, killed, stopped, last)
		w.assertCurves(end, leaking, last)
		w.assertTheSentence(end, leaking, short)
		for _, run := range []string{leaking, short, killed, stopped, last} {
			w.assertData(w.dashboard.OpenQueries(), dashboard.Last15Minutes(end), run)
		}
		w.assertData(w.dashboard.OpenQueries(), dashboard.Last15Minutes(end))
	}
	for _, run := range []string{leaking, last} { // at its own time, with four others kept
		w.assertData(w.dashboard.Queries(), w.ownTime(run), run)
	}
}

// firstRun makes a run that leaks, and looks at it from its first seconds on. It returns the figure of its verdict.
func (w *watched) firstRun() (name string, kind float64) {
	w.t.Helper()
	r := w.start("LEAK=heap", "LEAK_BYTES=4096", "TRIES=10", "REQUESTS=1000", "SETTLE=800ms")
	r.AwaitOutput(w.t, "Grafana: ")
	name = w.name(r)
	states := map[float64]bool{}
	require.Eventually(w.t, func() bool {
		all := w.at(time.Now())(w.dashboard.OpenQueries()["Verdict/verdict"].Text())
		for _, one := range all {
			states[one.Value] = true
		}
		return len(all) == 1 && all[0].Metric["note"] == "iteration 2 of 10"
	}, time.Minute, 50*time.Millisecond)
	assert.NotContains(w.t, states, float64(noLeak), "nothing is green before there is evidence")
	w.assertVerdict(time.Now(), tooEarly, "iteration 2 of 10", name)
	text, value := w.tile("Growth per request/growth", "note", time.Now())
	assert.True(w.t, math.IsNaN(value), text)
	assert.Equal(w.t, "tolerance 4", text)
	text, value = w.tile("Grows/grows", "part", time.Now())
	assert.True(w.t, math.IsNaN(value), text)
	assert.Equal(w.t, "needs 5 iterations", text)
	_, value = w.tile("Limit in/left", "", time.Now())
	assert.True(w.t, math.IsNaN(value))
	r.AwaitOutput(w.t, "Iteration: 3 of 10")
	time.Sleep(2500 * time.Millisecond) // two scrapes, so that rates are known
	w.assertData(w.dashboard.Queries(), dashboard.Last15Minutes(time.Now()))
	w.assertData(w.dashboard.Queries(), dashboard.Last15Minutes(time.Now()), name)

	code := r.ExitCode()
	kind = map[int]float64{0: noLeak, 1: leak, 125: inconclusive}[code]
	w.assertVerdict(time.Now(), kind, "iteration 10: complete")
	w.assertData(w.dashboard.Queries(), dashboard.Last15Minutes(time.Now()))
	w.assertAddresses(r, name)
	return name, kind
}

// assertAddresses checks the addresses that a run has printed: when it began, and when it was over.
func (w *watched) assertAddresses(r *lab.Run, name string) {
	w.t.Helper()
	addresses := w.addresses(r)
	require.Len(w.t, addresses, 2, r.Out.String())
	milliseconds := func(address *url.URL, end string) time.Time {
		n, err := strconv.ParseInt(address.Query().Get(end), 10, 64)
		require.NoError(w.t, err)
		return time.UnixMilli(n)
	}
	began, over := addresses[0], addresses[1]
	assert.Equal(w.t, "now", began.Query().Get("to"))
	assert.Equal(w.t, "5s", began.Query().Get("refresh"))
	assert.Equal(w.t, name, over.Query().Get("var-run"))
	assert.Empty(w.t, over.Query().Get("refresh"))
	own := w.ownTime(name)
	assert.WithinDuration(w.t, own.From.Add(-2*time.Second), milliseconds(over, "from"), time.Second)
	assert.True(w.t, milliseconds(over, "to").After(own.To.Add(-5*time.Second)))
}

// assertChoices checks the list at the top: the newest first, each with shape and verdict.
func (w *watched) assertChoices(end time.Time, runs ...string) {
	w.t.Helper()
	choices := w.dashboard.Choices(w.t, w.prometheus, end)
	require.Len(w.t, choices, len(runs)+1)
	assert.Equal(w.t, dashboard.Choice{Value: "newest", Text: "newest"}, choices[0])
	for n, run := range runs {
		choice := choices[len(runs)-n]
		assert.Equal(w.t, run, choice.Value)
		assert.Regexp(w.t, "^"+run+" keepalive (leak|no leak|inconclusive|died|interrupted)$", choice.Text)
	}
}

// assertCurves checks memory over the run: a curve for each run, from its beginning on, and of the newest its load, and a
// line of the growth if one was judged.
func (w *watched) assertCurves(end time.Time, runs ...string) {
	w.t.Helper()
	points := map[string]map[float64]float64{}
	for _, one := range w.at(end)(w.dashboard.OpenQueries()["Memory over the run/memory"].Text(runs...)) {
		column := one.Metric["series"]
		if points[column] == nil {
			points[column] = map[float64]float64{}
		}
		at, err := strconv.ParseFloat(one.Metric["elapsed"], 64)
		require.NoError(w.t, err)
		assert.NotContains(w.t, points[column], at)
		points[column][at] = one.Value
	}
	var columns []string
	for column := range points {
		columns = append(columns, column)
	}
	expected := []string{"load", "fitted growth", "at least", "at most"}
	for _, run := range runs {
		found := ""
		for _, column := range columns {
			if strings.HasPrefix(column, run+" ") {
				found = column
			}
		}
		require.NotEmpty(w.t, found, "%s of %s", run, columns)
		expected = append(expected, found)
		length := w.ownTime(run).To.Sub(w.ownTime(run).From).Seconds()
		assert.Greater(w.t, len(points[found]), 20, "at least some for each iteration")
		for at, mebibytes := range points[found] {
			assert.LessOrEqual(w.t, at, length+1)
			assert.InDelta(w.t, 100, mebibytes, 99.9, "MiB")
		}
	}
	assert.ElementsMatch(w.t, expected, columns)
	newest := len(lab.RowsIn(w.t, filepath.Join(w.results, runs[len(runs)-1])))
	assert.Len(w.t, points["load"], 2*newest, "where it begins and ends")
	for at, estimate := range points["fitted growth"] {
		assert.LessOrEqual(w.t, points["at least"][at], estimate)
		assert.GreaterOrEqual(w.t, points["at most"][at], estimate)
	}
}

// assertTheSentence checks the other tiles of the first row, of a run that was judged and of one that was too short.
func (w *watched) assertTheSentence(end time.Time, judged, short string) {
	w.t.Helper()
	text, value := w.tile("Growth per request/growth", "note", end, judged)
	match := regexp.MustCompile(`^(?:(?:live|outside): )?(-?[\d.]+) to (-?[\d.]+), tolerance 4$`).FindStringSubmatch(text)
	require.NotNil(w.t, match, text)
	var lower, upper float64
	_, err := fmt.Sscan(match[1]+" "+match[2], &lower, &upper)
	require.NoError(w.t, err)
	assert.LessOrEqual(w.t, lower, value+0.1)
	assert.GreaterOrEqual(w.t, upper, value-0.1)
	for _, one := range w.at(end)(w.dashboard.OpenQueries()["Grows/grows"].Text(judged)) {
		assert.Contains(w.t, []string{"live", "slack", "outside", "no part above tolerance"}, one.Metric["part"])
	}
	_, errors := w.tile("Errors/errors", "", end, judged)
	assert.Zero(w.t, errors)
	text, value = w.tile("Growth per request/growth", "note", end, short)
	assert.True(w.t, math.IsNaN(value))
	assert.Equal(w.t, "tolerance 4", text)
	_, value = w.tile("Limit in/left", "", end, short)
	assert.True(w.t, math.IsNaN(value))
}
