package main

//lint:file-ignore SA1019 The SDK prefers Grafana's newer layout, which is another file format with other fields.

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
)

// document is the dashboard whose annotations are shown by some panels only.
type document struct {
	dashboard.Dashboard
	Annotations struct {
		List []annotation `json:"list"`
	} `json:"annotations"`
}

// annotation is the SDK's annotation with a filter of the panels that show it. The SDK's filter has the panels' ids as
// bytes, which encoding/json writes as base64 instead of a list; Grafana reads only the list.
type annotation struct {
	dashboard.AnnotationQuery
	Filter panelFilter `json:"filter"`
}

// panelFilter names panels by id: those that show an annotation, or with Exclude those that don't.
type panelFilter struct {
	Exclude bool     `json:"exclude"`
	IDs     []uint32 `json:"ids"`
}

// Ids of the panels that can show when each iteration's load began.
const (
	residentID   = 10
	goHeapID     = 12
	goroutinesID = 13
)

// row is panels side by side, in cells of Grafana's grid, which is 24 cells wide.
type row struct {
	height uint32
	panels []cell
}

// cell is a panel in a row. Its id stays with it when others come or go, since links and annotations name it.
type cell struct {
	id, width uint32
	panel     cog.Builder[dashboard.Panel]
}

// section is rows below a title that opens and closes them; they are closed at first.
type section struct {
	id    uint32
	title string
	rows  []row
}

// layout lists the panels that are open at first, from top to bottom and from left to right.
func layout() []row {
	return []row{
		{5, []cell{
			{1, 6, verdictPanel()},
			{2, 6, growthPanel()},
			{26, 4, growsPanel()},
			{3, 4, limitPanel()},
			{6, 4, errorsPanel()},
		}},
		{8, []cell{
			{28, 8, livePerIterationPanel()},
			{8, 9, memoryPerIterationPanel()},
			{29, 7, growthByPartPanel()},
		}},
		{8, []cell{
			{27, 14, memoryOverTheRunPanel()},
			{9, 10, leakedPerIterationPanel()},
		}},
		{5, []cell{
			{32, 24, growthBySitePanel()},
		}},
		{8, []cell{
			{25, 24, runsPanel()},
		}},
		{8, []cell{
			{24, 24, endsOfRunsPanel()},
		}},
	}
}

// sections lists the panels that are closed at first.
func sections() []section {
	return []section{
		{101, "Server's runtime", []row{
			{9, []cell{
				{30, 14, memoryByPartPanel()},
				{31, 10, stoppedPanel()},
			}},
			{9, []cell{
				{residentID, 12, residentMemoryPanel()},
				{11, 12, growthOverTimePanel()},
			}},
			{9, []cell{
				{goHeapID, 14, goHeapPanel()},
				{goroutinesID, 10, goroutinesPanel()},
			}},
			{9, []cell{
				{20, 10, besideResidentMemoryPanel()},
				{21, 7, openFilesPanel()},
				{22, 7, threadsPanel()},
			}},
		}},
		{102, "Load and latencies", []row{
			{9, []cell{
				{7, 8, demoPanel()},
				{5, 6, ratePanel()},
				{14, 10, requestsPerIterationPanel()},
			}},
			{9, []cell{
				{15, 8, codesPanel()},
				{16, 8, latencyPanel()},
				{17, 8, errorReasonsPanel()},
			}},
			{9, []cell{
				{23, 24, latencyHeatmapPanel()},
			}},
		}},
		{103, "Loader", []row{
			{9, []cell{
				{18, 12, cpuPanel()},
				{19, 12, loaderMemoryPanel()},
			}},
		}},
	}
}

// placed is a panel with its place in the dashboard.
type placed struct {
	cell
	place dashboard.GridPos
}

// placedIn returns the panels of rows in their places, and the line below them. The first row is at line y.
func placedIn(rows []row, y uint32) (all []placed, below uint32) {
	for _, r := range rows {
		var x uint32
		for _, c := range r.panels {
			all = append(all, placed{c, dashboard.GridPos{X: x, Y: y, W: c.width, H: r.height}})
			x += c.width
		}
		y += r.height
	}
	return all, y
}

