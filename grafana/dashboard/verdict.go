package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// silent is after how many seconds without metrics a run that has not ended is told to be silent.
const silent = "30"

// notes are 1 for each run, with a label note: the iteration and how the run ended, or how far it has come.
func notes() string {
	under := func(label, series string) string {
		return `count_values by (run) ("` + label + `", max by (run) (` + last(series) + `))`
	}
	// The label n is the last iteration, of is how many there are, or may be. Runs of before have no leaklab_iterations_at_most.
	most := "max by (run) (" + last("leaklab_iterations_at_most") + ") == 1"
	of := "(label_replace(" + under("of", "leaklab_iterations") + " and on (run) (" + most + `), "of", "at most $1", "of", "(.*)")` + "\n" +
		"  or on (run) " + under("of", "leaklab_iterations") + ")"
	progress := "label_join(label_replace(\n" +
		"  " + under("n", "leaklab_iteration") + " * on (run) group_left (of) " + of + ",\n" +
		`  "head", "iteration $1", "n", "(.*)"), "note", " of ", "head", "of")`
	ended := "label_join(label_replace(\n  " + last("leaklab_run_end_info") + ",\n" +
		`  "head", "iteration $1", "iteration", "(.*)"), "note", ": ", "head", "reason")`
	isSilent := "(time() - max by (run) (" + last("leaklab_run_seen_timestamp_seconds") + ") > " + silent + ")"
	return "(\nmax by (run, note) (" + ended + ")\n" +
		"or on (run) max by (run, note) (" + progress + ") unless on (run) " + isSilent + "\n" +
		`or on (run) max by (run, note) (label_replace(` + progress + `, "note", "$1, silent since", "note", "(.*)"))` + "\n)"
}

func verdictPanel() *stat.PanelBuilder {
	return newStat("Verdict", units.NoUnit, common.BigValueTextModeValueAndName, common.BigValueColorModeBackground).
		Description("What the iterations so far say: leak if memory surely grows by more than the tolerance and goes on, " +
			"no leak if it surely grows by less, otherwise inconclusive. Before the fifth iteration it is too early. " +
			"Died: the server is gone; below stands how, and in which iteration. " +
			"Of several chosen runs the newest. A click opens its report.").
		WithTarget(now("verdict", "{{note}}", ofNewest("max by (run, note) ", notes()+" * on (run) group_left () "+stateOfRun()))).
		Mappings(stateNames()).
		ColorScheme(byThresholds()).
		Thresholds(thresholds(dashboard.Threshold{Color: grey})).
		DataLinks(dataLinks(reportLink("Report of the run", "${__field.labels.run}")))
}

func growthPanel() *stat.PanelBuilder {
	figure := func(by, label, values string) string {
		return "count_values by (" + by + `) ("` + label + `", round(avg by (` + by + `) (` + values + `), 0.1))`
	}
	// The part is told before the bounds, unless it is all that is held.
	note := "label_replace(label_replace(label_join(label_join(label_join(\n" +
		"  " + figure("run, part", "lower", lastGrowth("lower")) + "\n" +
		"  * on (run) group_left (upper) " + figure("run", "upper", lastGrowth("upper")) + "\n" +
		"  * on (run) group_left (tolerance) " + figure("run", "tolerance", last("leaklab_tolerance_bytes_per_request")) + ",\n" +
		`  "span", " to ", "lower", "upper"), "bounds", ", tolerance ", "span", "tolerance"), "note", ": ", "part", "bounds"),` + "\n" +
		`  "note", "$1", "note", "(?:held)?: (.*)"), "note", "tolerance $1", "note", ".*NaN to NaN, tolerance (.*)")`
	return newStat("Growth per request", "suffix:B", common.BigValueTextModeValueAndName, common.BigValueColorModeValue).
		Description("Growth of the memory that the verdict rests on, after warm-up, in bytes per request: live memory where the server's runtime tells it, " +
			"else resident memory. Below, the bounds that hold it with 95% confidence, " +
			"and the tolerance: growth that still counts as no leak. A dash until the fifth iteration is over.").
		WithTarget(now("growth", "{{note}}", ofNewest("max by (run, note) ",
			note+"\n* on (run) group_left () avg by (run) ("+lastGrowth("estimate")+")"))).
		Decimals(1).
		ColorScheme(fixed(ink)).
		Mappings(nanAsDash())
}

// growthOfParts is a bound of the growth of live memory, slack and what is outside the heap; where they are not known, of
// the kinds of resident memory and of what is beside it.
func growthOfParts(bound string) string {
	parts := last(`leaklab_growth_bytes_per_request{bound="` + bound + `", part=~"live|slack|outside"}`)
	kinds := last(`leaklab_part_growth_bytes_per_request{bound="` + bound + `"}`)
	return "max by (run, part) (" + parts + " == " + parts + " or " + kinds + " unless on (run) (" + parts + " == " + parts + "))"
}

func growsPanel() *stat.PanelBuilder {
	estimate := "max by (run) (" + lastGrowth("estimate") + ")"
	return newStat("Grows", "suffix:B", common.BigValueTextModeValueAndName, common.BigValueColorModeValue).
		Description("Which memory grows, in bytes per request: the parts that surely grow by more than the tolerance, two at most. " +
			"Live is what is held after a full collection, slack what the runtime keeps for its heap beyond it, outside what is not of the heap. " +
			"Where live memory is not known, these are the kinds of resident memory: anonymous memory is heaps and stacks.").
		WithTarget(now("grows", "{{part}}",
			"topk(2, "+ofNewest("max by (part) ", "("+growthOfParts("estimate")+" and on (run, part) ("+growthOfParts("lower")+
				" > on (run) group_left () max by (run) ("+last("leaklab_tolerance_bytes_per_request")+")))")+")\n"+
				`or on () label_replace(0 * (`+ofNewest("max", estimate+" == "+estimate)+`), "part", "no part above tolerance", "", "")`+"\n"+
				`or on () label_replace(`+ofNewest("max", estimate)+`, "part", "needs 5 iterations", "", "")`)).
		Decimals(1).
		ColorScheme(fixed(ink)).
		Mappings(nanAsDash())
}

