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

// The line of the demo server that leaks is named: that of live memory by the sites, that of goroutines by the profiles.
func TestProfilesNameTheLine(t *testing.T) {
	const requests = 3000
	for leak, want := range map[string]struct{ function, text string }{
		"heap": {"leakHeap", "filled(size)"}, "map": {"leakMap", "filled(size)"}, "goroutine": {"leakGoroutine", "never <- b"},
	} {
		t.Run(leak, func(t *testing.T) {
			t.Parallel()
			ports := lab.FreePorts(t, 1)
			r := lab.Start(t, []string{"TRIES=6", "REQUESTS=" + strconv.Itoa(requests), "LEAK=" + leak, "LEAK_BYTES=4096", "METRICS_URL=http://127.0.0.1:" + ports[0] + "/metrics"},
				"env", "METRICS_PORT="+ports[0], lab.Server)
			r.ExitCode()
			line := lineOf(t, want.function, want.text)
			profiles := r.RunFile(t).Profiles
			require.NotNil(t, profiles)
			assert.Equal(t, []string{"heap-warm.pb.gz", "goroutine-warm.pb.gz", "heap-end.pb.gz", "goroutine-end.pb.gz"}, profiles.Files)
			for _, file := range profiles.Files {
				assert.NotEmpty(t, r.Content(t, file))
			}
			assert.EqualValues(t, 5*requests, profiles.Requests)
			if leak == "goroutine" {
				assertGoroutinesAreNamed(t, r, "main.leakGoroutine.func1.1 ("+line+")")
			} else {
				assertSiteIsNamed(t, r, "main."+want.function+".func1 "+line)
			}
		})
	}
}

// assertSiteIsNamed checks that the site that grows most is the function that fills memory, called by the one of the leak.
func assertSiteIsNamed(t *testing.T, r *lab.Run, caller string) {
	t.Helper()
	filled := lineOf(t, "filled", "make(")
	out := lab.Words(r.Out.String())
	assert.Regexp(t, `leak live memory [^:]*: [^:]*\): main\.filled \(`+regexp.QuoteMeta(filled)+`\) ---`, out, "the line of the verdict")
	assert.Regexp(t, `main\.filled \(`+regexp.QuoteMeta(filled)+`\): [\d.]+ \([\d.]+ to [\d.]+\) bytes/request[^;]*; called by `+regexp.QuoteMeta(caller), out)
	assert.Regexp(t, `\d+% of the growth of live memory is explained.*, by \d+ of \d+ sites looked at; at most 5% `, out)
	sites := r.RunFile(t).Sites
	require.NotNil(t, sites)
	first := sites.List[0]
	assert.Equal(t, "main.filled", first.Function)
	assert.Equal(t, caller, first.Callers[0])
	assert.LessOrEqual(t, first.Growth.Low, first.Growth.Estimate)
	assert.InEpsilon(t, 4096, first.Growth.Estimate, 0.05)
	for _, name := range []string{"report.md", "report.html"} {
		assert.Contains(t, r.Content(t, name), "Where live memory grows", name)
		assert.Contains(t, r.Content(t, name), caller, name)
	}
}

// assertGoroutinesAreNamed checks that goroutines are gained at a place.
func assertGoroutinesAreNamed(t *testing.T, r *lab.Run, place string) {
	t.Helper()
	assert.Regexp(t, `gained [^;]*at `+regexp.QuoteMeta(place), lab.Words(r.Out.String()))
	assert.True(t, slices.ContainsFunc(r.RunFile(t).Profiles.Sites, func(s lab.CallSite) bool {
		return s.Kind == "goroutine" && s.GoroutinesPerRequest > 0 && s.Place.String() == place
	}))
	assert.Contains(t, r.Content(t, "report.md"), "### Where it grew\n")
}

func TestServerWithoutProfilesIsMeasuredAllTheSame(t *testing.T) {
	t.Parallel()
	r := lab.Start(t, []string{"TRIES=3", "REQUESTS=100", "LEAK=none", lab.PprofAt("1")})
	r.ExitCode()
	assert.Contains(t, r.Err.String(), "loader: no profiles: ")
	assert.Len(t, r.Rows(t), 3)
	assert.NotContains(t, r.Content(t, "run.json"), `"profiles"`)
}
