package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/barchart"
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
	"github.com/grafana/grafana-foundation-sdk/go/trend"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// Colours: names of Grafana's palette, which follow its theme, or hexadecimal RGB. The first five have one meaning each,
// wherever they stand.
const (
	red    = "red"    // leak
	green  = "green"  // no leak
	amber  = "orange" // undecided, or a doubt
	blue   = "blue"   // resident memory
	purple = "purple" // live memory

	ink   = "text" // the theme's colour of text
	grey  = "#8E8E8E"
	teal  = "#2FA39A"
	pink  = "#D16BA5"
	brown = "#A67C52"
	slate = "#6E84A3"
	sand  = "#C2B280"
	mauve = "#9B7F8B"
)

// What panels show in place of values that are missing. Why they are missing is not known here.
const (
	noneOfRun  = "nothing recorded of this run"
	noneOfTime = "nothing recorded in this time range"
)

// newStat returns a panel of single figures.
func newStat(title, unit string, text common.BigValueTextMode, color common.BigValueColorMode) *stat.PanelBuilder {
	return stat.NewPanelBuilder().
		Title(title).
		Datasource(source()).
		Unit(unit).
		NoValue(noneOfRun).
		ReduceOptions(common.NewReduceDataOptionsBuilder().Values(false).Calcs([]string{"lastNotNull"}).Fields("")).
		Orientation(common.VizOrientationVertical).
		TextMode(text).
		ColorMode(color).
		GraphMode(common.BigValueGraphModeNone).
		JustifyMode(common.BigValueJustifyModeCenter).
		WideLayout(false). // the name below the value
		ShowPercentChange(false)
}

// newLines returns a panel of lines over time.
func newLines(title, unit, axis string) *timeseries.PanelBuilder {
	return timeseries.NewPanelBuilder().
		Title(title).
		Datasource(source()).
		Unit(unit).
		NoValue(noneOfTime).
		ColorScheme(fixed(grey)).
		DrawStyle(common.GraphDrawStyleLine).
		LineInterpolation(common.LineInterpolationLinear).
		LineWidth(2).
		FillOpacity(0).
		GradientMode(common.GraphGradientModeNone).
		ShowPoints(common.VisibilityModeNever).
		PointSize(5).
		SpanNulls(common.BoolOrFloat64{Bool: new(false)}).
		AxisPlacement(common.AxisPlacementAuto).
		AxisLabel(axis).
		ScaleDistribution(linear()).
		Stacking(common.NewStackingConfigBuilder().Group("A").Mode(common.StackingModeNone)).
		ThresholdsStyle(noThresholds()).
		HideFrom(hiddenNowhere()).
		Legend(legend(true)).
		Tooltip(tooltip(common.SortOrderDescending))
}

// newTable returns a panel with a table.
func newTable(title, unit string) *table.PanelBuilder {
	return table.NewPanelBuilder().
		Title(title).
		Datasource(source()).
		Unit(unit).
		NoValue("-").
		ShowHeader(true).
		CellHeight(common.TableCellHeightSm).
		Footer(common.NewTableFooterOptionsBuilder().Show(false).Reducer([]string{}).CountRows(false)).
		Align(common.FieldTextAlignmentAuto).
		CellOptions(common.TableCellOptions{TableAutoCellOptions: &common.TableAutoCellOptions{Type: common.TableCellDisplayModeAuto}}).
		Filterable(false)
}

