package shape

import (
	"bytes"
	"io"
	"net"
	"net/http"
	_ "net/http/pprof" // where live memory is read
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"

	"leaklab/e2e/internal/lab"
)

// keyOf returns what a server may key its state on, by the dimension of that name. The body is read.
func keyOf(r *http.Request, dimension string) string {
	switch dimension {
	case "path":
		return r.URL.Path
	case "query":
		return r.URL.RawQuery
	case "method":
		return r.Method
	case "host":
		return r.Host
	case "user-agent":
		return r.UserAgent()
	case "cookie":
		return r.Header.Get("Cookie")
	case "body":
		body, _ := io.ReadAll(r.Body)
		return string(body)
	}
	var names []string
	for name := range r.Header {
		if name != "Cookie" && name != "User-Agent" && name != "Content-Length" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ",")
}

// serveKeeping keeps 4 KiB for each new key, like a metric with a series for each. The loader starts it as a separate
// process.
func serveKeeping(dimension string) error {
	var mu sync.Mutex
	kept := make(map[string][]byte)
	return http.ListenAndServe(net.JoinHostPort(os.Getenv("HOST"), os.Getenv("PORT")), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/debug/pprof/") {
			http.DefaultServeMux.ServeHTTP(w, r)
			return
		}
		key := keyOf(r, dimension)
		mu.Lock()
		defer mu.Unlock()
		if kept[key] == nil {
			kept[key] = bytes.Repeat([]byte("x"), 4096)
		}
	}))
}

// State that is keyed on one part of a request is found if that part is new each time, and not as the shape is without
// UNIQUE. Of path and header, which that has, each is found without the other.
func TestStateIsFoundInTheDimensionThatItIsKeyedOn(t *testing.T) {
	lab.Quiet(t)
	self, err := os.Executable()
	assert.NoError(t, err)
	others := map[string]string{"method": "path,header", "user-agent": "path,header"}
	if lab.Long() {
		for _, dimension := range []string{"query", "host", "cookie", "body"} {
			others[dimension] = "path,header"
		}
		others["path"], others["header"] = "header", "path"
	}
	for dimension, other := range others {
		t.Run(dimension, func(t *testing.T) {
			port := lab.FreePorts(t, 1)[0]
			settings := []string{
				"PORT=" + port, lab.PprofAt(port), "SHAPE=unique", "WORKERS=20", "TRIES=10", "REQUESTS=1500", "TOLERANCE=512",
			}
			found := lab.Start(t, append(settings, "UNIQUE="+dimension), self, "keep", dimension)
			assert.Equal(t, 1, found.ExitCode(), "%s%s", &found.Out, &found.Err)
			missed := lab.Start(t, append(settings, "UNIQUE="+other), self, "keep", dimension)
			assert.NotEqual(t, 1, missed.ExitCode(), "%s%s", &missed.Out, &missed.Err)
			for _, row := range append(found.Rows(t), missed.Rows(t)...) {
				assert.Zero(t, lab.Number(t, row, lab.ColumnErrors))
			}
		})
	}
}
