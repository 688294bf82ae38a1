package verdict

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

	"leaklab/e2e/internal/lab"
)

// lineOf is the first line of the demo server, after the function's, that has the text, as FILE:LINE.
func lineOf(t *testing.T, function, text string) string {
	t.Helper()
	files, err := filepath.Glob(lab.Root + "/server/*.go")
	require.NoError(t, err)
	for _, file := range files {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		inside := false
		for number, line := range strings.Split(string(content), "\n") {
			inside = inside || strings.HasPrefix(line, "func "+function+"(")
			if inside && strings.Contains(line, text) {
				return fmt.Sprintf("%s:%d", filepath.Base(file), number+1)
			}
		}
	}
	t.Fatalf("%s has no %q", function, text)
	return ""
}

// The profiles name the line of the demo server that leaks.
func TestProfilesNameTheLine(t *testing.T) {
	const requests = 3000
	for leak, want := range map[string]struct{ kind, site, function, text string }{
		"heap":      {"heap", "called by main.leakHeap.func1", "leakHeap", "filled(size)"},
		"map":       {"heap", "called by main.leakMap.func1", "leakMap", "filled(size)"},
		"goroutine": {"goroutine", "at main.leakGoroutine.func1.1", "leakGoroutine", "never <- b"},
	} {
		t.Run(leak, func(t *testing.T) {
			t.Parallel()
			ports := lab.FreePorts(t, 1)
			r := lab.Start(t, []string{"TRIES=6", "REQUESTS=" + strconv.Itoa(requests), "LEAK=" + leak, "LEAK_BYTES=4096", "METRICS_URL=http://127.0.0.1:" + ports[0] + "/metrics"},
				"env", "METRICS_PORT="+ports[0], lab.Server)
			r.ExitCode()
			out := lab.Words(r.Out.String())
			line := lineOf(t, want.function, want.text)
			assert.Regexp(t, `gained [^;]*`+regexp.QuoteMeta(want.site+" ("+line+")"), out)
			profiles := r.RunFile(t).Profiles
			require.NotNil(t, profiles)
			assert.Equal(t, []string{"heap-warm.pb.gz", "goroutine-warm.pb.gz", "heap-end.pb.gz", "goroutine-end.pb.gz"}, profiles.Files)
			for _, file := range profiles.Files {
				assert.NotEmpty(t, r.Content(t, file))
			}
			assert.EqualValues(t, 5*requests, profiles.Requests)
			require.NotEmpty(t, profiles.Sites)
			named := func(s lab.CallSite) bool {
				return s.Kind == want.kind && gainedPerRequest(s) > 0 &&
					slices.Contains([]string{"at " + s.Place.String(), "called by " + s.CalledBy.String()}, want.site+" ("+line+")")
			}
			assert.True(t, slices.ContainsFunc(profiles.Sites, named), "%+v", profiles.Sites)
			assert.Contains(t, r.Content(t, "report.md"), "### Where it grew\n")
		})
	}
}

func gainedPerRequest(s lab.CallSite) float64 {
	if s.Kind == "heap" {
		return s.BytesPerRequest
	}
	return s.GoroutinesPerRequest
}

func TestServerWithoutProfilesIsMeasuredAllTheSame(t *testing.T) {
	t.Parallel()
	r := lab.Start(t, []string{"TRIES=3", "REQUESTS=100", "LEAK=none", "PPROF_URL=http://127.0.0.1:1/debug/pprof/"})
	r.ExitCode()
	assert.Contains(t, r.Err.String(), "loader: no profiles: ")
	assert.Len(t, r.Rows(t), 3)
	assert.NotContains(t, r.Content(t, "run.json"), `"profiles"`)
}