// Build returns the panel in its place.
func (p placed) Build() (dashboard.Panel, error) {
	built, err := p.panel.Build()
	built.Id, built.GridPos = &p.id, &p.place
	return built, err
}

// build returns the whole dashboard.
func build() (document, error) {
	b := dashboard.NewDashboardBuilder("leaklab").
		Uid("leaklab").
		Description("Whether an HTTP server leaks memory: verdict, growth, and memory per iteration of load.").
		Tags([]string{"leaklab"}).
		Version(1).
		Readonly().
		Tooltip(dashboard.DashboardCursorSyncCrosshair).
		LiveNow(false).
		Timezone("browser").
		Refresh("10s"). // the address that the loader prints for a run that goes on asks for 5s
		Time("now-15m", "now").
		Timepicker(dashboard.NewTimePickerBuilder().RefreshIntervals([]string{"5s", "10s", "30s", "1m", "5m"})).
		WithVariable(runVariable())
	open, y := placedIn(layout(), 0)
	for _, p := range open {
		b.WithPanel(p)
	}
	for _, s := range sections() {
		closed := dashboard.NewRowBuilder(s.title).Id(s.id).Collapsed(true).GridPos(dashboard.GridPos{Y: y, W: 24, H: 1})
		y++
		inside, _ := placedIn(s.rows, y)
		for _, p := range inside {
			closed.WithPanel(p)
		}
		b.WithRow(closed)
	}
	built, err := b.Build()
	if err != nil {
		return document{}, err
	}
	iterations, err := iterationsAnnotation()
	if err != nil {
		return document{}, err
	}
	d := document{Dashboard: built}
	d.Annotations.List = []annotation{iterations}
	return d, nil
}

// runVariable is the choice of runs at the top of the dashboard: each with the shape of its load and its verdict. A
// choice is known by the label run, and shown as the label series.
func runVariable() *dashboard.QueryVariableBuilder {
	runs := `query_result(label_replace(label_replace(vector(1), "run", "newest", "", ""), "series", "newest", "", "")` + "\nor " + entries + ")"
	const queryResult = 3 // the number of this kind of query in Grafana's editor
	newest := dashboard.StringOrArrayOfString{ArrayOfString: []string{"newest"}}
	return dashboard.NewQueryVariableBuilder("run").
		Label("Run").
		Description(`The run that is shown, and those that are laid over each other. "newest" goes on with the next run by itself.`).
		Datasource(source()).
		Definition(runs).
		Query(dashboard.StringOrMap{Map: map[string]any{
			"qryType": queryResult, "query": runs, "refId": "PrometheusVariableQueryEditor-VariableQuery",
		}}).
		Regex(`/run="(?<value>[^"]+)"|series="(?<text>[^"]+)"/g`).
		Refresh(dashboard.VariableRefreshOnTimeRangeChanged).
		Sort(dashboard.VariableSortAlphabeticalDesc).
		Multi(true).
		IncludeAll(false).
		Hide(dashboard.VariableHideDontHide).
		Current(dashboard.VariableOption{Selected: new(true), Text: newest, Value: newest})
}

// iterationsAnnotation draws a vertical line where the load of an iteration begins, if the viewer asks for it: when a run
// is a small part of the time range, the lines hide the curves.
func iterationsAnnotation() (annotation, error) {
	const milliseconds = " * 1000"
	built, err := dashboard.NewAnnotationQueryBuilder().
		Name("Iterations").
		Datasource(source()).
		Enable(false).
		Hide(false).
		IconColor(grey).
		Target(prometheus.NewDataqueryBuilder().
			RefId("Anno").
			Datasource(source()).
			EditorMode(prometheus.QueryEditorModeCode).
			Expr("max by (run, iteration) (leaklab_iteration_start_timestamp_seconds" + andChosen + ")" + milliseconds).
			Format(prometheus.PromQueryFormatTimeSeries).
			Range().
			Interval("1s").
			LegendFormat("")).
		TitleFormat("iteration {{iteration}}").
		TextFormat("its load begins here").
		TagKeys("").
		UseValueForTime(true).
		Build()
	built.Placement = nil // which is above the panels; the SDK puts it into a menu
	return annotation{AnnotationQuery: built, Filter: panelFilter{IDs: []uint32{residentID, goHeapID, goroutinesID}}}, err
}
