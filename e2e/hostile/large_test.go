package hostile

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/e2e/internal/lab"
)

// serveSwallowing reads the body of each request to its end. The loader starts it as a separate process.
func serveSwallowing() error {
	return http.ListenAndServe(net.JoinHostPort(os.Getenv("HOST"), os.Getenv("PORT")), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
}

// What is requested may be as large as the settings allow; the loader stays small.
func TestLargeRequestsTakeLittleMemory(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	folder := t.TempDir()
	urls, body := filepath.Join(folder, "urls"), filepath.Join(folder, "body")
	var lines bytes.Buffer
	for n := 0; lines.Len() < 100<<20; n++ {
		fmt.Fprintf(&lines, "/item/%d?from=here\n", n)
	}
	require.NoError(t, os.WriteFile(urls, lines.Bytes(), 0o600))
	require.NoError(t, os.WriteFile(body, nil, 0o600))
	require.NoError(t, os.Truncate(body, 128<<20))
	var most peaks
	t.Cleanup(func() { most.log(t) })
	for name, test := range map[string]struct {
		settings []string
		requests int
	}{
		"URL_FILE":   {[]string{"URL_FILE=" + urls, "REQUESTS=5000"}, 5000},
		"BODY_BYTES": {[]string{"SHAPE=upload", "BODY_BYTES=1073741824", "WORKERS=2", "REQUESTS=2", "TIMEOUT=1m"}, 2},
		"BODY_FILE":  {[]string{"METHOD=POST", "BODY_FILE=" + body, "PROTOCOL=http1", "WORKERS=2", "REQUESTS=4", "TIMEOUT=1m"}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			m := measure(t, append(test.settings, "START_TIMEOUT=1m"), self, "swallow")
			assert.Equal(t, 125, m.code, m.err)
			assert.Empty(t, m.err)
			rows := lab.RowsIn(t, lab.Newest(t, m.results, 1))
			require.Len(t, rows, 1)
			assert.EqualValues(t, test.requests, lab.Number(t, rows[0], lab.ColumnRequests))
			assert.Zero(t, lab.Number(t, rows[0], lab.ColumnErrors))
			most.add(t, m.peak)
		})
	}
}
