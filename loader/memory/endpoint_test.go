package memory

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/scrape"
)

// page serves a text, and returns its address.
func page(t *testing.T, status int, text string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}))
	t.Cleanup(server.Close)
	return server.URL + "/metrics"
}

// selector is the Selector that a text names; the zero Selector for no text.
func selector(t *testing.T, text string) scrape.Selector {
	t.Helper()
	var s scrape.Selector
	if text != "" {
		require.NoError(t, s.UnmarshalText([]byte(text)))
	}
	return s
}

func endpoint(t *testing.T, status int, text string) *Endpoint {
	t.Helper()
	return NewEndpoint(page(t, status, text), scrape.Selector{}, scrape.Selector{})
}

func TestEndpoint(t *testing.T) {
	for name, body := range map[string]string{
		"typed":           "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes 1.2345344e+07\n",
		"untyped":         "up 1\nprocess_resident_memory_bytes 12345344\n",
		"with labels":     "process_resident_memory_bytes{app=\"x\"} 12345344\n",
		"among the rest":  "# HELP a A.\n# TYPE a counter\na 1\nprocess_resident_memory_bytes 12345344 1700000000000\nz{b=\"c\"} 2\n",
		"several workers": "process_resident_memory_bytes{pid=\"7\"} 12000000\nprocess_resident_memory_bytes{pid=\"8\"} 345344\n",
	} {
		t.Run(name, func(t *testing.T) {
			reading, err := endpoint(t, 200, body).Read(t.Context())
			require.NoError(t, err)
			assert.Equal(t, Reading{Total: 12345344}, reading)
		})
	}
	reading, err := endpoint(t, 200, "process_resident_memory_bytes{pid=\"7\"} 5\nprocess_resident_memory_bytes{pid=\"8\"} 6\n"+
		"process_open_fds{pid=\"7\"} 10\nprocess_open_fds{pid=\"8\"} 11\ngo_threads 3\n").Read(t.Context())
	require.NoError(t, err)
	assert.Equal(t, Reading{Total: 11, OpenFiles: 21, Threads: 3}, reading)
}

func TestEndpointErrors(t *testing.T) {
	for name, test := range map[string]struct {
		status     int
		body, want string
	}{
		"missing":     {200, "up 1\n", "process_resident_memory_bytes is missing"},
		"not metrics": {200, "<html>\n", "text format parsing error"},
		"status":      {404, "", "answered 404 Not Found"},
		"NaN":         {200, "process_resident_memory_bytes NaN\n", "is NaN; expected a number of bytes"},
		"negative":    {200, "process_resident_memory_bytes -1\n", "is -1; expected a number of bytes"},
		"infinite":    {200, "process_resident_memory_bytes +Inf\n", "is +Inf; expected a number of bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := endpoint(t, test.status, test.body).Read(t.Context())
			assert.ErrorContains(t, err, test.want)
		})
	}
}

func TestEndpointCompletes(t *testing.T) {
	const pacer = "go_memstats_next_gc_bytes 6e6\ngo_gc_gogc_percent 200\n"
	for text, want := range map[string]Reading{
		"go_gc_heap_live_bytes 123456\n" + pacer:                         {LiveHeap: 123456},
		"go_gc_heap_live_bytes 123456\ngo_memstats_heap_alloc_bytes 5\n": {LiveHeap: 123456},
		pacer: {LiveHeap: 2e6},
		pacer + "go_gc_gomemlimit_bytes 9.223372036854776e+18\n":                               {LiveHeap: 2e6},
		pacer + "go_gc_gomemlimit_bytes 1e+08\n":                                               {},
		"go_memstats_next_gc_bytes 6e6\n":                                                      {},
		"go_memstats_next_gc_bytes 6e6\ngo_memstats_heap_alloc_bytes 4.5e6\n":                  {HeapInUse: 4_500_000, HeapMetric: "go_memstats_heap_alloc_bytes"},
		"go_memstats_next_gc_bytes 6e6\ngo_gc_gogc_percent -100\n":                             {},
		"process_resident_memory_bytes 5\n":                                                    {},
		"go_gc_heap_live_bytes 123456\nnginx_up 1\nnginx_http_requests_total 7\n":              {Requests: 7, RequestsCounter: "nginx_http_requests_total"},
		"nodejs_heap_size_used_bytes 1\nnode_exporter_build_info 1\n":                          {},
		"http_requests_total{code=\"200\"} 40\nhttp_requests_total{code=\"404\"} 2\n":          {Requests: 42, RequestsCounter: "http_requests_total"},
		"http_requests_total{path=\"/metrics\"} 40\nhttp_requests_total{path=\"/hello\"} 20\n": {Requests: 20, RequestsCounter: "http_requests_total"},
	} {
		want.Total = 1
		reading := Reading{Total: 1}
		endpoint(t, 200, text).Complete(t.Context(), &reading)
		assert.Equal(t, want, reading, "%q", text)
	}
	reading := Reading{Total: 1}
	NewEndpoint("http://127.0.0.1:1/", scrape.Selector{}, scrape.Selector{}).Complete(t.Context(), &reading)
	assert.Equal(t, Reading{Total: 1}, reading)
}

