package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The loader's package that exports metrics, and its file that lists them: a composite literal each, with the fields
// name, help, and either panel, the title of a panel or annotation that queries it, or unshown, why none does.
const (
	exporter    = top + "/loader/exporter"
	metricsList = exporter + "/metrics.go"
)

// metric is one of the loader's metrics.
type metric struct {
	name, help, panel, unshown string
}

// Metrics of the lab that the loader doesn't export: the demo server's, and those of any Go program.
var notOfTheLoader = []string{
	"leaklab_demo_info", "process_cpu_seconds_total", "process_resident_memory_bytes", "go_goroutines",
	"go_memstats_heap_inuse_bytes", "go_memstats_heap_idle_bytes", "go_memstats_heap_released_bytes", "go_memstats_stack_inuse_bytes",
}

func TestEveryMetricHasAPanelOrAReason(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), metricsList, nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	metrics, err := listed(file)
	require.NoError(t, err)
	assert.Empty(t, faults(metrics, queried(t)))

	var names []string
	for _, m := range metrics {
		names = append(names, m.name)
	}
	sources, err := filepath.Glob(exporter + "/*.go")
	require.NoError(t, err)
	for _, source := range sources {
		if !strings.HasSuffix(source, "_test.go") {
			assert.Subset(t, names, namedIn(t, source), "%s names a metric that is not listed in %s", source, metricsList)
		}
	}
}

// namedIn returns the string literals of a Go file that look like the name of one of the lab's metrics.
func namedIn(t *testing.T, path string) (names []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	looksLikeOne := regexp.MustCompile(`^leaklab_\w*[^\W_]$`)
	ast.Inspect(file, func(node ast.Node) bool {
		if literal, ok := node.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			if name, err := strconv.Unquote(literal.Value); err == nil && looksLikeOne.MatchString(name) {
				names = append(names, name)
			}
		}
		return true
	})
	return names
}

func TestFaultsOfTheList(t *testing.T) {
	shown := map[string][]string{"Speed": {"leaklab_speed", "leaklab_wait_seconds_bucket", "go_goroutines"}, "Other": {"leaklab_other"}}
	whole := []metric{
		{name: "leaklab_speed", help: "h", panel: "Speed"},
		{name: "leaklab_wait_seconds", help: "h", panel: "Speed"},
		{name: "leaklab_other", help: "h", panel: "Other"},
		{name: "leaklab_hidden", help: "h", unshown: "for alerts"},
	}
	assert.Empty(t, faults(whole, shown))
	for want, change := range map[string]metric{
		`leaklab_hidden: panel and unshown are both empty`:                                 {name: "leaklab_hidden", help: "h"},
		`leaklab_hidden: panel and unshown are both given`:                                 {name: "leaklab_hidden", help: "h", panel: "Speed", unshown: "for alerts"},
		`leaklab_hidden: help is empty`:                                                    {name: "leaklab_hidden", unshown: "for alerts"},
		`leaklab_hidden: panel="Spead": no panel in layout of dashboard.go has this title`: {name: "leaklab_hidden", help: "h", panel: "Spead"},
		`leaklab_hidden: panel="Speed": this panel does not query it`:                      {name: "leaklab_hidden", help: "h", panel: "Speed"},
		`leaklab_spee: panel="Speed": this panel does not query it`:                        {name: "leaklab_spee", help: "h", panel: "Speed"},
		`leaklab_speed: it is listed twice`:                                                {name: "leaklab_speed", help: "h", panel: "Speed"},
		`leaklab_other: unshown="for alerts": but "Other" queries it`:                      {name: "leaklab_other", help: "h", unshown: "for alerts"},
		`leaklab_wait_seconds: unshown="rare": but "Speed" queries it`:                     {name: "leaklab_wait_seconds", help: "h", unshown: "rare"},
	} {
		metrics := slices.Clone(whole)
		if i := slices.IndexFunc(metrics, func(m metric) bool { return m.name == change.name }); i >= 0 && change != whole[i] {
			metrics[i] = change
		} else {
			metrics = append(metrics, change)
		}
		assert.Equal(t, []string{want}, faults(metrics, shown))
	}
	assert.Equal(t, []string{`leaklab_other: "Other" queries it, but it is not listed`},
		faults(slices.DeleteFunc(slices.Clone(whole), func(m metric) bool { return m.name == "leaklab_other" }), shown))
}

// faults returns what is wrong with the list of metrics, given the metrics that are queried by title.
func faults(metrics []metric, shown map[string][]string) (found []string) {
	fault := func(m metric, format string, values ...any) {
		found = append(found, m.name+": "+fmt.Sprintf(format, values...))
	}
	known := slices.Clone(notOfTheLoader)
	for _, m := range metrics {
		queries := func(title string) bool { return slices.ContainsFunc(shown[title], m.isOf) }
		if slices.Contains(known, m.name) {
			fault(m, "it is listed twice")
			continue
		}
		known = append(known, m.name)
		if m.help == "" {
			fault(m, "help is empty")
		}
		switch {
		case m.panel == "" && m.unshown == "":
			fault(m, "panel and unshown are both empty")
		case m.panel != "" && m.unshown != "":
			fault(m, "panel and unshown are both given")
		case m.panel == "":
			for _, title := range sortedKeys(shown) {
				if queries(title) {
					fault(m, "unshown=%q: but %q queries it", m.unshown, title)
				}
			}
		case shown[m.panel] == nil:
			fault(m, "panel=%q: no panel in layout of dashboard.go has this title", m.panel)
		case !queries(m.panel):
			fault(m, "panel=%q: this panel does not query it", m.panel)
		}
	}
	for _, title := range sortedKeys(shown) {
		for _, name := range shown[title] {
			if !slices.Contains(known, name) && !slices.ContainsFunc(metrics, func(m metric) bool { return m.isOf(name) }) {
				found = append(found, fmt.Sprintf("%s: %q queries it, but it is not listed", name, title))
			}
		}
	}
	return found
}

