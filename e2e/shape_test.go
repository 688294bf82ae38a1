package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Each shape of load finds the leak that is planted on its path, and plain load does not.
func TestPlantedLeaksAreFoundByTheFittingShape(t *testing.T) {
	for _, planted := range []struct {
		leak, shape string
	}{{"conn", "churn"}, {"abort", "abort"}, {"body", "upload"}, {"path", "unique"}} {
		t.Run(planted.leak, func(t *testing.T) {
			settings := twelve("TRIES=10", "DURATION=500ms", "LEAK="+planted.leak, "LEAK_BYTES=1024", "BODY_BYTES=8192", "REQUEST_PATH=/hello/warp", "WORKERS=20")
			found := start(t, append(settings, "SHAPE="+planted.shape))
			assert.Equal(t, 1, found.exitCode(), "%s%s", &found.out, &found.err)
			plain := start(t, append(settings, "SHAPE=keepalive"))
			assert.NotEqual(t, 1, plain.exitCode(), "%s%s", &plain.out, &plain.err)
			for _, row := range append(found.rows(t), plain.rows(t)...) {
				assert.Zero(t, number(t, row, columnErrors))
			}
		})
	}
}

func TestEveryShapeAndProtocolLoadsTheDemo(t *testing.T) {
	for _, protocol := range []string{"http1", "https", "h2c", "h2"} {
		t.Run(protocol, func(t *testing.T) {
			r := start(t, []string{
				"TRIES=1", "REQUESTS=200", "LEAK=none", "PROTOCOL=" + protocol, "TLS_INSECURE=true",
				"SHAPE=keepalive,churn,abort,slow,upload,idle,unique",
			})
			assert.Equal(t, 125, r.exitCode(), "%s", &r.err)
			assert.Empty(t, r.err.String())
			folders, err := filepath.Glob(filepath.Join(r.results, "*"))
			require.NoError(t, err)
			require.Len(t, folders, 7, "a run for each shape")
			for _, folder := range folders {
				rows := rowsIn(t, folder)
				require.Len(t, rows, 1)
				assert.Zero(t, number(t, rows[0], columnErrors), folder)
				_, shape, _ := strings.Cut(filepath.Base(folder), "-")
				want := 200.0
				if shape == "idle" {
					want += 10 * 10
				}
				assert.Equal(t, want, number(t, rows[0], columnRequests), folder)
				assert.Contains(t, r.out.String(), "Load:    "+shape+", 1 iteration of 200 requests")
			}
		})
	}
}

// A certificate that nobody has signed is refused, unless that is allowed.
func TestCertificateOfTheDemoIsNotTrusted(t *testing.T) {
	r := start(t, []string{"TRIES=1", "REQUESTS=10", "PROTOCOL=https", "TLS_INSECURE=false", "START_TIMEOUT=1s"})
	assert.Equal(t, 125, r.exitCode())
	assert.Contains(t, r.err.String(), "no answer from https://")
}

// Ten times the connections stay silent, and the loader with them stays small.
func TestALeakInOneShapeIsALeak(t *testing.T) {
	r := start(t, []string{"TRIES=8", "REQUESTS=20000", "LEAK=heap", "LEAK_BYTES=256", "SHAPE=keepalive,unique"})
	assert.Equal(t, 1, r.exitCode(), "%s%s", &r.out, &r.err)
	assert.Equal(t, 2, strings.Count(r.out.String(), "Verdict: "))
}

func TestNginxWithEveryShapeFromDebian(t *testing.T) {
	port := freePorts(t, 1)[0]
	r := start(t, []string{"PORT=" + port, "TRIES=1", "REQUESTS=200", "REQUEST_PATH=/", "SHAPE=keepalive,churn,abort,slow,upload,idle,unique"},
		nginxCommand(t, port, "daemon off;")...)
	assert.Equal(t, 125, r.exitCode())
	folders, err := filepath.Glob(filepath.Join(r.results, "*"))
	require.NoError(t, err)
	require.Len(t, folders, 7, "%s", &r.err)
	for _, folder := range folders {
		rows := rowsIn(t, folder)
		require.Len(t, rows, 1)
		assert.Zero(t, number(t, rows[0], columnErrors), folder)
		assert.GreaterOrEqual(t, number(t, rows[0], columnRequests), 200.0)
	}
	log, err := os.ReadFile(filepath.Join(folders[0], "server.log"))
	require.NoError(t, err)
	assert.NotContains(t, string(log), "[emerg]")
}
