package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/barchart"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

const run = "run" // the label of Prometheus, and so the field of Grafana, that names a run

func endsOfRunsPanel() *barchart.PanelBuilder {
	panel := newBarChart("End of each iteration, run by run", units.Mebibytes, "resident memory").
		Description("Resident memory at the end of each iteration, with a bar for each run that is chosen above, " +
			"so that they can be laid over each other. Two runs of one server should have bars of the same height; " +
			"a fix shows as bars that stay level where those of the run before climb.").
		WithTarget(rows("end", unpadded(mebibytes(ofChosenEntries("iteration", last("leaklab_iteration_rss_end_bytes")))))).
		Min(0).
		ColorScheme(shades(blue)).
		Legend(legend(true))
	return withMatrix(panel, iteration)
}

// runColumns are the queries of the table of runs: an id, which names the column of their values, and PromQL.
func runColumns() [][2]string {
	return [][2]string{
		{"started", "round(1000 * max by (run) (" + last("leaklab_run_start_timestamp_seconds") + "))\n" +
			"* on (run) group_right () max by (run, shape) (" + last("leaklab_run_info") + ")\n" +
			"* on (run) group_left (state) " + stateLabel},
		{"ended", "round(1000 * max by (run) (" + last("leaklab_run_seen_timestamp_seconds") + "))"},
		{"iterations", "count by (run) (count by (run, iteration) (" + last("leaklab_iteration_rss_end_bytes") + "))"},
		{"rate", "sum by (run) (avg by (run, instance) (" + last("leaklab_iteration_requests_per_second") + "))"},
		{"lower", "min by (run) (" + lastGrowth("lower") + ")"},
		{"estimate", "avg by (run) (" + lastGrowth("estimate") + ")"},
		{"upper", "max by (run) (" + lastGrowth("upper") + ")"},
	}
}

func runsPanel() *table.PanelBuilder {
	const ago = units.DateTimeFromNow
	columns := runColumns()
	panel := newTable("Runs", units.NoUnit)
	for _, column := range columns {
		panel.WithTarget(rows(column[0], column[1]))
	}
	growthColumn := properties(decimals(1), property("mappings", nanAsDash()), columnWidth(75))
	return panel.
		Description("All runs that Prometheus keeps, the newest first, with the growth that the verdict rests on, in bytes per request. "+
			"A click on a name offers the run's report, and to show that run alone, at its own time; "+
			"the list at the top of the page chooses several.").
		WithTransformation(join(run)).
		WithTransformation(organize(times(len(columns)),
			[]string{run, "state", "Value #estimate", "Value #lower", "Value #upper",
				"shape", "Value #iterations", "Value #rate", "Value #started", "Value #ended"},
			map[string]string{
				"Value #started": "started", "Value #ended": "until", "Value #iterations": "iterations",
				"Value #rate": "requests/s", "state": "verdict",
				"Value #lower": "at least", "Value #estimate": "growth", "Value #upper": "at most",
			})).
		WithTransformation(sortBy(run, true)).
		OverrideByName(run, properties(inUnit(units.String), columnWidth(165), property("links", []dataLink{
			reportLink("Report of this run", "${__value.raw}"),
			{Title: "Show this run alone", URL: "/d/leaklab/leaklab?var-run=${__value.raw}" +
				"&from=${__data.fields.started.numeric}&to=${__data.fields.until.numeric}"},
		}))).
		OverrideByName("verdict", properties(inUnit(units.String), property("mappings", colouredStates()),
			property("custom.cellOptions", map[string]string{"type": "color-text"}), columnWidth(100))).
		OverrideByName("growth", growthColumn).
		OverrideByName("at least", growthColumn).
		OverrideByName("at most", growthColumn).
		OverrideByName("shape", properties(columnWidth(85))).
		OverrideByName("iterations", properties(decimals(0), columnWidth(85))).
		OverrideByName("requests/s", properties(inUnit(units.Short), decimals(1), columnWidth(95))).
		OverrideByName("started", properties(inUnit(ago), columnWidth(110))).
		OverrideByName("until", properties(inUnit(ago), columnWidth(110)))
}
