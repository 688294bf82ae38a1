package dashboard

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"leaklab/e2e/internal/lab"
)

func TestDashboardIsComplete(t *testing.T) {
	d := Read(t)
	assert.Equal(t, "leaklab", d.UID)
	assert.Equal(t, "10s", d.Refresh, "the loader's address asks for 5s, while a run goes on")
	assert.False(t, d.Editable)

	core := []string{"timeseries", "barchart", "stat", "table", "heatmap", "trend"}
	ids, titles := map[int]bool{}, map[string]bool{}
	for _, p := range d.All() {
		assert.Contains(t, core, p.Type, p.Title)
		assert.False(t, ids[p.ID] || titles[p.Title], "%q is there twice", p.Title)
		ids[p.ID], titles[p.Title] = true, true
		assert.Greater(t, len(p.Description), 40, "%q says what to look for", p.Title)
		assert.NotEmpty(t, p.Targets, p.Title)
		assert.NotEmpty(t, p.FieldConfig.Defaults.Unit, "%q has a unit", p.Title)
		assert.NotContains(t, p.FieldConfig.Defaults.Unit, " ", "%q: Grafana adds the space", p.Title)
		if p.Type == "timeseries" || p.Type == "barchart" || p.Type == "trend" {
			assert.NotEmpty(t, p.FieldConfig.Defaults.Custom.AxisLabel, "%q says what its axis shows", p.Title)
			assert.NotContains(t, []string{"bytes", "decbytes"}, p.FieldConfig.Defaults.Unit, "%q: decimal ticks on a binary unit", p.Title)
		}
		for _, target := range p.Targets {
			assert.Equal(t, "prometheus", target.Datasource.UID, p.Title)
			assert.NotEqual(t, target.Instant, target.Range, "%q: one kind of query", p.Title)
			if p.FieldConfig.Defaults.Unit == "mbytes" {
				assert.Contains(t, target.Expr, "/ 2^20", "%q: its unit is MiB", p.Title)
			}
		}
	}
	assertNoOverlap(t, d.Panels)
	for _, p := range d.Panels {
		if p.Type == "row" {
			assert.True(t, p.Collapsed, p.Title)
			assertNoOverlap(t, p.Panels)
		}
	}
}

