package scrape

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const text = `# TYPE g gauge
g{leak="heap",bytes="64"} 1
# TYPE c counter
c 2
u 3
# TYPE h histogram
h_bucket{le="+Inf"} 1
h_sum 1
h_count 1
`

func TestFetch(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/metrics" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(text))
	}))
	defer server.Close()
	metrics, err := Fetch(t.Context(), server.URL+"/metrics")
	require.NoError(t, err)
	for name, want := range map[string]float64{"g": 1, "c": 2, "u": 3} {
		value, found := metrics.Value(name)
		assert.True(t, found, name)
		assert.Equal(t, want, value, name)
	}
	for _, name := range []string{"h", "missing"} {
		_, found := metrics.Value(name)
		assert.False(t, found, name)
	}
	assert.Equal(t, "heap", metrics.Label("g", "leak"))
	assert.Empty(t, metrics.Label("g", "missing"))
	assert.Empty(t, metrics.Label("missing", "leak"))

	_, err = Fetch(t.Context(), server.URL)
	assert.EqualError(t, err, server.URL+" answered 404 Not Found")
	_, err = Fetch(t.Context(), "http://127.0.0.1:1/metrics")
	assert.ErrorContains(t, err, "connection refused")
}

func TestParseErrors(t *testing.T) {
	_, err := Parse(strings.NewReader("<html>\n"))
	assert.Error(t, err)
}

func FuzzParse(f *testing.F) {
	f.Add(text)
	f.Add("g NaN\n")
	f.Fuzz(func(_ *testing.T, text string) {
		if metrics, err := Parse(strings.NewReader(text)); err == nil {
			for name := range metrics {
				metrics.Value(name)
				metrics.Label(name, "leak")
			}
		}
	})
}
