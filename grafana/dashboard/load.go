package main

import (
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/barchart"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/heatmap"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

func ratePanel() *stat.PanelBuilder {
	return newStat("Requests/s", units.Short, common.BigValueTextModeValue, common.BigValueColorModeValue).
		Description("Mean rate over the finished iterations of the newest run that is chosen; during the first iteration, " +
			"the rate of the last five seconds, and nothing before any was measured. A run that is much slower than an earlier one is not comparable with it.").
		WithTarget(now("rate", "requests/s",
			"sum("+ofNewest("avg by (run, instance) ", last("leaklab_iteration_requests_per_second"))+")\n"+
				"or sum(rate(leaklab_requests_total[5s])"+andNewestChosen+") > 0")).
		Decimals(1).
		ColorScheme(fixed(ink))
}

func errorsPanel() *stat.PanelBuilder {
	return newStat("Errors", units.NoUnit, common.BigValueTextModeValue, common.BigValueColorModeValue).
		Description("Requests of the newest run that is chosen that got no valid answer, or one with a 4xx or 5xx status. " +
			"It should be 0: an error path may leak what the normal one does not, or not leak what it does.").
		WithTarget(now("errors", "errors", ofNewest("sum", last("leaklab_request_errors_total")))).
		Decimals(0).
		ColorScheme(byThresholds()).
		Thresholds(thresholds(dashboard.Threshold{Color: ink}, dashboard.Threshold{Color: amber, Value: new(1.0)}))
}

func demoPanel() *stat.PanelBuilder {
	return newStat("Demo server and load", units.NoUnit, common.BigValueTextModeName, common.BigValueColorModeNone).
		Description("The settings with which the demo server was started, what it leaks and how many bytes at each request " +
			"(not there for a server of your own); and the shape and protocol of the load.").
		WithTarget(now("demo", "{{leak}} {{leak_bytes}} bytes", "max by (leak, leak_bytes) (last_over_time((\n"+
			"leaklab_demo_info and on () (leaklab_run_seen_timestamp_seconds"+andNewestChosen+")\n"+
			")[$__range:1s]))")).
		WithTarget(now("load", "{{shape}} {{protocol}}", ofNewest("max by (shape, protocol) ", last("leaklab_run_info")))).
		ColorScheme(fixed(ink))
}

func requestsPerIterationPanel() *barchart.PanelBuilder {
	return newBars("Requests per iteration", units.Short, "requests",
		bar{"requests", ofNewest("sum by (iteration) ", last("leaklab_iteration_requests")), look(slate)}).
		Description("How many requests each iteration of the newest run that is chosen made, of all loaders together. " +
			"The bars should be of about one height, or their memory cannot be compared one to one.").
		Min(0)
}

func codesPanel() *timeseries.PanelBuilder {
	return newLines("Requests/s by status code", units.RequestsPerSecond, "answers").
		Description("Answers a second by HTTP status: a tooth for each iteration, since load and rest take turns. "+
			"One 2xx line with teeth of about one height is a good run; "+
			"any other code means that something else than the normal path was measured.").
		WithTarget(overTime("codes", "{{code}}", ofChosen("sum by (code) ", "rate(leaklab_requests_total[$__rate_interval])"))).
		Min(0).
		FillOpacity(10).
		OverrideByRegexp("/^2/", look(teal)).
		OverrideByRegexp("/^3/", look(slate)).
		OverrideByRegexp("/^4/", look(pink)).
		OverrideByRegexp("/^5/", look(brown))
}

func latencyPanel() *timeseries.PanelBuilder {
	quantile := func(q float64) string {
		return fmt.Sprintf("histogram_quantile(%v, %s)", q,
			ofChosen("sum by (le) ", "rate(leaklab_request_duration_seconds_bucket[$__rate_interval])"))
	}
	return newLines("Latency", units.Seconds, "time to answer").
		Description("Median, 90th and 99th percentile of the time to a full answer, from the loader's histogram. "+
			"A p99 that grows with the iterations often goes with a growing heap (longer garbage collections).").
		WithTarget(overTime("p50", "p50", quantile(0.5))).
		WithTarget(overTime("p90", "p90", quantile(0.9))).
		WithTarget(overTime("p99", "p99", quantile(0.99))).
		Min(0).
		OverrideByName("p50", look(slate)).
		OverrideByName("p90", look(teal)).
		OverrideByName("p99", look(pink))
}

func errorReasonsPanel() *timeseries.PanelBuilder {
	return newLines("Errors/s by reason", units.Short, "errors per second").
		Description("Requests a second that got no valid answer, or one with a 4xx or 5xx status, by reason. "+
			"All lines should lie at 0; timeouts or resets mean that the server was overloaded, not exercised.").
		WithTarget(overTime("reasons", "{{reason}}", ofChosen("sum by (reason) ", "rate(leaklab_request_errors_total[$__rate_interval])"))).
		Min(0).
		AxisSoftMax(1).
		OverrideByName("timeout", look(pink)).
		OverrideByName("connect", look(brown)).
		OverrideByName("reset", look(teal)).
		OverrideByName("bad_response", look(slate)).
		OverrideByName("status_4xx", look(ink)).
		OverrideByName("status_5xx", look(grey))
}

// usedBuckets are the buckets of latency in which there is anything in the time range, but for those above the slowest
// answer, by label le: the last bucket is kept, and stays empty unless an answer took longer than all others tell.
func usedBuckets() string {
	inRange := func(series string) string { return "increase(" + series + "[$__range] @ end())" }
	buckets := ofChosen("sum by (le) ", inRange("leaklab_request_duration_seconds_bucket"))
	all := ofChosen("sum", inRange("leaklab_request_duration_seconds_count"))
	return "(" + buckets + " > 0 < on () group_left () " + all + ")\n" +
		`or count_values("le", histogram_quantile(1, ` + buckets + "))\n" +
		`or ` + ofChosen("sum by (le) ", inRange(`leaklab_request_duration_seconds_bucket{le="+Inf"}`))
}

func latencyHeatmapPanel() *heatmap.PanelBuilder {
	return heatmap.NewPanelBuilder().
		Title("Latency of all requests").
		Description("How many requests took how long, in each second of the run: the stronger the colour, the more. " +
			"A server that slows down as it grows shows as a band that rises; one that stalls, as a gap with a strong streak above it.").
		Datasource(source()).
		WithTarget(query("latency", ofChosen("sum by (le) ", "increase(leaklab_request_duration_seconds_bucket[$__rate_interval])")+"\nand on (le) ("+usedBuckets()+")",
			prometheus.PromQueryFormatHeatmap).Range().LegendFormat("{{le}}")).
		Unit(units.Short).
		NoValue(noneOfTime).
		ScaleDistribution(linear()).
		HideFrom(hiddenNowhere()).
		Calculate(false).
		Color(heatmap.NewHeatmapColorOptionsBuilder().
			Mode(heatmap.HeatmapColorModeOpacity). // as strong on a light ground as on a dark one
			Scheme("Blues").
			Reverse(false).
			Steps(64).
			Exponent(0.5).
			Fill(slate).
			Scale(heatmap.HeatmapColorScaleExponential)).
		CellGap(1).
		FilterValues(heatmap.NewFilterValueRangeBuilder().Le(1e-9)).
		YAxis(heatmap.NewYAxisConfigBuilder().AxisPlacement(common.AxisPlacementLeft).Unit(units.Seconds).AxisLabel("latency")).
		RowsFrame(heatmap.NewRowsHeatmapOptionsBuilder().Layout(common.HeatmapCellLayoutAuto)).
		ShowValue(common.VisibilityModeNever).
		Tooltip(heatmap.NewHeatmapTooltipBuilder().Mode(common.TooltipDisplayModeSingle).YHistogram(false).ShowColorScale(false)).
		ShowLegend().
		ExemplarsColor(pink)
}