// A counter that appears later, and is better known, counts from another beginning.
func TestOneCounterIsReadThroughout(t *testing.T) {
	texts := []string{"starlette_requests_total 1000\n", "starlette_requests_total 1500\nhttp_requests_total 3\n", "http_requests_total 4\n"}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, texts[0])
		texts = texts[1:]
	}))
	defer server.Close()
	e := NewEndpoint(server.URL, scrape.Selector{}, scrape.Selector{})
	for _, want := range []Reading{
		{Requests: 1000, RequestsCounter: "starlette_requests_total"}, {Requests: 1500, RequestsCounter: "starlette_requests_total"}, {},
	} {
		var reading Reading
		e.Complete(t.Context(), &reading)
		assert.Equal(t, want, reading)
	}
}

func TestChosenMetrics(t *testing.T) {
	const text = "process_resident_memory_bytes 5\ncontainer_memory_rss{name=\"web\"} 7\ncontainer_memory_rss{name=\"db\"} 9\n" +
		"http_requests_total{path=\"/metrics\"} 40\nhttp_requests_total{path=\"/hello\"} 20\ncalls_total{to=\"me\"} 3\ncalls_total{to=\"you\"} 4\n"
	for memory, want := range map[string]int64{"": 5, `container_memory_rss{name="web"}`: 7, `container_memory_rss{name="db",}`: 9} {
		e := NewEndpoint(page(t, 200, text), selector(t, memory), scrape.Selector{})
		require.NoError(t, e.Check(t.Context()), memory)
		reading, err := e.Read(t.Context())
		require.NoError(t, err, memory)
		assert.Equal(t, want, reading.Total, memory)
	}
	for requests, want := range map[string]uint64{`calls_total{to="me"}`: 3, "calls_total": 7, "http_requests_total": 60, `http_requests_total{path="/metrics"}`: 40} {
		e := NewEndpoint(page(t, 200, text), scrape.Selector{}, selector(t, requests))
		require.NoError(t, e.Check(t.Context()), requests)
		var reading Reading
		e.Complete(t.Context(), &reading)
		assert.Equal(t, Reading{Requests: want, RequestsCounter: requests}, reading)
	}
}

