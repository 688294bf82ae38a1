// Package dashboard reads the JSON of Grafana's dashboard, for its own tests and for those with Docker.
package dashboard

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"leaklab/e2e/internal/lab"
)

// File is the dashboard, as Grafana is given it.
const File = lab.Root + "/grafana/dashboards/leaklab.json"

// Dashboard is what the tests want to know of Grafana's dashboard JSON.
type Dashboard struct {
	UID         string
	Refresh     string
	Editable    bool
	Time        struct{ From, To string }
	Panels      []Panel
	Templating  struct{ List []Variable }
	Annotations struct {
		List []struct {
			Name   string
			Enable bool
			Target Target
		}
	}
}

// Panel is one of the dashboard, or a row with panels that are not seen while it is collapsed.
type Panel struct {
	Collapsed                bool
	Panels                   []Panel
	Transformations          []struct{ ID string }
	ID                       int
	Type, Title, Description string
	GridPos                  struct{ X, Y, W, H int }
	Targets                  []Target
	Options                  map[string]any
	FieldConfig              struct {
		Defaults struct {
			Unit    string
			NoValue *string
			Custom  struct{ AxisLabel string }
			Links   []Link
		}
		Overrides []struct {
			Matcher    struct{ Options string }
			Properties []struct {
				ID    string
				Value json.RawMessage
			}
		}
	}
}

// Link is one of a panel's values.
type Link struct {
	Title, URL  string
	TargetBlank bool
}

// Variable is a choice at the top of the dashboard.
type Variable struct {
	Type, Name, Regex string
	Datasource        struct{ UID string }
	Query             struct{ Query string }
	Multi, IncludeAll bool
	Refresh, Sort     int
	Current           struct{ Text, Value []string }
}

// Target is a query of Prometheus.
type Target struct {
	RefID      string
	Expr       string
	Instant    bool
	Range      bool
	Datasource struct{ Type, UID string }
}

// Read reads File.
func Read(t *testing.T) Dashboard {
	t.Helper()
	lab.Checkout(t) // a change of the file is to be seen
	content, err := os.ReadFile(File)
	require.NoError(t, err)
	var d Dashboard
	require.NoError(t, json.Unmarshal(content, &d))
	require.NotEmpty(t, d.Panels)
	return d
}

// Open returns the panels that are seen when the dashboard opens.
func (d Dashboard) Open() (open []Panel) {
	for _, p := range d.Panels {
		if p.Type != "row" {
			open = append(open, p)
		}
	}
	return open
}

// All returns the panels, those in rows included, without the rows.
func (d Dashboard) All() (all []Panel) {
	for _, p := range d.Panels {
		if p.Type == "row" {
			all = append(all, p.Panels...)
		} else {
			all = append(all, p)
		}
	}
	return all
}

// OpenQueries returns the queries of the panels that are seen when the dashboard opens, by name as Queries.
func (d Dashboard) OpenQueries() map[string]Target {
	queries := make(map[string]Target)
	for _, panel := range d.Open() {
		for _, target := range panel.Targets {
			queries[panel.Title+"/"+target.RefID] = target
		}
	}
	return queries
}

// Queries returns the dashboard's queries with a name each: those of the panels and of the annotations.
func (d Dashboard) Queries() map[string]Target {
	queries := make(map[string]Target)
	for _, panel := range d.All() {
		for _, target := range panel.Targets {
			queries[panel.Title+"/"+target.RefID] = target
		}
	}
	for _, annotation := range d.Annotations.List {
		queries["annotation "+annotation.Name] = annotation.Target
	}
	return queries
}

// Text is the query as Grafana sends it for a range of 15 minutes and a scrape interval of 1 s, with the runs that are
// chosen; none are the newest.
func (q Target) Text(runs ...string) string { return q.TextIn(15*time.Minute, runs...) }

// TextIn is Text for a range of another length.
func (q Target) TextIn(length time.Duration, runs ...string) string {
	chosen := strings.Join(runs, "|")
	switch len(runs) {
	case 0:
		chosen = "newest"
	case 1:
	default:
		chosen = "(" + chosen + ")"
	}
	seconds := strconv.Itoa(int(length.Seconds())) + "s"
	return strings.NewReplacer("$__rate_interval", "5s", "$__interval", "1s", "$__range", seconds, "$run", chosen).Replace(q.Expr)
}

// Links returns the links of a panel's values.
func (p Panel) Links(t *testing.T) []Link {
	t.Helper()
	links := p.FieldConfig.Defaults.Links
	for _, override := range p.FieldConfig.Overrides {
		for _, property := range override.Properties {
			if property.ID == "links" {
				var more []Link
				require.NoError(t, json.Unmarshal(property.Value, &more))
				links = append(links, more...)
			}
		}
	}
	return links
}

// Reports is the path at which Grafana shows the results folder.
const Reports = "/public/leaklab/"

// ReportLinks returns the panels that link to a run's report, with the path of that for the run.
func (d Dashboard) ReportLinks(t *testing.T, run string) map[string]string {
	t.Helper()
	paths := map[string]string{}
	for _, p := range d.All() {
		for _, link := range p.Links(t) {
			if strings.HasPrefix(link.URL, Reports) {
				path, _, _ := strings.Cut(link.URL, "?")
				paths[p.Title] = strings.NewReplacer("${__value.raw}", run, "${__field.labels.run}", run).Replace(path)
			}
		}
	}
	return paths
}