// newTrend returns a panel of lines over a number.
func newTrend(title, unit, axis string) *trend.PanelBuilder {
	return trend.NewPanelBuilder().
		Title(title).
		Datasource(source()).
		Unit(unit).
		DrawStyle(common.GraphDrawStyleLine).
		LineInterpolation(common.LineInterpolationLinear).
		LineWidth(2).
		FillOpacity(0).
		GradientMode(common.GraphGradientModeNone).
		ShowPoints(common.VisibilityModeNever).
		PointSize(5).
		SpanNulls(common.BoolOrFloat64{Bool: new(true)}). // the lines have no points in common
		AxisPlacement(common.AxisPlacementAuto).
		AxisLabel(axis).
		ScaleDistribution(linear()).
		Stacking(common.NewStackingConfigBuilder().Group("A").Mode(common.StackingModeNone)).
		ThresholdsStyle(noThresholds()).
		HideFrom(hiddenNowhere()).
		Legend(legend(true)).
		Tooltip(tooltip(common.SortOrderDescending))
}

// bar is a bar of each iteration.
type bar struct {
	name  string
	value string // PromQL with a label iteration
	look  []dashboard.DynamicConfigValue
}

// newBars returns a panel with one bar for each iteration, or a group of bars, by a single query.
func newBars(title, unit, axis string, bars ...bar) *barchart.PanelBuilder {
	panel := newBarChart(title, unit, axis).Legend(legend(len(bars) > 1)).ColorScheme(fixed(grey))
	var queries, order []string
	for _, b := range bars {
		queries = append(queries, named(b.name, b.value))
		order = append(order, b.name)
		panel.OverrideByName(b.name, b.look)
	}
	return withMatrix(panel.WithTarget(rows("bars", unpadded("("+strings.Join(queries, "\nor ")+"\n)"))), iteration, order...)
}

// transformed is a builder of panels.
type transformed[Panel any] interface {
	WithTransformation(dashboard.DataTransformerConfig) Panel
}