// isOf tells if a series has the metric's name; a histogram has several series.
func (m metric) isOf(series string) bool {
	for _, suffix := range []string{"", "_bucket", "_sum", "_count"} {
		if series == m.name+suffix {
			return true
		}
	}
	return false
}

// listed returns the metrics that a Go file lists: each composite literal with a field name. All their fields must be
// constant strings, so that none is overlooked.
func listed(file *ast.File) (metrics []metric, err error) {
	ast.Inspect(file, func(node ast.Node) bool {
		literal, ok := node.(*ast.CompositeLit)
		if !ok || err != nil {
			return err == nil
		}
		fields := map[string]string{}
		for _, element := range literal.Elts {
			pair, ok := element.(*ast.KeyValueExpr)
			if !ok {
				return true // not a metric, but a list of them
			}
			key, ok := pair.Key.(*ast.Ident)
			if !ok || !slices.Contains([]string{"name", "help", "panel", "unshown"}, key.Name) {
				continue
			}
			if fields[key.Name], err = constant(pair.Value); err != nil {
				err = fmt.Errorf("%s of %q: %w", key.Name, fields["name"], err)
				return false
			}
		}
		if len(fields) > 0 {
			metrics = append(metrics, metric{fields["name"], fields["help"], fields["panel"], fields["unshown"]})
		}
		return true
	})
	return metrics, err
}

// constant returns the value of a string literal, or of several that are added.
func constant(expression ast.Expr) (string, error) {
	switch e := expression.(type) {
	case *ast.BasicLit:
		return strconv.Unquote(e.Value)
	case *ast.BinaryExpr:
		left, err := constant(e.X)
		if err != nil || e.Op != token.ADD {
			return "", fmt.Errorf("expected string literals, added at most")
		}
		right, err := constant(e.Y)
		return left + right, err
	default:
		return "", fmt.Errorf("expected a string literal, found %T", expression)
	}
}

func TestMetricsAreReadFromGo(t *testing.T) {
	list := func(elements string) ([]metric, error) {
		file, err := parser.ParseFile(token.NewFileSet(), "metrics.go", "package exporter\nvar metrics = []metric{"+elements+"}", 0)
		require.NoError(t, err)
		return listed(file)
	}
	found, err := list("{name: \"a\", help: `b \"c\"`, labels: []string{\"x\"}, panel: \"d\"}, {name: \"e\", help: \"f\" +\n\"g\", unshown: \"h\"}")
	require.NoError(t, err)
	assert.Equal(t, []metric{{"a", `b "c"`, "d", ""}, {"e", "fg", "", "h"}}, found)

	_, err = list(`{name: "a", help: help()}`)
	assert.EqualError(t, err, `help of "a": expected a string literal, found *ast.CallExpr`)
}

// queried returns the metrics that are queried, by the title of the panel or the name of the annotation.
func queried(t *testing.T) map[string][]string {
	t.Helper()
	built, err := build()
	require.NoError(t, err)
	names := map[string][]string{}
	add := func(title string, query any) {
		names[title] = append(names[title], metricsOf(query.(prometheus.Dataquery).Expr)...)
	}
	for _, panel := range allPanels(built.Dashboard) {
		for _, target := range panel.Targets {
			add(*panel.Title, target)
		}
	}
	for _, annotation := range built.Annotations.List {
		add(annotation.Name, annotation.Target)
	}
	for title := range names {
		slices.Sort(names[title])
		names[title] = slices.Compact(names[title])
	}
	return names
}

var (
	promStrings    = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	promSelectors  = regexp.MustCompile(`\{[^}]*\}|\[[^]]*\]`)
	promLabels     = regexp.MustCompile(`\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)`)
	promIdentifier = regexp.MustCompile(`\b[a-zA-Z_:][a-zA-Z0-9_:]*\b\s*\(?`)
	promOperators  = []string{"and", "or", "unless", "offset", "bool"}
)

// metricsOf returns the names in a PromQL expression that are neither labels, functions nor operators.
func metricsOf(expression string) (names []string) {
	for _, not := range []*regexp.Regexp{promStrings, promSelectors, promLabels} {
		expression = not.ReplaceAllString(expression, " ")
	}
	for _, name := range promIdentifier.FindAllString(expression, -1) {
		name = strings.TrimSpace(name)
		if !strings.HasSuffix(name, "(") && !slices.Contains(promOperators, name) {
			names = append(names, name)
		}
	}
	return names
}

func TestMetricsOfAnExpression(t *testing.T) {
	for expression, want := range map[string][]string{
		`up`: {"up"},
		`sum by (le, run) (rate(a_bucket{b="c (d)", e=~"$run"}[$__rate_interval]) and on (f) g) * 1e10`: {"a_bucket", "g"},
		`label_replace(vector(1), "x", "y{", "", "") or max(h[2y] @ end() offset -1y)`:                  {"h"},
		"i\n* on (run) group_right () max by (run, shape) (last_over_time(j[2y] offset -1y))":           {"i", "j"},
	} {
		assert.Equal(t, want, metricsOf(expression), expression)
	}
}

func sortedKeys(all map[string][]string) []string {
	keys := make([]string, 0, len(all))
	for key := range all {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
