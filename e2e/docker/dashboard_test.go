package docker

import (
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/e2e/dashboard"
	"leaklab/e2e/internal/lab"
)

// query asks Prometheus, as Grafana would: for the last 15 minutes, or for this moment.
func (l *composeLab) query(text string, instant bool) []dashboard.Series {
	l.t.Helper()
	return l.queryAt(time.Now(), text, instant)
}

// queryAt is query with another end of the time that is shown.
func (l *composeLab) queryAt(end time.Time, text string, instant bool) []dashboard.Series {
	l.t.Helper()
	return dashboard.Query(l.t, l.prometheus, dashboard.Last15Minutes(end), text, instant)
}

// ask is query for this moment.
func (l *composeLab) ask(text string) []dashboard.Series {
	l.t.Helper()
	return l.query(text, true)
}

func values(all []dashboard.Series) []float64 {
	var values []float64
	for _, one := range all {
		values = append(values, one.Value)
	}
	return values
}

func (l *composeLab) assertEveryQueryReturnsData(d dashboard.Dashboard, when string, runs ...string) {
	l.t.Helper()
	for name, query := range d.Queries() {
		l.eventually(true, func() any { return len(l.query(query.Text(runs...), query.Instant)) > 0 }, "%s: %s:\n%s", when, name, query.Text(runs...))
	}
}

// choices returns the runs that can be chosen at the top of the dashboard.
func (l *composeLab) choices(d dashboard.Dashboard, end time.Time) (runs []string) {
	l.t.Helper()
	for _, choice := range d.Choices(l.t, l.prometheus, end) {
		runs = append(runs, choice.Value)
	}
	return runs
}

// assertOverlay compares the bars that lay runs over each other with each run's iterations.csv.
func (l *composeLab) assertOverlay(d dashboard.Dashboard, runs ...string) {
	l.t.Helper()
	d.AssertOverlay(l.t, l.ask, l.results, runs...)
}

// assertBarsEqualTable compares the bars of the dashboard, with a run chosen or else the newest, with iterations.csv.
func (l *composeLab) assertBarsEqualTable(d dashboard.Dashboard, rows [][]string, run ...string) {
	l.t.Helper()
	leaked := d.Queries()["Leaked per iteration/leaked"].Text(run...)
	l.eventually(len(rows), func() any { return len(l.ask(leaked)) }, "the last scrape is stored")
	d.AssertBarsEqualTable(l.t, l.ask, rows, run...)
}

// assertSiteIsShown checks that the dashboard shows a site of the newest run whose name matches, with its growth in bytes a
// request between its bounds.
func (l *composeLab) assertSiteIsShown(d dashboard.Dashboard, name string, growth float64) {
	l.t.Helper()
	bounds := make(map[string]float64)
	for _, shown := range l.ask(d.Queries()["Growth by site/sites"].Text()) {
		if regexp.MustCompile(name).MatchString(shown.Metric["site"]) {
			bounds[shown.Metric["bound"]] = shown.Value
		}
	}
	require.Len(l.t, bounds, 3, "estimate, lower and upper")
	assert.InEpsilon(l.t, growth, bounds["estimate"], 0.05)
	assert.LessOrEqual(l.t, bounds["lower"], bounds["estimate"])
	assert.GreaterOrEqual(l.t, bounds["upper"], bounds["estimate"])
}

// assertRunsCanBeChosen checks what the dashboard shows of three runs that are over.
func (l *composeLab) assertRunsCanBeChosen(d dashboard.Dashboard) {
	l.t.Helper()
	runs := l.runs()
	require.Len(l.t, runs, 3)
	first, second, third := runs[0], runs[1], runs[2]
	assert.Equal(l.t, []string{"newest", third, second, first}, l.choices(d, time.Now()))
	for _, run := range runs {
		l.assertBarsEqualTable(d, lab.RowsIn(l.t, filepath.Join(l.results, run)), run)
		l.assertOverlay(d, run)
	}
	l.assertEveryQueryReturnsData(d, "the first of three", first)
	l.assertEveryQueryReturnsData(d, "the second of three", second)
	l.assertEveryQueryReturnsData(d, "two of three", first, second)
	l.assertOverlay(d, first, second)
	l.assertOverlay(d, first, second, third)
	l.assertBarsEqualTable(d, lab.RowsIn(l.t, filepath.Join(l.results, second)), first, second) // the newer of them

	// The newest beside another; and what is no run is nothing.
	overlay := d.Queries()["End of each iteration, run by run/end"]
	assert.ElementsMatch(l.t, l.query(overlay.Text(first, third), true), l.query(overlay.Text(first, "newest"), true))
	assert.ElementsMatch(l.t, l.query(overlay.Text(third), true), l.query(overlay.Text("newest"), true))
	assert.Empty(l.t, l.query(overlay.Text("20001231T235959Z"), true))

	// Whatever time is shown.
	before := time.Now().Add(-time.Hour)
	assert.Equal(l.t, []string{"newest", third, second, first}, l.choices(d, before))
	assert.ElementsMatch(l.t, l.query(overlay.Text(first, third), true), l.queryAt(before, overlay.Text(first, third), true))

	// Each choice has its own server, verdict and lines.
	demo, verdict, kinds := d.Queries()["Demo server and load/demo"], d.Queries()["Verdict/verdict"], d.Queries()["Resident memory over time, by kind/kinds"]
	for n, leak := range []string{"heap", "none"} {
		shown := l.query(demo.Text(runs[n]), true)
		require.Len(l.t, shown, 1)
		assert.Equal(l.t, leak, shown[0].Metric["leak"])
		assert.Equal(l.t, runs[n], l.query(verdict.Text(runs[n]), true)[0].Metric["run"])
	}
	assert.NotEqual(l.t, values(l.query(kinds.Text(first), false)), values(l.query(kinds.Text(second), false)))

	// The table lists them all, whichever is chosen, and each has its report where the link leads.
	for _, column := range []string{"started", "ended", "iterations", "rate", "lower", "estimate", "upper"} {
		assert.Len(l.t, l.query(d.Queries()["Runs/"+column].Text(first), true), len(runs), column)
	}
	for _, row := range l.query(d.Queries()["Runs/started"].Text(first), true) {
		assert.Contains(l.t, []string{"leak", "no leak", "inconclusive"}, row.Metric["state"], row.Metric["run"])
	}
	for _, run := range runs {
		want, err := os.ReadFile(filepath.Join(l.results, run, "report.html"))
		require.NoError(l.t, err)
		for panel, path := range d.ReportLinks(l.t, run) {
			assert.Equal(l.t, string(want), l.mustCompose(nil, "exec", "--no-TTY", "grafana", "cat", "/usr/share/grafana"+path), panel)
		}
	}
	output, err := l.compose(nil, "exec", "--no-TTY", "--user=0", "grafana", "rm", "/usr/share/grafana"+dashboard.Reports+first+"/report.html")
	assert.Error(l.t, err, output)
	assert.Contains(l.t, output, "Read-only file system")
}
