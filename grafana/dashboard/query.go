package main

import (
	"fmt"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
)

// Ranges of all that Prometheus keeps. They reach a year beyond the time that is shown, so that a look at a former time
// still finds every run.
const (
	kept      = "[2y] offset -1y"
	keptAtEnd = "[2y] @ end() offset -1y"
)

// The parts of the selections below: when runs were seen last and when they began, of those chosen in the dashboard's
// list and of all; and a condition that holds only if "newest" is chosen.
const (
	seenOfChosen  = `max by (run) (last_over_time(leaklab_run_seen_timestamp_seconds{run=~"$run"}` + keptAtEnd + `))`
	seenOfAll     = `max by (run) (last_over_time(leaklab_run_seen_timestamp_seconds` + keptAtEnd + `))`
	startOfChosen = `last_over_time(leaklab_run_start_timestamp_seconds{run=~"$run"}` + keptAtEnd + `)`
	startOfAll    = `last_over_time(leaklab_run_start_timestamp_seconds` + keptAtEnd + `)`
	ifNewest      = `and on (x) label_replace(label_replace(vector(1), "x", "newest", "", ""), "x", "", "x", "$run")`
)

// Conditions on series with a label run: that it is one of the chosen runs, or the newest of these.
const (
	andChosen = " and on (run) (\n" +
		"  " + seenOfChosen + "\n" +
		"  or " + seenOfAll + " >= scalar(max(" + startOfAll + "))\n" +
		"    " + ifNewest + "\n)"
	andNewestChosen = " and on (run) (\n" +
		"  (" + seenOfChosen + " or " + seenOfAll + " " + ifNewest + ")\n" +
		"  >= scalar(max(" + startOfChosen + " or " + startOfAll + " " + ifNewest + "))\n)"
)

// last is the last value of a series, of a run that is over too.
func last(series string) string { return "last_over_time(" + series + kept + ")" }

// ofNewest aggregates the last values of the newest chosen run.
func ofNewest(aggregation, values string) string {
	return aggregation + "(\n" + values + "\n" + andNewestChosen[1:] + "\n)"
}

// ofChosen aggregates the series of the chosen runs over time.
func ofChosen(aggregation, series string) string { return aggregation + "(" + series + andChosen + ")" }

// ofChosenEntries is the highest of the values of each chosen run at each value of a label, with the run's entry as the
// label series.
func ofChosenEntries(label, values string) string {
	return "max by (series, " + label + ") (\n(" + values + "\n" + andChosen[1:] + "\n)\n* on (run) group_left (series) " + entries + "\n)"
}

// whileChosen keeps a series of the server, which has no label run, to the times of the chosen runs.
func whileChosen(values string) string {
	return values + "\nand on () (leaklab_run_seen_timestamp_seconds" + andChosen + ")"
}

// states are those of a run, as the loader calls them; the index is the figure that stands for each in a panel.
var states = []string{"waiting", "too early", "inconclusive", "no leak", "leak", "died", "interrupted", "failed"}

// stateOfRun is the figure of the state of each run. The mapping stateNames shows it as a word.
func stateOfRun() string {
	var all []string
	for figure, state := range states {
		if figure > 0 {
			all = append(all, fmt.Sprintf("%d * %s", figure, last(`leaklab_run_state{state="`+state+`"}`)))
		}
	}
	return "max by (run) (" + strings.Join(all, "\n  or ") + ")"
}

// stateLabel is 1 for each run, with a label state that names its state.
var stateLabel = "topk by (run) (1, max by (run, state) (" + last("leaklab_run_state") + ") == 1)"

// entries are 1 for each run, with a label series that holds its name, the shape of its load, and its state.
var entries = `max by (run, series) (label_join(` + "\n" +
	"  max by (run, shape) (" + last("leaklab_run_info") + ") * on (run) group_left (state) " + stateLabel + ",\n" +
	`  "series", " ", "run", "shape", "state"))`

// named gives all values a label series, which names a column of a panel.
func named(series, values string) string {
	return fmt.Sprintf("label_replace(%s, \"series\", %q, \"\", \"\")", values, series)
}

// unpadded takes the leading zeros away from the label iteration.
func unpadded(values string) string {
	return `label_replace(` + values + `, "iteration", "$1", "iteration", "0*(.+)")`
}

// mebibytes are bytes in the unit that has round ticks on an axis.
func mebibytes(values string) string { return values + " / 2^20" }

// growth is a bound of the growth in bytes per request of each part: lower, estimate, or upper.
func growth(bound string) string { return `leaklab_growth_bytes_per_request{bound="` + bound + `"}` }

// judgedGrowth is growth of the part that the verdict rests on. of makes a range of a series, or leaves it as it is. Runs
// of former versions have no parts, and a single growth.
func judgedGrowth(bound string, of func(series string) string) string {
	return of(growth(bound)) + "\n  unless ignoring (bound) (" + of("leaklab_verdict_part") + " == 0)"
}

// lastGrowth is the last judgedGrowth of a run, of one that is over too.
func lastGrowth(bound string) string { return judgedGrowth(bound, last) }

// growthNow is judgedGrowth over time.
func growthNow(bound string) string {
	return "(" + judgedGrowth(bound, func(series string) string { return series }) + ")"
}

// source is the data source of everything.
func source() common.DataSourceRef {
	return common.DataSourceRef{Type: new("prometheus"), Uid: new("prometheus")}
}

// query is a query whose answer the panel's transformations and overrides call by its id.
func query(id, expression string, format prometheus.PromQueryFormat) *prometheus.DataqueryBuilder {
	return prometheus.NewDataqueryBuilder().
		RefId(id).
		Datasource(source()).
		EditorMode(prometheus.QueryEditorModeCode).
		Expr(expression).
		Format(format)
}

// now asks for the values at the end of the time range.
func now(id, legend, expression string) *prometheus.DataqueryBuilder {
	return query(id, expression, prometheus.PromQueryFormatTimeSeries).Instant().LegendFormat(legend)
}

// rows asks for the values at the end of the time range as a table with a column a label.
func rows(id, expression string) *prometheus.DataqueryBuilder {
	return query(id, expression, prometheus.PromQueryFormatTable).Instant()
}

// overTime asks for the values in the whole time range.
func overTime(id, legend, expression string) *prometheus.DataqueryBuilder {
	return query(id, expression, prometheus.PromQueryFormatTimeSeries).Range().LegendFormat(legend)
}
