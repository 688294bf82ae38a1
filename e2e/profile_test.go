package e2e

import (
	"os"
	"path/filepath"
	"regexp"
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

// The profiles name the line of the demo server that leaks.
func TestProfilesNameTheLine(t *testing.T) {
	for leak, want := range map[string]struct{ site, function, text string }{
		"heap":      {"called by main.leakHeap.func1", "leakHeap", "filled(size)"},
		"map":       {"called by main.leakMap.func1", "leakMap", "filled(size)"},
		"goroutine": {"at main.leakGoroutine.func1.1", "leakGoroutine", "never <- b"},
	} {
		t.Run(leak, func(t *testing.T) {
			ports := freePorts(t, 1)
			r := start(t, []string{"TRIES=6", "REQUESTS=20000", "LEAK=" + leak, "LEAK_BYTES=256", "METRICS_URL=http://127.0.0.1:" + ports[0] + "/metrics"},
				"env", "METRICS_PORT="+ports[0], server)
			r.exitCode()
			out := strings.Join(strings.Fields(r.out.String()), " ")
			line := strconv.Itoa(lineOf(t, want.function, want.text))
			assert.Regexp(t, `gained [^;]*`+regexp.QuoteMeta(want.site+" (leak.go:"+line+")"), out)
			for _, file := range []string{"heap-warm", "heap-end", "goroutine-warm", "goroutine-end"} {
				found, err := filepath.Glob(filepath.Join(r.results, "*", file+".pb.gz"))
				require.NoError(t, err)
				assert.Len(t, found, 1, file)
			}
		})
	}
}

func TestServerWithoutProfilesIsMeasuredAllTheSame(t *testing.T) {
	r := start(t, []string{"TRIES=3", "REQUESTS=100", "LEAK=none", "PPROF_URL=http://127.0.0.1:1/debug/pprof/"})
	r.exitCode()
	assert.Contains(t, r.err.String(), "loader: no profiles: ")
	assert.Len(t, r.rows(t), 3)
}
