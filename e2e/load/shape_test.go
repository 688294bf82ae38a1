package load

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/e2e/internal/lab"
)

func TestEveryShapeAndProtocolLoadsTheDemo(t *testing.T) {
	all := lab.Shapes(t)
	for _, protocol := range []string{"http1", "https", "h2c", "h2", "grpc", "grpcs", "ws", "wss", "sse"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			shapes := slices.Clone(all)
			if protocol == "sse" { // a subscriber sends nothing
				shapes = slices.DeleteFunc(shapes, func(shape string) bool { return shape == "upload" })
			}
			r := lab.Start(t, []string{
				"TRIES=1", "REQUESTS=200", "LEAK=none", "PROTOCOL=" + protocol, "TLS_INSECURE=true",
				"SHAPE=" + strings.Join(shapes, ","),
			})
			assert.Equal(t, 125, r.ExitCode(), "%s", &r.Err)
			assert.Empty(t, r.Err.String())
			folders, err := filepath.Glob(filepath.Join(r.Results, "*"))
			require.NoError(t, err)
			require.Len(t, folders, len(shapes), "a run for each shape")
			for _, folder := range folders {
				rows := lab.RowsIn(t, folder)
				require.Len(t, rows, 1)
				assert.Zero(t, lab.Number(t, rows[0], lab.ColumnErrors), folder)
				_, shape, _ := strings.Cut(filepath.Base(folder), "-")
				want := 200.0
				if shape == "idle" {
					want += 10 * 10
				}
				assert.Equal(t, want, lab.Number(t, rows[0], lab.ColumnRequests), folder)
				assert.Contains(t, r.Out.String(), "Load:    "+shape+", 1 iteration of 200 requests")
			}
		})
	}
}

// A certificate without a trusted signature is refused, unless that is allowed.
func TestCertificateOfTheDemoIsNotTrusted(t *testing.T) {
	t.Parallel()
	r := lab.Start(t, []string{"TRIES=1", "REQUESTS=10", "PROTOCOL=https", "TLS_INSECURE=false", "START_TIMEOUT=1s"})
	assert.Equal(t, 125, r.ExitCode())
	assert.Contains(t, r.Err.String(), "no answer from https://")
}

// Waiting would not change that an event stream has no end.
func TestAnEventStreamOverHTTPIsNamed(t *testing.T) {
	t.Parallel()
	r := lab.Start(t, []string{"TRIES=1", "REQUESTS=10", "LEAK=none", "PROTOCOL=http1", "REQUEST_PATH=/events/warp", "TIMEOUT=300ms"})
	assert.Equal(t, 125, r.ExitCode())
	assert.Regexp(t, `^loader: http://127\.0\.0\.1:\d+/events/warp: the response has begun but does not end; PROTOCOL=sse is for event streams\n$`, r.Err.String())
}

// READY_PATH is asked for in place of it, by plain HTTP.
func TestReadyPath(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"http1", "ws", "sse"} {
		r := lab.Start(t, []string{"TRIES=1", "REQUESTS=10", "LEAK=none", "PROTOCOL=" + protocol, "READY_PATH=/hello/ready"})
		assert.Equal(t, 125, r.ExitCode())
		assert.Empty(t, r.Err.String())
		assert.EqualValues(t, 10, lab.Number(t, r.Rows(t)[0], lab.ColumnRequests))
		late := lab.Start(t, []string{"TRIES=1", "REQUESTS=10", "LEAK=none", "PROTOCOL=" + protocol, "READY_PATH=/missing", "START_TIMEOUT=3s"})
		assert.Equal(t, 125, late.ExitCode())
		assert.Regexp(t, `^loader: the server is not ready after 3s: http://127\.0\.0\.1:\d+/missing answers 404 Not Found\n$`, late.Err.String())
	}
}
