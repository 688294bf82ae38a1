package dashboard

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
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/e2e/internal/lab"
)

// Series is one element of Prometheus's answer: its labels and its newest value.
type Series struct {
	Metric map[string]string
	Value  float64
}

// Range is a time range that a dashboard shows.
type Range struct{ From, To time.Time }

// Last15Minutes is the range that ends at a time.
func Last15Minutes(end time.Time) Range { return Range{end.Add(-15 * time.Minute), end} }

// Query asks the Prometheus at an address, as Grafana would: for the range, or for its end.
func Query(t testing.TB, address string, shown Range, text string, instant bool) []Series {
	t.Helper()
	form := url.Values{"query": {text}, "time": {strconv.FormatFloat(float64(shown.To.UnixMilli())/1000, 'f', 3, 64)}}
	path := "/api/v1/query"
	if !instant {
		path = "/api/v1/query_range"
		form.Set("start", strconv.FormatInt(shown.From.Unix(), 10))
		form.Set("end", strconv.FormatInt(shown.To.Unix(), 10))
		form.Set("step", "1")
	}
	resp, err := http.PostForm("http://"+address+path, form)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
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
	require.NoError(t, json.Unmarshal(body, &answer), string(body))
	require.Equal(t, "success", answer.Status, "%s\n%s", text, answer.Error)
	var result []Series
	for _, r := range answer.Data.Result {
		newest := r.Value
		if !instant {
			newest = r.Values[len(r.Values)-1]
		}
		value, err := strconv.ParseFloat(newest[1].(string), 64)
		require.NoError(t, err)
		result = append(result, Series{r.Metric, value})
	}
	return result
}

// Choice is an entry of the list at the top of the dashboard.
type Choice struct{ Value, Text string }

// Choices returns what can be chosen at the top of the dashboard, as Grafana finds it in Prometheus's answer at a time.
func (d Dashboard) Choices(t testing.TB, address string, end time.Time) []Choice {
	t.Helper()
	run := d.Templating.List[0]
	query := strings.TrimSuffix(strings.TrimPrefix(run.Query.Query, "query_result("), ")")
	expression, found := strings.CutSuffix(run.Regex, "/g")
	require.True(t, found, "all matches count, in whatever order the labels are: %s", run.Regex)
	pattern := regexp.MustCompile(strings.TrimPrefix(expression, "/"))
	var choices []Choice
	for _, one := range Query(t, address, Last15Minutes(end), query, true) {
		var labels []string
		for name, value := range one.Metric {
			labels = append(labels, fmt.Sprintf("%s=%q", name, value))
		}
		var choice Choice
		for _, match := range pattern.FindAllStringSubmatch("{"+strings.Join(labels, ",")+"} 1 1764280000000", -1) {
			choice.Value += match[pattern.SubexpIndex("value")]
			choice.Text += match[pattern.SubexpIndex("text")]
		}
		choices = append(choices, choice)
	}
	sort.Slice(choices, func(i, j int) bool { return choices[i].Text > choices[j].Text })
	return choices
}

const mebibyte = 1 << 20

// AssertBarsEqualTable compares the bars of the dashboard with iterations.csv, whose rows are given: those of the newest
// of some runs, or of all if none is given. ask asks Prometheus for the text of an instant query.
func (d Dashboard) AssertBarsEqualTable(t testing.TB, ask func(text string) []Series, rows [][]string, runs ...string) {
	t.Helper()
	number := func(column int) func(row []string) float64 {
		return func(row []string) float64 { return lab.Number(t, row, column) }
	}
	start, end := number(lab.ColumnStart), number(lab.ColumnEnd)
	of := map[string]barsOf{
		"Memory per iteration/bars": {
			"start": func(row []string) float64 { return start(row) / mebibyte },
			"end":   func(row []string) float64 { return end(row) / mebibyte },
			"peak": func(row []string) float64 {
				return max(start(row), number(lab.ColumnPeak)(row), end(row)) / mebibyte
			},
		},
		"Leaked per iteration/leaked": {"": func(row []string) float64 { return (end(row) - start(row)) / mebibyte }},
		"Requests per iteration/bars": {"requests": number(lab.ColumnRequests)},
	}
	d.assertBars(t, ask, of, rows, runs...)
}