// corner is Grafana's name of the field with the rows of a matrix.
func corner(label string) string { return label + `\` + series }

// number makes a field of text one of numbers.
func number(field string) dashboard.DataTransformerConfig {
	return dashboard.DataTransformerConfig{Id: "convertFieldType", Options: map[string]any{
		"fields":      map[string]any{},
		"conversions": []map[string]string{{"targetField": field, "destinationType": "number"}},
	}}
}

// withMatrix makes a table of the panel's query: a row for each value of a label that is a number, ascending, and a
// column for each value of the label series. The field of the label is one of text. Columns that are named here come
// first, in that order.
func withMatrix[Panel transformed[Panel]](panel Panel, label string, order ...string) Panel {
	return panel.
		WithTransformation(number(label)).
		WithTransformation(sortBy(series, false)).
		WithTransformation(sortBy(label, false)).
		WithTransformation(dashboard.DataTransformerConfig{Id: "groupingToMatrix", Options: map[string]string{
			"columnField": series, "rowField": label, "valueField": "Value", "emptyValue": "null",
		}}).
		WithTransformation(organize(nil, append([]string{corner(label)}, order...), map[string]string{corner(label): label}))
}

// series is the label, and so the field of Grafana, that names a column of a panel.
const series = "series"

// iteration is the label of Prometheus, and so the field of Grafana, that bars stand at.
const iteration = "iteration"

// newBarChart returns a panel with bars at each iteration.
func newBarChart(title, unit, axis string) *barchart.PanelBuilder {
	return barchart.NewPanelBuilder().
		Title(title).
		Datasource(source()).
		Unit(unit).
		NoValue(noneOfRun).
		XField(iteration).
		Orientation(common.VizOrientationVertical).
		Stacking(common.StackingModeNone).
		ShowValue(common.VisibilityModeNever).
		BarWidth(0.9).
		GroupWidth(0.8).
		BarRadius(0).
		XTickLabelRotation(0).
		XTickLabelSpacing(40).
		XTickLabelMaxLength(100). // more than any has; the SDK can't leave it out, and 0 would cut all
		FullHighlight(false).
		Tooltip(tooltip(common.SortOrderNone)).
		LineWidth(0).
		FillOpacity(90).
		GradientMode(common.GraphGradientModeNone).
		AxisPlacement(common.AxisPlacementAuto).
		AxisLabel(axis).
		ScaleDistribution(linear()).
		ThresholdsStyle(noThresholds()).
		HideFrom(hiddenNowhere()).
		// Grafana prints the text for missing values at each tick that it leaves out.
		OverrideByName(iteration, properties(inUnit(units.String), property("custom.axisLabel", "iteration"), property("noValue", "")))
}

func legend(shown bool) *common.VizLegendOptionsBuilder {
	return common.NewVizLegendOptionsBuilder().
		DisplayMode(common.LegendDisplayModeList).
		Placement(common.LegendPlacementBottom).
		ShowLegend(shown).
		Calcs([]string{})
}

func tooltip(order common.SortOrder) *common.VizTooltipOptionsBuilder {
	return common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti).Sort(order)
}

func linear() *common.ScaleDistributionConfigBuilder {
	return common.NewScaleDistributionConfigBuilder().Type(common.ScaleDistributionLinear)
}

func hiddenNowhere() *common.HideSeriesConfigBuilder {
	return common.NewHideSeriesConfigBuilder().Legend(false).Tooltip(false).Viz(false)
}

func noThresholds() *common.GraphThresholdsStyleConfigBuilder {
	return common.NewGraphThresholdsStyleConfigBuilder().Mode(common.GraphThresholdsStyleModeOff)
}

// fixed is one colour for all values.
func fixed(color string) *dashboard.FieldColorBuilder {
	return dashboard.NewFieldColorBuilder().Mode(dashboard.FieldColorModeIdFixed).FixedColor(color)
}

// shades is a shade of a colour for each series.
func shades(color string) *dashboard.FieldColorBuilder {
	return dashboard.NewFieldColorBuilder().Mode(dashboard.FieldColorModeIdShades).FixedColor(color)
}

// byThresholds is a colour by value, see thresholds.
func byThresholds() *dashboard.FieldColorBuilder {
	return dashboard.NewFieldColorBuilder().Mode(dashboard.FieldColorModeIdThresholds)
}

// thresholds are the colours of values from each step on; the first step has no value.
func thresholds(steps ...dashboard.Threshold) *dashboard.ThresholdsConfigBuilder {
	return dashboard.NewThresholdsConfigBuilder().Mode(dashboard.ThresholdsModeAbsolute).Steps(steps)
}

// stateColors are the colours of the states of a run.
var stateColors = map[string]string{
	"waiting": grey, "too early": grey, "inconclusive": amber, "no leak": green, "leak": red,
	"died": amber, "interrupted": amber, "failed": amber,
}

// stateNames show the figures of the query stateOfRun as words.
func stateNames() []dashboard.ValueMapping {
	options := make(map[string]dashboard.ValueMappingResult)
	for figure, state := range states {
		text, color := state, stateColors[state]
		options[strconv.Itoa(figure)] = dashboard.ValueMappingResult{Text: &text, Color: &color, Index: new(int32(figure))}
	}
	return []dashboard.ValueMapping{{ValueMap: &dashboard.ValueMap{Type: dashboard.MappingTypeValueToText, Options: options}}}
}

// colouredStates give the words of states their colours.
func colouredStates() []dashboard.ValueMapping {
	options := make(map[string]dashboard.ValueMappingResult)
	for place, state := range states {
		text, color := state, stateColors[state]
		options[state] = dashboard.ValueMappingResult{Text: &text, Color: &color, Index: new(int32(place))}
	}
	return []dashboard.ValueMapping{{ValueMap: &dashboard.ValueMap{Type: dashboard.MappingTypeValueToText, Options: options}}}
}

// nanAsDash shows NaN, which a growth is before the fifth iteration, as a dash.
func nanAsDash() []dashboard.ValueMapping {
	return []dashboard.ValueMapping{{SpecialValueMap: &dashboard.SpecialValueMap{
		Type: dashboard.MappingTypeSpecialValue,
		Options: dashboard.DashboardSpecialValueMapOptions{
			Match:  dashboard.SpecialValueMatchNullAndNan,
			Result: dashboard.ValueMappingResult{Text: new("-"), Index: new(int32(0))},
		},
	}}}
}

func property(name string, value any) dashboard.DynamicConfigValue {
	return dashboard.DynamicConfigValue{Id: name, Value: value}
}

func properties(all ...dashboard.DynamicConfigValue) []dashboard.DynamicConfigValue { return all }

// look is the colour of a series, and what else makes it differ.
func look(color string, more ...dashboard.DynamicConfigValue) []dashboard.DynamicConfigValue {
	painted := property("color", map[string]string{"mode": string(dashboard.FieldColorModeIdFixed), "fixedColor": color})
	return append(properties(painted), more...)
}

func inUnit(unit string) dashboard.DynamicConfigValue { return property("unit", unit) }
func decimals(n int) dashboard.DynamicConfigValue     { return property("decimals", n) }
func columnWidth(px int) dashboard.DynamicConfigValue { return property("custom.width", px) }
func lineWidth(px int) dashboard.DynamicConfigValue   { return property("custom.lineWidth", px) }
func fillOpacity(percent int) dashboard.DynamicConfigValue {
	return property("custom.fillOpacity", percent)
}

func dashed() dashboard.DynamicConfigValue {
	return property("custom.lineStyle", common.LineStyle{Fill: new(common.LineStyleFillDash), Dash: []float64{6, 6}})
}

// dataLink is a link of a value, to a page of Grafana or to a report.
type dataLink struct {
	Title       string `json:"title"`
	URL         string `json:"url"`
	TargetBlank bool   `json:"targetBlank"` // in a new tab
}

// reportLink leads to the report of a run that a variable of Grafana names. The time keeps browsers from showing a
// copy: Grafana lets them keep files for an hour, and a report changes.
func reportLink(title, run string) dataLink {
	return dataLink{Title: title, URL: "/public/leaklab/" + run + "/report.html?at=${__to}", TargetBlank: true}
}

// Build returns the link in the SDK's type, which is that of a dashboard's links too.
func (l dataLink) Build() (dashboard.DashboardLink, error) {
	return dashboard.DashboardLink{Title: l.Title, Url: &l.URL, TargetBlank: l.TargetBlank, Tags: []string{}}, nil
}

// dataLinks returns links as a panel's builder takes them.
func dataLinks(links ...dataLink) []cog.Builder[dashboard.DashboardLink] {
	builders := make([]cog.Builder[dashboard.DashboardLink], len(links))
	for i, link := range links {
		builders[i] = link
	}
	return builders
}

// join makes one table of the tables of all queries.
func join(field string) dashboard.DataTransformerConfig {
	return dashboard.DataTransformerConfig{Id: "joinByField", Options: map[string]any{"byField": field, "mode": "outer"}}
}

// organize drops fields, orders the rest, and gives names to some.
func organize(drop, order []string, names map[string]string) dashboard.DataTransformerConfig {
	dropped := make(map[string]bool, len(drop))
	for _, name := range drop {
		dropped[name] = true
	}
	places := make(map[string]int, len(order))
	for place, name := range order {
		places[name] = place
	}
	return dashboard.DataTransformerConfig{Id: "organize", Options: map[string]any{
		"excludeByName": dropped, "indexByName": places, "renameByName": names,
	}}
}

// times returns the fields with the time of values: one of a single table, and one for each of several tables that
// were joined.
func times(joined int) []string {
	fields := []string{"Time"}
	for n := range joined {
		fields = append(fields, fmt.Sprintf("Time %d", n+1))
	}
	return fields
}

func sortBy(field string, descending bool) dashboard.DataTransformerConfig {
	return dashboard.DataTransformerConfig{Id: "sortBy", Options: map[string]any{
		"sort": []map[string]any{{"field": field, "desc": descending}},
	}}
}