func growthByPartPanel() *table.PanelBuilder {
	// Parts that are not known are left out, but for held memory, which is not known before the fifth iteration.
	all, held := last("leaklab_growth_bytes_per_request"), last(`leaklab_growth_bytes_per_request{part="held"}`)
	return newTable("Growth by part", "suffix:B").
		Description("Growth of what the server holds, in bytes per request, with the bounds that hold it with 95% confidence. "+
			"Live is what is held after a full collection: a leak is here, or outside the heap. "+
			"Slack is garbage and room that the runtime keeps: it is bounded. Held is all of it; without live memory it is all that is known.").
		WithTarget(rows("parts", ofNewest("max by (part, bound) ", all+" == "+all)+"\nor on () "+ofNewest("max by (part, bound) ", held))).
		Decimals(1).
		Mappings(nanAsDash()).
		OverrideByName("part", properties(inUnit(units.String))).
		WithTransformation(sortBy("part", false)).
		WithTransformation(dashboard.DataTransformerConfig{Id: "groupingToMatrix", Options: map[string]string{
			"columnField": "bound", "rowField": "part", "valueField": "Value", "emptyValue": "null",
		}}).
		WithTransformation(organize(nil, []string{`part\bound`, "estimate", "lower", "upper"}, map[string]string{
			`part\bound`: "part", "estimate": "growth", "lower": "at least", "upper": "at most",
		}))
}

func growthBySitePanel() *table.PanelBuilder {
	// A run without sites has one row that says so: its figures are not known.
	none := `label_replace(label_replace(0 / (0 * ` + ofNewest("max", last("leaklab_iterations")) + `), "site", "no site is named", "", ""), "bound", "estimate", "", "")`
	return newTable("Growth by site", "suffix:B").
		Description("What the live memory that surely grows belongs to, in bytes per request, with the bounds that hold it with 95% confidence: "+
			"a function with its line, or a class. At most three sites, the largest first; the report has more, with callers and holders. "+
			"Of the newest run that is chosen. They are known when the run is over.").
		WithTarget(rows("sites", ofNewest("max by (site, bound) ", last("leaklab_site_growth_bytes_per_request"))+"\nor on () "+none)).
		Decimals(1).
		Mappings(nanAsDash()).
		OverrideByName("site", properties(inUnit(units.String))).
		WithTransformation(dashboard.DataTransformerConfig{Id: "groupingToMatrix", Options: map[string]string{
			"columnField": "bound", "rowField": "site", "valueField": "Value", "emptyValue": "null",
		}}).
		WithTransformation(sortBy("estimate", true)).
		WithTransformation(organize(nil, []string{`site\bound`, "estimate", "lower", "upper"}, map[string]string{
			`site\bound`: "site", "estimate": "growth", "lower": "at least", "upper": "at most",
		}))
}

func limitPanel() *stat.PanelBuilder {
	// JSON has no infinity to map, so the query ends at 1e10 s; about a century or more counts as not in sight.
	const century, end = 3e9, 1e11
	return newStat("Limit in", units.Seconds, common.BigValueTextModeValue, common.BigValueColorModeValue).
		Description("How long the server lasts under this load until it reaches its memory limit " +
			"(of its cgroup, else of the machine), at the estimated growth. Not in sight unless the growth is surely above zero; " +
			"a dash until the fifth iteration is over.").
		WithTarget(now("left", "left", "clamp_max("+ofNewest("min", last("leaklab_time_to_memory_limit_seconds"))+", 1e10)")).
		Decimals(1).
		ColorScheme(fixed(ink)).
		Mappings(append(nanAsDash(), dashboard.ValueMapping{RangeMap: &dashboard.RangeMap{
			Type: dashboard.MappingTypeRangeToText,
			Options: dashboard.DashboardRangeMapOptions{
				From: new(century), To: new(end),
				Result: dashboard.ValueMappingResult{Text: new("not in sight"), Color: new(ink), Index: new(int32(1))},
			},
		}}))
}

func growthOverTimePanel() *timeseries.PanelBuilder {
	return newLines("Growth as it is estimated", units.NoUnit, "bytes per request").
		Description("The growth that the verdict rests on, as more iterations come in, with its 95% interval and the tolerance. "+
			"Leak: the interval lies above the tolerance and stays there; no leak: below; it narrows as the run goes on.").
		WithTarget(overTime("upper", "at most", ofChosen("max", growthNow("upper")))).
		WithTarget(overTime("estimate", "estimate", ofChosen("avg", growthNow("estimate")))).
		WithTarget(overTime("lower", "at least", ofChosen("min", growthNow("lower")))).
		WithTarget(overTime("tolerance", "tolerance", ofChosen("max", "leaklab_tolerance_bytes_per_request"))).
		OverrideByName("estimate", look(blue)).
		OverrideByName("at most", look(grey, lineWidth(1), property("custom.fillBelowTo", "at least"), fillOpacity(15))).
		OverrideByName("at least", look(grey, lineWidth(1))).
		OverrideByName("tolerance", look(ink, lineWidth(1), dashed()))
}
