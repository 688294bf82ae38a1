package live

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// buildNative compiles testdata/sites/native/leak.cc or leak.rs.
func buildNative(t *testing.T, compiler string, arguments ...string) string {
	t.Helper()
	needs(t, compiler)
	program := filepath.Join(t.TempDir(), "server")
	output, err := exec.Command(compiler, append(arguments, "-o", program)...).CombinedOutput()
	require.NoError(t, err, "%s", output)
	return program
}

// planted is where a planted leak is.
type planted struct {
	function, source string
	objects          int // for each request
}

// findPlanted runs a planted server with the heap profiler for each of its leaks, and expects each at its place, and none
// in its clean twin. A leak that is a buffer alone is exact.
func findPlanted(t *testing.T, program string, size int, leaks map[string]planted) {
	for leak, want := range leaks {
		t.Run(leak, func(t *testing.T) {
			folder := t.TempDir()
			environment := append(tcmallocIn(t, folder), "LEAK="+leak, fmt.Sprint("LEAK_BYTES=", size))
			p, address := startPlanted(t, program, environment...)
			p = processOf(t, p.PID)
			o, err := tcmalloc().open(t.Context(), p, Options{Kind: TCMalloc, Folder: folder})
			require.NoError(t, err)
			sites := growth(t, o, address, 3, 200)
			if want.function == "" {
				for _, site := range sites {
					assert.Less(t, site.bytes, 1.0, "%+v", site)
				}
				return
			}
			require.NotEmpty(t, sites)
			first := sites[0]
			assert.Equal(t, want.function, first.Function, "%+v", first)
			assert.InEpsilon(t, size, first.bytes, 0.05)
			assert.InEpsilon(t, want.objects, first.objects, 0.05)
			assert.Contains(t, sourceLine(t, first.Site), want.source)
			assert.Contains(t, strings.Join(first.Callers, "\n"), "serve ", "%q", first.Callers)
		})
	}
}

var plantedInCpp = map[string]planted{
	"vector":  {"store::line_of", "// static collection", 1},
	"closure": {"store::subscribe", "// closure", 2},
	"cache":   {"store::Cache::put", "std::make_unique", 2},
	"buffer":  {"store::native_buffer", "// native buffer", 1},
	"none":    {},
}

func TestCppSitesArePlanted(t *testing.T) {
	findPlanted(t, buildNative(t, "g++", "-std=c++17", "-O2", "-g", "-pthread", "testdata/sites/native/leak.cc"), 4096, plantedInCpp)
}

func TestRustSitesArePlanted(t *testing.T) {
	findPlanted(t, buildNative(t, "rustc", "-O", "-g", "testdata/sites/native/leak.rs"), 4096, map[string]planted{
		"vec":          {"leak::remember", "// static collection", 1},
		"leak":         {"leak::Session::new", "// forgotten", 1},
		"thread_local": {"leak::cache", "// thread-local", 1},
		"none":         {},
	})
}
