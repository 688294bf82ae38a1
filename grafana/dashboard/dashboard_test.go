package main

//lint:file-ignore SA1019 See dashboard.go.

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/barchart"
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/heatmap"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
	"github.com/grafana/grafana-foundation-sdk/go/trend"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// top is the top of the repository.
const top = "../.."

func TestFileIsWhatTheProgramWrites(t *testing.T) {
	want, err := generate()
	require.NoError(t, err)
	committed, err := os.ReadFile(filepath.Join(top, file))
	require.NoError(t, err)
	if string(want) != string(committed) {
		t.Fatalf("%s is not what its program writes; run at the top of the repository: go generate work", file)
	}
}

func TestReadableChangesNoValue(t *testing.T) {
	built, err := build()
	require.NoError(t, err)
	escaped, err := json.Marshal(built)
	require.NoError(t, err)
	require.Contains(t, string(escaped), `\u003e`)
	assert.NotContains(t, string(readable(escaped)), `\u00`)
	assert.JSONEq(t, string(escaped), string(readable(escaped)))
}

func TestWriteTellsWhereToRun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "leaklab.json")
	require.NoError(t, write(path))
	written, err := os.ReadFile(path)
	require.NoError(t, err)
	want, err := generate()
	require.NoError(t, err)
	assert.Equal(t, string(want), string(written))

	assert.ErrorContains(t, write(filepath.Join(path, "no folder")), "run this program at the top of the repository")
}

// Grafana's schema, as the SDK has it, knows every field of the file and its type.
func TestFileIsOfGrafanasSchema(t *testing.T) {
	for _, config := range []variants.PanelcfgConfig{
		stat.VariantConfig(), barchart.VariantConfig(), timeseries.VariantConfig(), table.VariantConfig(), heatmap.VariantConfig(), trend.VariantConfig(),
	} {
		cog.NewRuntime().RegisterPanelcfgVariant(config)
	}
	cog.NewRuntime().RegisterDataqueryVariant(prometheus.VariantConfig())
	content, err := os.ReadFile(filepath.Join(top, file))
	require.NoError(t, err)

	assert.Empty(t, problems(t, content))
	var read dashboard.Dashboard
	require.NoError(t, json.Unmarshal(content, &read))
	require.NoError(t, read.Validate())
	all := allPanels(read)
	require.Len(t, all, len(panels()))
	for _, panel := range all {
		for _, target := range panel.Targets {
			assert.IsType(t, &prometheus.Dataquery{}, target, *panel.Title)
		}
	}

	for _, field := range []string{"refresh", "axisLabel", "legendFormat", "xField", "textMode", "cellHeight", "yAxis", "iconColor", "wideLayout", "collapsed"} {
		broken := bytes.Replace(content, []byte(`"`+field+`"`), []byte(`"wrong"`), 1)
		assert.ErrorContains(t, problems(t, broken), "unexpected field 'wrong'", field)
	}
}

// allPanels returns the panels of a dashboard, those in rows included.
func allPanels(d dashboard.Dashboard) (all []dashboard.Panel) {
	for _, p := range d.Panels {
		if p.Panel != nil {
			all = append(all, *p.Panel)
		} else {
			all = append(all, p.RowPanel.Panels...)
		}
	}
	return all
}

// panels returns all panels, those that are closed at first included.
func panels() []placed {
	all, _ := placedIn(layout(), 0)
	for _, s := range sections() {
		closed, _ := placedIn(s.rows, 0)
		all = append(all, closed...)
	}
	return all
}

// problems returns what is wrong with a dashboard. The SDK's strict reading returns an error without problems if there
// are none, and then drops the panels that it has checked.
func problems(t *testing.T, content []byte) (found cog.BuildErrors) {
	t.Helper()
	var read dashboard.Dashboard
	require.ErrorAs(t, read.UnmarshalJSONStrict(content), &found)
	return found
}

func TestAnnotationIsOfPanelsThatExist(t *testing.T) {
	titles := map[uint32]string{}
	for _, p := range panels() {
		built, err := p.Build()
		require.NoError(t, err)
		titles[p.id] = *built.Title
	}
	content, err := os.ReadFile(filepath.Join(top, file))
	require.NoError(t, err)
	var read struct {
		Annotations struct {
			List []struct{ Filter panelFilter }
		}
	}
	require.NoError(t, json.Unmarshal(content, &read))
	require.Len(t, read.Annotations.List, 1)
	filter := read.Annotations.List[0].Filter
	assert.False(t, filter.Exclude)
	var shown []string
	for _, id := range filter.IDs {
		shown = append(shown, titles[id])
	}
	assert.Equal(t, []string{"Resident memory over time, by kind", "Go heap of the server", "Goroutines of the server"}, shown)
}
