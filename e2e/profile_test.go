package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// lineOf is the number of the first line of server/leak.go, after the function's, that has the text.
func lineOf(t *testing.T, function, text string) int {
	t.Helper()
	content, err := os.ReadFile("../server/leak.go")
	require.NoError(t, err)
	inside := false
	for number, line := range strings.Split(string(content), "\n") {
		inside = inside || strings.HasPrefix(line, "func "+function+"(")
		if inside && strings.Contains(line, text) {
			return number + 1
		}
	}
	t.Fatalf("%s has no %q", function, text)
	return 0
}

// place and callSite are what these tests need of those in run.json.
type place struct {
	Function, File string
	Line           int
}

func (p place) String() string {
	return fmt.Sprintf("%s (%s:%d)", p.Function, filepath.Base(p.File), p.Line)
}

type callSite struct {
	place
	Kind                 string
	CalledBy             place   `json:"called_by"`
	BytesPerRequest      float64 `json:"bytes_per_request"`
	GoroutinesPerRequest float64 `json:"goroutines_per_request"`
}

func (s callSite) gainedPerRequest() float64 {
	if s.Kind == "heap" {
		return s.BytesPerRequest
	}
	return s.GoroutinesPerRequest
}

// The profiles name the line of the demo server that leaks.
func TestProfilesNameTheLine(t *testing.T) {
	for leak, want := range map[string]struct{ kind, site, function, text string }{
		"heap":      {"heap", "called by main.leakHeap.func1", "leakHeap", "filled(size)"},
		"map":       {"heap", "called by main.leakMap.func1", "leakMap", "filled(size)"},
		"goroutine": {"goroutine", "at main.leakGoroutine.func1.1", "leakGoroutine", "never <- b"},
	} {
		t.Run(leak, func(t *testing.T) {
			ports := freePorts(t, 1)
			r := start(t, []string{"TRIES=6", "REQUESTS=20000", "LEAK=" + leak, "LEAK_BYTES=256", "METRICS_URL=http://127.0.0.1:" + ports[0] + "/metrics"},
				"env", "METRICS_PORT="+ports[0], server)
			r.exitCode()
			out := strings.Join(strings.Fields(r.out.String()), " ")
			line := strconv.Itoa(lineOf(t, want.function, want.text))
			assert.Regexp(t, `gained [^;]*`+regexp.QuoteMeta(want.site+" (leak.go:"+line+")"), out)
			profiles := r.runFile(t).Profiles
			require.NotNil(t, profiles)
			assert.Equal(t, []string{"heap-warm.pb.gz", "goroutine-warm.pb.gz", "heap-end.pb.gz", "goroutine-end.pb.gz"}, profiles.Files)
			for _, file := range profiles.Files {
				assert.NotEmpty(t, r.content(t, file))
			}
			assert.EqualValues(t, 5*20000, profiles.Requests)
			require.NotEmpty(t, profiles.Sites)
			named := func(s callSite) bool {
				return s.Kind == want.kind && s.gainedPerRequest() > 0 &&
					slices.Contains([]string{"at " + s.place.String(), "called by " + s.CalledBy.String()}, want.site+" (leak.go:"+line+")")
			}
			assert.True(t, slices.ContainsFunc(profiles.Sites, named), "%+v", profiles.Sites)
			assert.Contains(t, r.content(t, "report.md"), "### Where it grew\n")
		})
	}
}

func TestServerWithoutProfilesIsMeasuredAllTheSame(t *testing.T) {
	r := start(t, []string{"TRIES=3", "REQUESTS=100", "LEAK=none", "PPROF_URL=http://127.0.0.1:1/debug/pprof/"})
	r.exitCode()
	assert.Contains(t, r.err.String(), "loader: no profiles: ")
	assert.Len(t, r.rows(t), 3)
	assert.NotContains(t, r.content(t, "run.json"), `"profiles"`)
}