// AssertLiveBarsEqualTable compares the bars of live memory with iterations.csv, as AssertBarsEqualTable does. Live memory
// was read in each of the rows.
func (d Dashboard) AssertLiveBarsEqualTable(t testing.TB, ask func(text string) []Series, rows [][]string, runs ...string) {
	t.Helper()
	number := func(column int) func(row []string) float64 {
		return func(row []string) float64 { return lab.Number(t, row, column) }
	}
	live := func(row []string) float64 { return number(lab.ColumnLive)(row) / mebibyte }
	outside := func(row []string) float64 { return number(lab.ColumnOutside)(row) / mebibyte }
	d.assertBars(t, ask, map[string]barsOf{
		"Live memory per iteration/bars": {"live memory": live},
		"Memory by part, per iteration/bars": {
			"live memory": live, "outside the heap": outside,
			"slack and files": func(row []string) float64 {
				bytes := number(lab.ColumnEnd)(row) - number(lab.ColumnLive)(row) - number(lab.ColumnOutside)(row)
				return max(0, bytes) / mebibyte
			},
		},
	}, rows, runs...)
}

// barsOf are the values of the bars of a panel, by the name of their column; it is empty if the verdict names it.
type barsOf map[string]func(row []string) float64

func (d Dashboard) assertBars(t testing.TB, ask func(text string) []Series, of map[string]barsOf, rows [][]string, runs ...string) {
	t.Helper()
	queries := d.Queries()
	for name, columns := range of {
		require.Contains(t, queries, name)
		shown := map[string]map[string]float64{} // column -> iteration -> value
		for _, bar := range ask(queries[name].Text(runs...)) {
			column := bar.Metric["series"]
			if _, known := columns[""]; known {
				column = "" // it is named by the verdict
			}
			if shown[column] == nil {
				shown[column] = map[string]float64{}
			}
			shown[column][bar.Metric["iteration"]] = bar.Value
		}
		for column, value := range columns {
			want := map[string]float64{}
			for _, row := range rows {
				want[row[0]] = value(row)
			}
			assert.Equal(t, want, shown[column], "%s: %s", name, column)
		}
	}
}

// AssertOverlay compares the bars that lay runs over each other with each run's iterations.csv, in a folder of results.
func (d Dashboard) AssertOverlay(t testing.TB, ask func(text string) []Series, results string, runs ...string) {
	t.Helper()
	want, got := map[string]float64{}, map[string]float64{}
	for _, run := range runs {
		for _, row := range lab.RowsIn(t, filepath.Join(results, run)) {
			want[run+" "+row[0]] = lab.Number(t, row, lab.ColumnEnd) / mebibyte
		}
	}
	for _, bar := range ask(d.Queries()["End of each iteration, run by run/end"].Text(runs...)) {
		run, _, _ := strings.Cut(bar.Metric["series"], " ") // its shape and verdict follow
		got[run+" "+bar.Metric["iteration"]] = bar.Value
	}
	assert.Equal(t, want, got)
}

// AssertSites checks that the table of sites has those of the run.json of a run, in the folder of all runs: three at most.
// A run without any has one row that says so.
func (d Dashboard) AssertSites(t testing.TB, ask func(text string) []Series, results, run string) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(results, run, "run.json"))
	require.NoError(t, err)
	var file struct {
		Sites struct {
			List []struct {
				Growth struct{ Estimate, Low, High float64 } `json:"bytes_per_request"`
			}
		}
	}
	require.NoError(t, json.Unmarshal(content, &file))
	rows := ask(d.Queries()["Growth by site/sites"].Text(run))
	if len(file.Sites.List) == 0 {
		require.Len(t, rows, 1)
		assert.Equal(t, "no site is named", rows[0].Metric["site"])
		return
	}
	want, got := []string{}, []string{}
	for _, site := range file.Sites.List[:min(3, len(file.Sites.List))] {
		want = append(want, fmt.Sprint("lower ", site.Growth.Low), fmt.Sprint("estimate ", site.Growth.Estimate), fmt.Sprint("upper ", site.Growth.High))
	}
	for _, row := range rows {
		assert.NotEmpty(t, row.Metric["site"])
		got = append(got, row.Metric["bound"]+" "+fmt.Sprint(row.Value))
	}
	assert.ElementsMatch(t, want, got)
}
