package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

func verdictPanel() *stat.PanelBuilder {
	return newStat("Verdict", units.NoUnit, common.BigValueTextModeAuto, common.BigValueColorModeBackground).
		Description("What the iterations so far say: leak if memory surely grows by more than the tolerance and goes on, " +
			"no leak if it surely grows by less, otherwise inconclusive. It forms from the fifth iteration on. " +
			"Of several chosen runs the newest. A click opens its report.").
		WithTarget(now("verdict", "{{run}}", ofNewest("max by (run) ", "("+verdicts+")"))).
		Mappings(verdictNames()).
		ColorScheme(byThresholds()).
		Thresholds(thresholds(dashboard.Threshold{Color: yellow})).
		DataLinks(dataLinks(reportLink("Report of the run", "${__field.labels.run}")))
}

func growthPanel() *stat.PanelBuilder {
	return newStat("Growth, bytes/request", units.NoUnit, common.BigValueTextModeValueAndName, common.BigValueColorModeValue).
		Description("Growth of resident memory per request after warm-up, between the bounds that hold it with 95% confidence. " +
			"NaN until the fifth iteration is over.").
		WithTarget(now("lower", "at least", ofNewest("min", last(growth("lower"))))).
		WithTarget(now("estimate", "estimate", ofNewest("avg", last(growth("estimate"))))).
		WithTarget(now("upper", "at most", ofNewest("max", last(growth("upper"))))).
		Decimals(1).
		ColorScheme(fixed(blue)).
		Mappings(nanAsDash())
}

func timeToLimitPanel() *stat.PanelBuilder {
	// JSON has no infinity to map, so the query ends at 1e10 s; about a century or more counts as endless.
	const century, end = 3e9, 1e11
	return newStat("Time to memory limit", units.Seconds, common.BigValueTextModeValue, common.BigValueColorModeValue).
		Description("How long the server lasts under this load until it reaches its memory limit " +
			"(of its cgroup, else of the machine), at the estimated growth. Endless unless the growth is surely above zero.").
		WithTarget(now("left", "left", "clamp_max("+ofNewest("min", last("leaklab_time_to_memory_limit_seconds"))+", 1e10)")).
		Decimals(1).
		ColorScheme(byThresholds()).
		Thresholds(thresholds(dashboard.Threshold{Color: orange}, dashboard.Threshold{Color: green, Value: new(century)})).
		Mappings([]dashboard.ValueMapping{{RangeMap: &dashboard.RangeMap{
			Type: dashboard.MappingTypeRangeToText,
			Options: dashboard.DashboardRangeMapOptions{
				From: new(century), To: new(end),
				Result: dashboard.ValueMappingResult{Text: new("endless"), Color: new(green), Index: new(int32(0))},
			},
		}}})
}

func growthOverTimePanel() *timeseries.PanelBuilder {
	return newLines("Growth as it is estimated", units.NoUnit, "bytes per request").
		Description("The growth that the verdict rests on, as more iterations come in, with its 95% interval and the tolerance. "+
			"Leak: the interval lies above the tolerance and stays there; no leak: below; it narrows as the run goes on.").
		WithTarget(overTime("upper", "at most", ofChosen("max", growth("upper")))).
		WithTarget(overTime("estimate", "estimate", ofChosen("avg", growth("estimate")))).
		WithTarget(overTime("lower", "at least", ofChosen("min", growth("lower")))).
		WithTarget(overTime("tolerance", "tolerance", ofChosen("max", "leaklab_tolerance_bytes_per_request"))).
		NoValue("the fifth iteration is not over yet").
		OverrideByName("estimate", look(blue)).
		OverrideByName("at most", look(grey, lineWidth(1), property("custom.fillBelowTo", "at least"), fillOpacity(15))).
		OverrideByName("at least", look(grey, lineWidth(1))).
		OverrideByName("tolerance", look(red, lineWidth(1), dashed()))
}
