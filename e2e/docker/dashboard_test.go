package docker

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/e2e/dashboard"
	"leaklab/e2e/internal/lab"
)

// series is one element of Prometheus's answer: its labels and its newest value.
type series struct {
	Metric map[string]string
	Value  float64
}

// query asks Prometheus, as Grafana would: for the last 15 minutes, or for this moment.
func (l *composeLab) query(text string, instant bool) []series {
	l.t.Helper()
	return l.queryAt(time.Now(), text, instant)
}

// queryAt is query with another end of the time that is shown.
func (l *composeLab) queryAt(end time.Time, text string, instant bool) []series {
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

func values(all []series) []float64 {
	var values []float64
	for _, one := range all {
		values = append(values, one.Value)
	}
	return values
}

func (l *composeLab) assertEveryQueryReturnsData(d dashboard.Dashboard, when string, runs ...string) {
	l.t.Helper()
	for name, query := range d.Queries() {
		assert.NotEmpty(l.t, l.query(query.Text(runs...), query.Instant), "%s: %s:\n%s", when, name, query.Text(runs...))
	}
}

// choices returns what can be chosen at the top of the dashboard, as Grafana finds it in Prometheus's answer.
func (l *composeLab) choices(d dashboard.Dashboard, end time.Time) []string {
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

// assertOverlay compares the bars that lay runs over each other with each run's iterations.csv.
func (l *composeLab) assertOverlay(d dashboard.Dashboard, runs ...string) {
	l.t.Helper()
	want, got := map[string]float64{}, map[string]float64{}
	for _, run := range runs {
		for _, row := range lab.RowsIn(l.t, filepath.Join(l.results, run)) {
			want[run+" "+row[0]] = lab.Number(l.t, row, lab.ColumnEnd)
		}
	}
	overlay := d.Queries()["End of each iteration, run by run/end"]
	for _, bar := range l.query(overlay.Text(runs...), overlay.Instant) {
		got[bar.Metric["run"]+" "+strings.TrimLeft(bar.Metric["iteration"], "0")] = bar.Value
	}
	assert.Equal(l.t, want, got)
}

// assertBarsEqualTable compares the bars of the dashboard, with a run chosen or else the newest, with iterations.csv.
func (l *composeLab) assertBarsEqualTable(d dashboard.Dashboard, rows [][]string, run ...string) {
	l.t.Helper()
	queries := d.Queries()
	for name, value := range map[string]func(row []string) float64{
		"Memory per iteration/start": func(row []string) float64 { return lab.Number(l.t, row, lab.ColumnStart) },
		"Memory per iteration/end":   func(row []string) float64 { return lab.Number(l.t, row, lab.ColumnEnd) },
		"Memory per iteration/peak":  func(row []string) float64 { return lab.Number(l.t, row, lab.ColumnPeak) },
		"Leaked per iteration/leaked": func(row []string) float64 {
			return lab.Number(l.t, row, lab.ColumnEnd) - lab.Number(l.t, row, lab.ColumnStart)
		},
		"Requests per iteration/requests": func(row []string) float64 { return lab.Number(l.t, row, lab.ColumnRequests) },
	} {
		require.Contains(l.t, queries, name)
		bars := l.query(queries[name].Text(run...), queries[name].Instant)
		sort.Slice(bars, func(i, j int) bool { return bars[i].Metric["iteration"] < bars[j].Metric["iteration"] })
		require.Len(l.t, bars, len(rows), name)
		for n, row := range rows {
			assert.Equal(l.t, fmt.Sprintf("%0*s", len(strconv.Itoa(len(rows))), row[0]), bars[n].Metric["iteration"], name)
			assert.Equal(l.t, value(row), bars[n].Value, name)
		}
	}
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
	for _, column := range []string{"started", "ended", "iterations", "rate", "verdict", "lower", "estimate", "upper"} {
		assert.Len(l.t, l.query(d.Queries()["Runs/"+column].Text(first), true), len(runs), column)
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