func TestChosenMetricsThatAreNotThere(t *testing.T) {
	text := "process_resident_memory_bytes 5\ncontainer_memory_rss{name=\"web\",id=\"/a\"} 7\ncontainer_memory_rss{name=\"db\",id=\"/b\"} 9\n" +
		"http_requests_total{code=\"200\"} 40\n# TYPE latency histogram\nlatency_bucket{le=\"+Inf\"} 1\nlatency_sum 1\nlatency_count 1\n"
	url := page(t, 200, text)
	for _, test := range []struct{ memory, requests, want string }{
		{"rss", "", `METRICS_MEMORY="rss": expected a metric of ` + url + `: it has container_memory_rss, process_resident_memory_bytes`},
		{`container_memory_rss{name="w"}`, "", `METRICS_MEMORY="container_memory_rss{name=\"w\"}": expected a metric of ` + url +
			`: it has container_memory_rss{name="db",id="/b"}, container_memory_rss{name="web",id="/a"}`},
		{"container_memory_rss", "", `METRICS_MEMORY="container_memory_rss": expected the memory of the server at ` + url +
			`: container_memory_rss is not of one server; choose by METRICS_MEMORY: container_memory_rss{name="db"}, container_memory_rss{name="web"}`},
		{"latency", "", `METRICS_MEMORY="latency": expected the memory of the server at ` + url + `: latency is a histogram or a summary; expected a number of bytes`},
		{"", "calls_total", `METRICS_REQUESTS="calls_total": expected a metric of ` + url + `: it has http_requests_total`},
		{"", `http_requests_total{code="201"}`, `METRICS_REQUESTS="http_requests_total{code=\"201\"}": expected a metric of ` + url + `: it has http_requests_total{code="200"}`},
	} {
		err := NewEndpoint(url, selector(t, test.memory), selector(t, test.requests)).Check(t.Context())
		assert.EqualError(t, err, test.want)
	}
	assert.NoError(t, NewEndpoint("http://127.0.0.1:1/", scrape.Selector{}, scrape.Selector{}).Check(t.Context()), "nothing was chosen")

	var many strings.Builder
	for _, name := range strings.Fields("a b c d e f g h i j k l " + strings.Repeat("x", 300)) {
		many.WriteString(name + "_memory 1\n")
	}
	url = page(t, 200, many.String())
	err := NewEndpoint(url, selector(t, "rss"), scrape.Selector{}).Check(t.Context())
	assert.EqualError(t, err, `METRICS_MEMORY="rss": expected a metric of `+url+`: it has a_memory, b_memory, c_memory, d_memory, e_memory, f_memory, g_memory, h_memory, i_memory, j_memory and 2 more`)
	url = page(t, 200, "up 1\n")
	err = NewEndpoint(url, scrape.Selector{}, selector(t, "calls_total")).Check(t.Context())
	assert.EqualError(t, err, `METRICS_REQUESTS="calls_total": expected a metric of `+url+`: it has none like it`)
}

func TestSourceOfAnEndpoint(t *testing.T) {
	const resident = "process_resident_memory_bytes 5\n"
	for _, test := range []struct {
		text, memory string
		processors   int
		want         string
		floor        int64
	}{
		{resident, "", 2, "process_resident_memory_bytes of URL, exact to 256 KiB with 2 processors", 256 << 10},
		{resident, "", 64, "process_resident_memory_bytes of URL, exact to 32 MiB with 64 processors", 32 << 20},
		{resident, "", 0, "process_resident_memory_bytes of URL, exact to 256 KiB with 2 processors, to 32 MiB with 64; how many the server has is not known", 256 << 10},
		{resident + "go_sched_gomaxprocs_threads 8\n", "", 0,
			"process_resident_memory_bytes of URL, exact to 1 MiB with 8 processors, to 32 MiB with 64; how many the server has is not known", 1 << 20},
		{resident + "system_cpu_count 96\n", "", 0, "process_resident_memory_bytes of URL, exact to 72 MiB with 96 processors; how many the server has is not known", 72 << 20},
		{resident + "system_cpu_count 96\n", "", 2, "process_resident_memory_bytes of URL, exact to 256 KiB with 2 processors", 256 << 10},
		{"process_working_set_bytes{pid=\"1\"} 5\nprocess_working_set_bytes{pid=\"2\"} 6\n", "", 2,
			"process_working_set_bytes of URL, the sum of 2 series, exact to 512 KiB with 2 processors", 512 << 10},
		{"container_memory_rss{name=\"web\"} 7\ncontainer_memory_rss{name=\"db\"} 9\n", `container_memory_rss{name="web"}`, 2,
			`container_memory_rss{name="web"} of URL`, 0},
	} {
		url := page(t, 200, test.text)
		source, floor, err := NewEndpoint(url, selector(t, test.memory), scrape.Selector{}).Source(t.Context(), test.processors)
		require.NoError(t, err)
		assert.Equal(t, strings.Replace(test.want, "URL", url, 1), source)
		assert.Equal(t, test.floor, floor)
	}
	_, _, err := endpoint(t, 200, "up 1\n").Source(t.Context(), 2)
	assert.ErrorContains(t, err, "process_resident_memory_bytes is missing")
	_, _, err = NewEndpoint("http://127.0.0.1:1/", scrape.Selector{}, scrape.Selector{}).Source(t.Context(), 2)
	assert.ErrorContains(t, err, "connection refused")
}
