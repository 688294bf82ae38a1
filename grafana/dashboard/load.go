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

func iterationPanel() *stat.PanelBuilder {
	return newStat("Iteration", units.NoUnit, common.BigValueTextModeValueAndName, common.BigValueColorModeNone).
		Description("The iteration that is under way or was last, of how many there are at most in the run. 0 before the first load.").
		WithTarget(now("iteration", "iteration", ofNewest("max", last("leaklab_iteration")))).
		WithTarget(now("of", "of", ofNewest("max", last("leaklab_iterations")))).
		Decimals(0).
		ColorScheme(fixed(ink))
}

func ratePanel() *stat.PanelBuilder {
	return newStat("Requests/s", units.Short, common.BigValueTextModeValue, common.BigValueColorModeValue).
		Description("Mean rate over the finished iterations of the newest run that is chosen; during the first iteration, " +
			"the rate of the last five seconds. A run that is much slower than an earlier one is not comparable with it.").
		WithTarget(now("rate", "requests/s",
			"sum("+ofNewest("avg by (run, instance) ", last("leaklab_iteration_requests_per_second"))+")\n"+
				"or sum(rate(leaklab_requests_total[5s])"+andNewestChosen+")\n"+
				"or 0 * max("+last("leaklab_run_start_timestamp_seconds")+")")).
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
		Thresholds(thresholds(dashboard.Threshold{Color: green}, dashboard.Threshold{Color: red, Value: new(1.0)}))
}

func demoPanel() *stat.PanelBuilder {
	return newStat("Demo server and load", units.NoUnit, common.BigValueTextModeName, common.BigValueColorModeNone).
		Description("The settings with which the demo server was started, what it leaks and how many bytes at each request " +
			"(not there for a server of your own); and the shape and protocol of the load.").
		WithTarget(now("demo", "{{leak}} {{leak_bytes}} bytes", "max by (leak, leak_bytes) (last_over_time((\n"+
			"leaklab_demo_info and on () (leaklab_run_seen_timestamp_seconds"+andNewestChosen+")\n"+
			")[$__range:1s]))")).
		WithTarget(now("load", "{{shape}} {{protocol}}", ofNewest("max by (shape, protocol) ", last("leaklab_run_info")))).
		NoValue("not the demo server").
		ColorScheme(fixed(ink))
}

func requestsPerIterationPanel() *barchart.PanelBuilder {
	return newBars("Requests per iteration", units.Short, "requests",
		bar{"requests", "requests", sage, ofNewest("sum by (iteration) ", last("leaklab_iteration_requests"))}).
		Description("How many requests each iteration of the newest run that is chosen made, of all loaders together. " +
			"The bars should be of about one height, or their memory cannot be compared one to one.").
		Min(0)
}

func codesPanel() *timeseries.PanelBuilder {
	return newLines("Requests/s by status code", units.RequestsPerSecond, "answers").
		Description("Answers a second by HTTP status. One 2xx line with equal plateaus is a good run; "+
			"any other code means that something else than the normal path was measured.").
		WithTarget(overTime("codes", "{{code}}", ofChosen("sum by (code) ", "rate(leaklab_requests_total[$__rate_interval])"))).
		NoValue(noRequests).
		Min(0).
		FillOpacity(10).
		OverrideByRegexp("/^2/", look(green)).
		OverrideByRegexp("/^3/", look(teal)).
		OverrideByRegexp("/^4/", look(orange)).
		OverrideByRegexp("/^5/", look(red))
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
		NoValue(noRequests).
		Min(0).
		OverrideByName("p50", look(green)).
		OverrideByName("p90", look(yellow)).
		OverrideByName("p99", look(purple))
}

func errorReasonsPanel() *timeseries.PanelBuilder {
	return newLines("Errors/s by reason", units.Short, "errors per second").
		Description("Requests a second that got no valid answer, or one with a 4xx or 5xx status, by reason. "+
			"All lines should lie at 0; timeouts or resets mean that the server was overloaded, not exercised.").
		WithTarget(overTime("reasons", "{{reason}}", ofChosen("sum by (reason) ", "rate(leaklab_request_errors_total[$__rate_interval])"))).
		NoValue("no loader in this time range").
		Min(0).
		AxisSoftMax(1).
		OverrideByName("timeout", look(orange)).
		OverrideByName("connect", look(red)).
		OverrideByName("reset", look(purple)).
		OverrideByName("bad_response", look(yellow)).
		OverrideByName("status_4xx", look(blue)).
		OverrideByName("status_5xx", look(grey))
}

func latencyHeatmapPanel() *heatmap.PanelBuilder {
	return heatmap.NewPanelBuilder().
		Title("Latency of all requests").
		Description("How many requests took how long, in each second of the run: the darker, the more. " +
			"A server that slows down as it grows shows as a band that rises; one that stalls, as a gap with a dark streak above it.").
		Datasource(source()).
		WithTarget(query("latency", ofChosen("sum by (le) ", "increase(leaklab_request_duration_seconds_bucket[$__rate_interval])"),
			prometheus.PromQueryFormatHeatmap).Range().LegendFormat("{{le}}")).
		Unit(units.Short).
		ScaleDistribution(linear()).
		HideFrom(hiddenNowhere()).
		Calculate(false).
		Color(heatmap.NewHeatmapColorOptionsBuilder().
			Mode(heatmap.HeatmapColorModeScheme).
			Scheme("Blues").
			Reverse(false).
			Steps(64).
			Exponent(0.5).
			Fill("dark-blue").
			Scale(heatmap.HeatmapColorScaleExponential)).
		CellGap(1).
		FilterValues(heatmap.NewFilterValueRangeBuilder().Le(1e-9)).
		YAxis(heatmap.NewYAxisConfigBuilder().AxisPlacement(common.AxisPlacementLeft).Unit(units.Seconds).AxisLabel("latency")).
		RowsFrame(heatmap.NewRowsHeatmapOptionsBuilder().Layout(common.HeatmapCellLayoutAuto)).
		ShowValue(common.VisibilityModeNever).
		Tooltip(heatmap.NewHeatmapTooltipBuilder().Mode(common.TooltipDisplayModeSingle).YHistogram(false).ShowColorScale(false)).
		ShowLegend().
		ExemplarsColor("rgba(255,0,255,0.7)")
}
