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

// Ids of the panels that show when each iteration's load began.
const (
	residentID   = 10
	goHeapID     = 12
	goroutinesID = 13
)

// placed is a panel with its id, and its place in Grafana's grid, which is 24 cells wide.
type placed struct {
	id         uint32
	x, y, w, h uint32
	panel      cog.Builder[dashboard.Panel]
}

// layout lists the panels from top to bottom. An id stays with its panel when others come or go.
func layout() []placed {
	return []placed{
		{1, 0, 0, 4, 4, verdictPanel()},
		{2, 4, 0, 6, 4, growthPanel()},
		{3, 10, 0, 3, 4, timeToLimitPanel()},
		{4, 13, 0, 3, 4, iterationPanel()},
		{5, 16, 0, 3, 4, ratePanel()},
		{6, 19, 0, 2, 4, errorsPanel()},
		{7, 21, 0, 3, 4, demoPanel()},

		{8, 0, 4, 14, 11, memoryPerIterationPanel()},
		{9, 14, 4, 10, 11, leakedPerIterationPanel()},

		{residentID, 0, 15, 12, 10, residentMemoryPanel()},
		{11, 12, 15, 12, 10, growthOverTimePanel()},

		{24, 0, 25, 10, 9, endsOfRunsPanel()},
		{25, 10, 25, 14, 9, runsPanel()},

		{goHeapID, 0, 34, 16, 9, goHeapPanel()},
		{goroutinesID, 16, 34, 8, 9, goroutinesPanel()},

		{20, 0, 43, 12, 9, besideResidentMemoryPanel()},
		{21, 12, 43, 6, 9, openFilesPanel()},
		{22, 18, 43, 6, 9, threadsPanel()},

		{14, 0, 52, 6, 9, requestsPerIterationPanel()},
		{15, 6, 52, 6, 9, codesPanel()},
		{16, 12, 52, 6, 9, latencyPanel()},
		{17, 18, 52, 6, 9, errorReasonsPanel()},

		{23, 0, 61, 24, 9, latencyHeatmapPanel()},

		{18, 0, 70, 12, 9, cpuPanel()},
		{19, 12, 70, 12, 9, loaderMemoryPanel()},
	}
}

// Build returns the panel in its place.
func (p placed) Build() (dashboard.Panel, error) {
	built, err := p.panel.Build()
	built.Id = &p.id
	built.GridPos = &dashboard.GridPos{X: p.x, Y: p.y, W: p.w, H: p.h}
	return built, err
}

// build returns the whole dashboard.
func build() (document, error) {
	b := dashboard.NewDashboardBuilder("leaklab").
		Uid("leaklab").
		Description("Resident memory of an HTTP server per iteration of load, and whether it leaks.").
		Tags([]string{"leaklab"}).
		Version(1).
		Readonly().
		Tooltip(dashboard.DashboardCursorSyncCrosshair).
		LiveNow(false).
		Timezone("browser").
		Refresh("5s").
		Time("now-15m", "now").
		Timepicker(dashboard.NewTimePickerBuilder().RefreshIntervals([]string{"5s", "10s", "30s", "1m", "5m"})).
		WithVariable(runVariable())
	for _, p := range layout() {
		b.WithPanel(p)
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

// runVariable is the choice of runs at the top of the dashboard.
func runVariable() *dashboard.QueryVariableBuilder {
	const runs = `query_result(label_replace(vector(1), "run", "newest", "", "") or max by (run) (` +
		`last_over_time(leaklab_run_start_timestamp_seconds` + kept + `)))`
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
		Regex(`/run="([^"]+)"/`).
		Refresh(dashboard.VariableRefreshOnTimeRangeChanged).
		Sort(dashboard.VariableSortAlphabeticalDesc).
		Multi(true).
		IncludeAll(false).
		Hide(dashboard.VariableHideDontHide).
		Current(dashboard.VariableOption{Selected: new(true), Text: newest, Value: newest})
}

// iterationsAnnotation draws a vertical line where the load of an iteration begins.
func iterationsAnnotation() (annotation, error) {
	const milliseconds = " * 1000"
	built, err := dashboard.NewAnnotationQueryBuilder().
		Name("Iterations").
		Datasource(source()).
		Enable(true).
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
