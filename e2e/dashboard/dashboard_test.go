package dashboard

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/e2e/internal/lab"
)

func TestDashboardIsComplete(t *testing.T) {
	d := Read(t)
	assert.Equal(t, "leaklab", d.UID)
	assert.Equal(t, "5s", d.Refresh)
	assert.False(t, d.Editable)

	core := []string{"timeseries", "barchart", "stat", "table", "heatmap", "text", "bargauge", "state-timeline"}
	ids, titles := map[int]bool{}, map[string]bool{}
	cells := map[[2]int]string{}
	for _, p := range d.Panels {
		assert.Contains(t, core, p.Type, p.Title)
		assert.False(t, ids[p.ID] || titles[p.Title], "%q is there twice", p.Title)
		ids[p.ID], titles[p.Title] = true, true
		assert.Greater(t, len(p.Description), 40, "%q says what to look for", p.Title)
		if p.Type != "text" {
			assert.NotEmpty(t, p.Targets, p.Title)
			assert.NotEmpty(t, p.FieldConfig.Defaults.Unit, "%q has a unit", p.Title)
		}
		if p.Type == "timeseries" || p.Type == "barchart" {
			assert.NotEmpty(t, p.FieldConfig.Defaults.Custom.AxisLabel, "%q says what its axis shows", p.Title)
		}
		for _, target := range p.Targets {
			assert.Equal(t, "prometheus", target.Datasource.UID, p.Title)
			assert.NotEqual(t, target.Instant, target.Range, "%q: one kind of query", p.Title)
		}
		assert.LessOrEqual(t, p.GridPos.X+p.GridPos.W, 24, p.Title)
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				assert.Empty(t, cells[[2]int{x, y}], "%q overlaps", p.Title)
				cells[[2]int{x, y}] = p.Title
			}
		}
	}
}

// A cell of Grafana's grid is 30 px high with a gap of 8 px; its header, the dashboard's and the browser's take
// less than 400 px of a window of 1600x1200.
func TestFirstTwoRowsFitOnAScreen(t *testing.T) {
	const visible = (1200 - 400) / (30 + 8)
	bottom := 0
	for _, p := range Read(t).Panels {
		if p.Type == "stat" || strings.Contains(p.Title, "emory per iteration") || strings.Contains(p.Title, "eaked per iteration") {
			bottom = max(bottom, p.GridPos.Y+p.GridPos.H)
		}
	}
	assert.Positive(t, bottom)
	assert.LessOrEqual(t, bottom, visible)
}

func TestDashboardHasWhatTheLabShows(t *testing.T) {
	var all strings.Builder
	refID := regexp.MustCompile(`/[^/]*$`)
	byTitle := make(map[string]string) // of the panel or the annotation
	for name, query := range Read(t).Queries() {
		title := strings.TrimPrefix(refID.ReplaceAllString(name, ""), "annotation ")
		all.WriteString(query.Expr + "\n")
		byTitle[title] += query.Expr + "\n"
	}
	for _, metric := range lab.GeneratedTable(t, "docs/report.md", "metrics") {
		if panel := metric[2]; !strings.HasPrefix(panel, "none: ") {
			assert.Regexp(t, metric[0]+`(_bucket)?\b`, byTitle[panel], "the panel %s, which docs/report.md names for %s", panel, metric[0])
		}
	}
	for _, metric := range []string{ // those that the loader does not export, and kinds
		"go_memstats_heap_inuse_bytes", "go_memstats_heap_idle_bytes", "go_memstats_heap_released_bytes", "go_memstats_stack_inuse_bytes", "go_goroutines",
		`leaklab_iteration_server_cgroup_bytes{kind="file"}`, `leaklab_iteration_server_cgroup_bytes{kind="socket"}`,
	} {
		assert.Contains(t, all.String(), metric)
	}
}

func TestDashboardLetsRunsBeChosen(t *testing.T) {
	d := Read(t)
	require.Len(t, d.Templating.List, 1)
	run := d.Templating.List[0]
	assert.Equal(t, "query", run.Type)
	assert.Equal(t, "run", run.Name)
	assert.Equal(t, "prometheus", run.Datasource.UID)
	assert.True(t, run.Multi)
	assert.False(t, run.IncludeAll)
	assert.Equal(t, []string{"newest"}, run.Current.Value, "a first look shows the run that is under way")
	assert.Equal(t, run.Current.Value, run.Current.Text)
	const onTimeRangeChange, alphabeticalDescending = 2, 2
	assert.Equal(t, onTimeRangeChange, run.Refresh, "which each refresh of the dashboard is")
	assert.Equal(t, alphabeticalDescending, run.Sort, "newest, then the newest run by name")
	for name, query := range d.Queries() {
		all := strings.HasPrefix(name, "Runs/")
		assert.NotEqual(t, all, strings.Contains(query.Expr, "$run"), "%s is of the runs that are chosen", name)
	}
}

func TestDashboardLinksToTheReports(t *testing.T) {
	d := Read(t)
	want := Reports + "20261123T144625Z-churn/report.html"
	assert.Equal(t, map[string]string{"Verdict": want, "Runs": want}, d.ReportLinks(t, "20261123T144625Z-churn"))
	for _, p := range d.Panels {
		for _, link := range p.Links(t) {
			if strings.HasPrefix(link.URL, Reports) {
				assert.True(t, link.TargetBlank, "%q: the report is no page of Grafana", p.Title)
				assert.Contains(t, link.URL, "?at=${__to}", "%q: Grafana lets browsers keep files for an hour, and a report changes", p.Title)
			} else {
				assert.True(t, strings.HasPrefix(link.URL, "/d/"+d.UID+"/"), "%q: %s", p.Title, link.URL)
			}
		}
	}
}