// assertNoOverlap checks that panels are beside or below each other, on the grid.
func assertNoOverlap(t *testing.T, panels []Panel) {
	t.Helper()
	cells := map[[2]int]string{}
	for _, p := range panels {
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
	for _, p := range Read(t).Open() {
		if p.Type == "stat" || strings.Contains(p.Title, "emory per iteration") || strings.Contains(p.Title, "eaked per iteration") {
			bottom = max(bottom, p.GridPos.Y+p.GridPos.H)
		}
	}
	assert.Positive(t, bottom)
	assert.LessOrEqual(t, bottom, visible)
}

func TestFirstRowIsASentence(t *testing.T) {
	var tiles []string
	width := 0
	for _, p := range Read(t).Open() {
		if p.GridPos.Y == 0 {
			assert.Equal(t, "stat", p.Type, p.Title)
			tiles = append(tiles, p.Title)
			width += p.GridPos.W
		}
	}
	assert.Equal(t, []string{"Verdict", "Growth per request", "Grows", "Limit in", "Errors"}, tiles)
	assert.Equal(t, 24, width)
}

// What is open at first asks little enough to be answered between two refreshes.
func TestFewQueriesAreOpenAtFirst(t *testing.T) {
	d := Read(t)
	queries := len(d.OpenQueries()) + len(d.Templating.List)
	for _, annotation := range d.Annotations.List {
		if annotation.Enable {
			queries++
		}
	}
	assert.LessOrEqual(t, queries, 20)
}

// All that is open at first shows a run whenever it was: it asks for one moment, and finds runs from long before it.
func TestWhatIsOpenAtFirstDoesNotDependOnTheTimeRange(t *testing.T) {
	for name, query := range Read(t).OpenQueries() {
		assert.True(t, query.Instant, name)
		assert.NotContains(t, query.Expr, "$__", name)
		assert.NotRegexp(t, `rate\(|increase\(`, query.Expr, name)
	}
}

// Why a value is missing is not known to a panel. Grafana prints the same text at each tick of an axis that it leaves out.
func TestTextsForMissingValuesGuessNothing(t *testing.T) {
	for _, p := range Read(t).All() {
		if assert.NotNil(t, p.FieldConfig.Defaults.NoValue, p.Title) {
			assert.Contains(t, []string{"-", "nothing recorded of this run", "nothing recorded in this time range"}, *p.FieldConfig.Defaults.NoValue, p.Title)
		}
		cured := false
		for _, override := range p.FieldConfig.Overrides {
			for _, property := range override.Properties {
				if property.ID == "noValue" {
					assert.JSONEq(t, `""`, string(property.Value), p.Title)
					cured = cured || override.Matcher.Options == p.Options["xField"]
				}
			}
		}
		assert.Equal(t, p.Type == "barchart", cured, "%q: no text at the ticks that are left out", p.Title)
	}
}

// Iterations are 1, 2, 3 and not 01, 02, 03; what sorts them is that they are numbers.
func TestIterationsAreNumbers(t *testing.T) {
	for _, p := range Read(t).All() {
		if p.Type != "barchart" {
			continue
		}
		assert.Equal(t, "iteration", p.Options["xField"], p.Title)
		require.Len(t, p.Targets, 1, p.Title)
		assert.True(t, strings.HasPrefix(p.Targets[0].Expr, "label_replace(") &&
			strings.HasSuffix(p.Targets[0].Expr, `, "iteration", "$1", "iteration", "0*(.+)")`), p.Title)
		require.NotEmpty(t, p.Transformations, p.Title)
		assert.Equal(t, "convertFieldType", p.Transformations[0].ID, p.Title)
	}
}

// textWidth is about that of a title: the widths are those of Inter, the font of Grafana's titles, at 14 px in its medium weight, in px.
func textWidth(text string) float64 {
	width := 0.0
	for _, c := range text {
		switch {
		case strings.ContainsRune("iljtfrI.,:'/ ", c):
			width += 4.2
		case strings.ContainsRune("mwMW", c):
			width += 12.5
		case c >= 'A' && c <= 'Z':
			width += 9.5
		default:
			width += 8
		}
	}
	return width
}

// At 1280 px, and wider, Grafana's menu takes 300 px and the margins 32; between two cells are 8 px. A panel's header leaves about
// 100 px to the sign of the description, to the menu, and to its own margins.
func TestTitlesAreWholeAt1280(t *testing.T) {
	const gap, header = 8, 100
	cells := func(window, cells float64) float64 { return cells*(window-300-32+gap)/24 - gap }
	for _, p := range Read(t).All() {
		width := cells(1280, float64(p.GridPos.W))
		assert.LessOrEqual(t, textWidth(p.Title), width-header, "%q in %.0f px", p.Title, width)
	}
	assert.Greater(t, textWidth("Iteration"), cells(1600, 3)-header, "this was seen to be cut")
	assert.Less(t, textWidth("Limit in"), cells(1600, 3)-header, "this was seen to be whole")
}

// The colours that mean something, and what may have them.
func TestColoursHaveOneMeaning(t *testing.T) {
	meanings := map[string][]string{
		"red":    {"leak"},
		"green":  {"no leak"},
		"orange": {"inconclusive", "died", "interrupted", "failed", "Errors"},
		"purple": {"live heap", "live memory"},
		"blue":   {"end", "peak", "total", "estimate", "Memory over the run", "End of each iteration, run by run"},
	}
	neutral := []string{"text", "#8E8E8E", "#2FA39A", "#D16BA5", "#A67C52", "#6E84A3", "#C2B280", "#9B7F8B"}
	content, err := os.ReadFile(File)
	require.NoError(t, err)
	var d map[string]any
	require.NoError(t, json.Unmarshal(content, &d))
	used := map[string]bool{}
	var walk func(node any, what string)
	walk = func(node any, what string) {
		switch n := node.(type) {
		case []any:
			for _, child := range n {
				walk(child, what)
			}
		case map[string]any:
			for _, key := range []string{"title", "text"} {
				if name, ok := n[key].(string); ok {
					what = name
				}
			}
			if matcher, ok := n["matcher"].(map[string]any); ok {
				what, _ = matcher["options"].(string)
			}
			for key, child := range n {
				colour, isText := child.(string)
				switch {
				case isText && (key == "color" || key == "fixedColor" || key == "iconColor"):
					used[colour] = true
					if !slices.Contains(neutral, colour) {
						assert.Contains(t, meanings[colour], what, "%s of %q", colour, what)
					}
				case isText && key == "mode":
					assert.NotContains(t, colour, "palette", what)
				default:
					walk(child, what)
				}
			}
		}
	}
	walk(d["panels"], "")
	for colour := range meanings {
		assert.True(t, used[colour], colour)
	}
}

// The rule is there, and off.
func TestAlertRuleIsOff(t *testing.T) {
	content, err := os.ReadFile(lab.Root + "/grafana/provisioning/alerting/leak.yml")
	require.NoError(t, err)
	type query struct {
		RefID         string `yaml:"refId"`
		DatasourceUID string `yaml:"datasourceUid"`
		Model         struct{ Expr, Type, Expression string }
	}
	var file struct {
		APIVersion int `yaml:"apiVersion"`
		Groups     []struct {
			Name, Folder, Interval string
			Rules                  []struct {
				UID, Title, Condition string
				IsPaused              bool   `yaml:"isPaused"`
				DashboardUID          string `yaml:"dashboardUid"`
				PanelID               int    `yaml:"panelId"`
				Data                  []query
			}
		}
	}
	require.NoError(t, yaml.Unmarshal(content, &file))
	assert.Equal(t, 1, file.APIVersion)
	require.Len(t, file.Groups, 1)
	require.Len(t, file.Groups[0].Rules, 1)
	assert.NotEmpty(t, file.Groups[0].Name+file.Groups[0].Folder)
	rule, d := file.Groups[0].Rules[0], Read(t)
	assert.Equal(t, "leak", rule.Title)
	assert.True(t, rule.IsPaused)
	assert.Equal(t, d.UID, rule.DashboardUID)
	assert.True(t, slices.ContainsFunc(d.Open(), func(p Panel) bool { return p.ID == rule.PanelID && p.Title == "Verdict" }))
	require.Len(t, rule.Data, 2)
	assert.Equal(t, "prometheus", rule.Data[0].DatasourceUID)
	assert.Equal(t, "__expr__", rule.Data[1].DatasourceUID)
	assert.Equal(t, rule.Data[0].RefID, rule.Data[1].Model.Expression)
	assert.Equal(t, rule.Data[1].RefID, rule.Condition)
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
		`leaklab_iteration_server_cgroup_bytes{kind="shared"}`, `leaklab_iteration_server_beside_rss_bytes{kind="unmapped"}`,
		`leaklab_iteration_server_beside_rss_bytes{kind="hugetlb"}`, `leaklab_iteration_server_beside_rss_bytes{kind="swapped"}`,
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
	assert.Contains(t, run.Query.Query, `"series", " ", "run", "shape", "state"`, "an entry tells shape and verdict")
	for name, query := range d.Queries() {
		all := strings.HasPrefix(name, "Runs/")
		assert.NotEqual(t, all, strings.Contains(query.Expr, "$run"), "%s is of the runs that are chosen", name)
	}
}

func TestDashboardLinksToTheReports(t *testing.T) {
	d := Read(t)
	want := Reports + "20261123T144625Z-churn/report.html"
	assert.Equal(t, map[string]string{"Verdict": want, "Runs": want}, d.ReportLinks(t, "20261123T144625Z-churn"))
	for _, p := range d.All() {
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
