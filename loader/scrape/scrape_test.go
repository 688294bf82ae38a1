package scrape

import (
	"bytes"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

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

// shown is the text of an endpoint with declared metrics and others.
const shown = `# HELP leaklab_demo_info What the server does.
# TYPE leaklab_demo_info gauge
leaklab_demo_info{leak="heap",bytes="64"} 1
# TYPE http_requests_total counter
http_requests_total 2
go_threads 3
# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{le="+Inf"} 5
http_request_duration_seconds_sum 1
http_request_duration_seconds_count 5
other 4
{"utf.8"} 5

`

func TestFetch(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/metrics" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(shown))
	}))
	defer server.Close()
	metrics, err := Fetch(t.Context(), server.URL+"/metrics")
	require.NoError(t, err)
	for name, want := range map[string]float64{"leaklab_demo_info": 1, "http_requests_total": 2, "go_threads": 3} {
		value, found := metrics.Value(Metric{name})
		assert.True(t, found, name)
		assert.Equal(t, want, value, name)
	}
	for _, name := range []string{"http_request_duration_seconds", "other", "missing"} {
		_, found := metrics.Value(Metric{name})
		assert.False(t, found, name)
	}
	assert.Equal(t, "heap", metrics.Label(DemoInfo, "leak"))
	assert.Empty(t, metrics.Label(DemoInfo, "missing"))
	assert.Empty(t, metrics.Label(Metric{"missing"}, "leak"))
	assert.EqualValues(t, 5, metrics[Metric{"http_request_duration_seconds"}].GetMetric()[0].GetHistogram().GetSampleCount(), "without its buckets")

	_, err = Fetch(t.Context(), server.URL)
	assert.EqualError(t, err, server.URL+" answered 404 Not Found")
	_, err = Fetch(t.Context(), "http://127.0.0.1:1/metrics")
	assert.ErrorContains(t, err, "connection refused")
}

// A Metric can be made in this package alone, by declare; so whatever another package can ask for is kept.
func TestEveryDeclaredMetricIsKept(t *testing.T) {
	assert.Greater(t, len(declared), len(requestCounters))
	for name := range declared {
		kept, err := filter(strings.NewReader(name+" 7\nother 8\n"), wanted())
		require.NoError(t, err)
		metrics, err := Parse(bytes.NewReader(kept))
		require.NoError(t, err)
		value, found := metrics.Value(Metric{name})
		assert.True(t, found, name)
		assert.EqualValues(t, 7, value, name)
		assert.Len(t, metrics, 1)
	}
	for _, counter := range requestCounters {
		assert.True(t, declared[counter.String()], counter)
	}
}

func TestParseErrors(t *testing.T) {
	_, err := Parse(strings.NewReader("<html>\n"))
	assert.Error(t, err)
}

// endless repeats a text without end.
type endless struct {
	text string
	at   int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.text[e.at:])
	e.at = (e.at + n) % len(e.text)
	return n, nil
}

func TestWhatAServerDoesNotEndIsGivenUp(t *testing.T) {
	for name, test := range map[string]struct {
		text io.Reader
		want string
	}{
		"other metrics":         {&endless{text: "other{a=\"b\"} 1\n"}, "there are more than 16 MiB of metrics"},
		"a metric asked for":    {&endless{text: "http_requests_total{a=\"b\"} 1\n"}, "there is more than 1 MiB of the metrics asked for"},
		"a line":                {&endless{text: "x"}, "there are more than 16 MiB of metrics"},
		"a line asked for":      {io.MultiReader(strings.NewReader("go_threads "), &endless{text: "1"}), "a line is longer than 32768 bytes"},
		"a comment":             {io.MultiReader(strings.NewReader("# "), &endless{text: "x"}), "there are more than 16 MiB of metrics"},
		"no metrics":            {&endless{text: "<html>\n"}, "there is more than 1 MiB of the metrics asked for"},
		"an end that is broken": {io.MultiReader(strings.NewReader("other 1\n"), iotest.ErrReader(io.ErrUnexpectedEOF)), "unexpected EOF"},
	} {
		_, err := filter(test.text, wanted())
		assert.ErrorContains(t, err, test.want, name)
	}
	many := "# TYPE other counter\n" + strings.Repeat("other{a=\"b\"} 1\n", 500_000)
	kept, err := filter(strings.NewReader(many+"go_threads 7\nother"), wanted())
	require.NoError(t, err)
	assert.Equal(t, "go_threads 7\nother", string(kept), "the parser must see the incomplete last line")
}

// FuzzFilter compares the declared metrics of the filtered text with those of the whole text, where that is well-formed.
func FuzzFilter(f *testing.F) {
	f.Add(shown)
	f.Add("process_resident_memory_bytes{pid=\"1\"} 5\nx_exporter_build_info 1\n")
	f.Add("go_threads{a=\"\\\"\n\"} NaN\n  go_threads 1")
	f.Fuzz(func(t *testing.T, text string) {
		whole, err := Parse(strings.NewReader(text))
		if err != nil || strings.Contains(text, "_bucket") { // a histogram with buckets only has no count
			return
		}
		kept, err := filter(strings.NewReader(text), wanted())
		if err != nil {
			t.Skip(err)
		}
		metrics, err := Parse(bytes.NewReader(kept))
		if err != nil {
			t.Fatalf("%v, of %q", err, kept)
		}
		for name := range declared {
			want, found := whole.Value(Metric{name})
			got, kept := metrics.Value(Metric{name})
			if found != kept || want != got && !math.IsNaN(want) {
				t.Fatalf("%s is %v, %t; expected %v, %t", name, got, kept, want, found)
			}
		}
		wantMemory, wantErr := whole.Memory(Selector{})
		if got, err := metrics.Memory(Selector{}); got != wantMemory || (err == nil) != (wantErr == nil) {
			t.Fatalf("memory is %v, %v; expected %v, %v", got, err, wantMemory, wantErr)
		}
		want, wantName, found := new(Counter).Requests(whole)
		if got, name, kept := new(Counter).Requests(metrics); want != got && !math.IsNaN(want) || name != wantName || found != kept {
			t.Fatalf("%v requests of %s, %t; expected %v of %s, %t", got, name, kept, want, wantName, found)
		}
	})
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
