package scrape

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// said is what a page is taken to say.
type said struct {
	path       string // of the page; /metrics if it is empty
	memory     Memory
	wrong      string // why there is no memory
	requests   float64
	counter    string
	heap       float64
	heapMetric string
	processors int
}

// The pages are made up, in the formats and with the names of the programs that they are called by.
func pages() map[string]said {
	const another = "; choose another metric by METRICS_MEMORY"
	exporter := func(name string) string {
		return "process_resident_memory_bytes is the memory of the " + name + " exporter, not the server's" + another
	}
	lagging := func(metric string, bytes float64) Memory {
		return Memory{Bytes: bytes, Metric: metric, Series: 1, Lags: true}
	}
	resident := func(bytes float64) Memory { return lagging("process_resident_memory_bytes", bytes) }
	const missing = "process_resident_memory_bytes is missing" + another
	return map[string]said{
		"node_exporter":    {wrong: exporter("node")},
		"process_exporter": {memory: lagging(`namedprocess_namegroup_memory_bytes{memtype="resident"}`, 16482304)},
		"process_exporter_groups": {wrong: `namedprocess_namegroup_memory_bytes{memtype="resident"} is not of one server; choose by METRICS_MEMORY: ` +
			`namedprocess_namegroup_memory_bytes{memtype="resident",groupname="nginx"}, namedprocess_namegroup_memory_bytes{memtype="resident",groupname="php-fpm"}`},
		"apache_exporter":  {wrong: exporter("apache"), requests: 73461, counter: "apache_accesses_total"},
		"nginx_exporter":   {wrong: exporter("nginx"), requests: 501234, counter: "nginx_http_requests_total"},
		"nginx_exporter_0": {wrong: exporter("nginx"), requests: 501234, counter: "nginx_http_requests_total"},
		"haproxy_exporter": {wrong: exporter("haproxy"), requests: 88123, counter: "haproxy_frontend_http_requests_total"},
		"haproxy":          {wrong: missing, requests: 4200, counter: "haproxy_frontend_http_requests_total"},
		"cadvisor": {wrong: `container_memory_rss is not of one server; choose by METRICS_MEMORY: container_memory_rss{name=""}, ` +
			`container_memory_rss{name="lab-db-1"}, container_memory_rss{name="lab-web-1"}`},
		"prometheus_net": {memory: lagging("process_working_set_bytes", 96550912), requests: 1200, counter: "http_requests_received_total"},
		"dotnet_9": {memory: lagging("dotnet_process_memory_working_set_bytes", 118775808), requests: 55,
			counter: "http_server_request_duration_seconds", processors: 16},
		"opentelemetry_js": {memory: lagging("process_memory_usage", 85016576), requests: 900, counter: "http_server_request_duration",
			heap: 10_000_000, heapMetric: "v8js_memory_heap_used"},
		"prom_client": {memory: resident(71884800), requests: 640, counter: "http_request_duration_seconds",
			heap: 9437184, heapMetric: "nodejs_heap_size_used_bytes"},
		"python_workers": {memory: Memory{Bytes: 96e6, Metric: "process_resident_memory_bytes", Series: 3, Lags: true},
			requests: 5150, counter: "flask_http_request_total"},
		"micrometer": {path: "/actuator/prometheus", wrong: missing, requests: 2000, counter: "http_server_requests_seconds",
			heap: 26214400, heapMetric: `jvm_memory_used_bytes{area="heap"}`, processors: 8},
		"jmx_agent":         {memory: resident(2.4e8), heap: 73400320, heapMetric: `jvm_memory_used_bytes{area="heap"}`},
		"jmx_standalone":    {wrong: exporter("jmx")},
		"java_simpleclient": {memory: resident(1.8e8), heap: 31457280, heapMetric: `jvm_memory_bytes_used{area="heap"}`},
		"client_golang_old": {memory: resident(16777216), requests: 305, counter: "grpc_server_handled_total",
			heap: 3145728, heapMetric: "go_memstats_heap_alloc_bytes"},
		"prometheus": {memory: resident(1.2e8), requests: 513, counter: "prometheus_http_requests_total", processors: 4},
		"envoy":      {wrong: missing, requests: 9000, counter: "envoy_http_downstream_rq_total"},
		"traefik":    {memory: resident(9.1e7), requests: 7700, counter: "traefik_entrypoint_requests_total"},
		"caddy":      {memory: resident(5.1e7)}, // two requests, which four series together count four times
		"cowboy":     {memory: resident(64e6), requests: 810, counter: "cowboy_requests_total"},
	}
}

func TestPages(t *testing.T) {
	files, err := filepath.Glob("testdata/pages/*.txt")
	require.NoError(t, err)
	all := pages()
	assert.Len(t, files, len(all))
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		t.Run(name, func(t *testing.T) {
			want, listed := all[name]
			require.True(t, listed)
			m := read(t, file)
			memory, err := m.Memory(Selector{})
			if want.wrong == "" {
				assert.NoError(t, err)
			} else {
				assert.EqualError(t, err, want.wrong)
			}
			assert.Equal(t, want.memory, memory)

			if want.path == "" {
				want.path = "/metrics"
			}
			counter := Counter{Page: "http://me:secret@host:9090" + want.path + "?a=b"}
			requests, taken, found := counter.Requests(m)
			assert.Equal(t, want.counter != "", found)
			assert.Equal(t, want.counter, strings.TrimSuffix(taken, "_count"))
			assert.Equal(t, want.requests, requests)

			heap, metric, found := m.Heap()
			assert.Equal(t, want.heapMetric != "", found)
			assert.Equal(t, want.heapMetric, metric)
			assert.Equal(t, want.heap, heap)
			assert.Equal(t, want.processors, m.Processors())
			assert.Equal(t, strings.Contains(want.wrong, "exporter,") || strings.Contains(name, "process_exporter") || name == "cadvisor", m.IsOfExporter())
		})
	}
}

// read reads a file as Fetch does a page.
func read(t *testing.T, file string, chosen ...Selector) Metrics {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	kept, err := filter(bytes.NewReader(text), wanted(chosen...))
	require.NoError(t, err)
	m, err := Parse(bytes.NewReader(kept))
	require.NoError(t, err)
	return m
}

func TestMemoryThatIsChosen(t *testing.T) {
	for _, test := range []struct {
		page, chosen string
		want         Memory
		wrong        string
	}{
		{"cadvisor", `container_memory_rss{name="lab-web-1"}`, Memory{Bytes: 1.9e7, Metric: `container_memory_rss{name="lab-web-1"}`, Series: 1}, ""},
		{"cadvisor", `container_memory_rss{container_label_com_docker_compose_service="db"}`,
			Memory{Bytes: 8.3e7, Metric: `container_memory_rss{container_label_com_docker_compose_service="db"}`, Series: 1}, ""},
		{"cadvisor", `container_memory_rss{name="web"}`, Memory{}, `container_memory_rss{name="web"} is missing`},
		{"process_exporter_groups", `namedprocess_namegroup_memory_bytes{groupname="nginx", memtype="resident"}`,
			Memory{Bytes: 16482304, Metric: `namedprocess_namegroup_memory_bytes{groupname="nginx",memtype="resident"}`, Series: 1, Lags: true}, ""},
		{"process_exporter_groups", `namedprocess_namegroup_memory_bytes{groupname="nginx"}`, Memory{},
			`namedprocess_namegroup_memory_bytes{groupname="nginx"} is not of one server; choose by METRICS_MEMORY: ` +
				`namedprocess_namegroup_memory_bytes{groupname="nginx",memtype="proportionalResident"}, ` +
				`namedprocess_namegroup_memory_bytes{groupname="nginx",memtype="proportionalSwapped"}, ` +
				`namedprocess_namegroup_memory_bytes{groupname="nginx",memtype="resident"}, ` +
				`namedprocess_namegroup_memory_bytes{groupname="nginx",memtype="swapped"}, ` +
				`namedprocess_namegroup_memory_bytes{groupname="nginx",memtype="virtual"}`},
		{"node_exporter", "process_resident_memory_bytes", Memory{Bytes: 22233088, Metric: "process_resident_memory_bytes", Series: 1, Lags: true}, ""},
		{"prometheus_net", "process_private_memory_bytes", Memory{Bytes: 163020800, Metric: "process_private_memory_bytes", Series: 1, Lags: true}, ""},
		{"prom_client", "http_request_duration_seconds", Memory{}, "http_request_duration_seconds is a histogram or a summary; expected a number of bytes"},
	} {
		s := selector(t, test.chosen)
		got, err := read(t, "testdata/pages/"+test.page+".txt", s).Memory(s)
		if test.wrong == "" {
			assert.NoError(t, err, test.chosen)
		} else {
			assert.EqualError(t, err, test.wrong)
		}
		assert.Equal(t, test.want, got)
	}
}

func TestRequestsThatAreChosen(t *testing.T) {
	for _, test := range []struct {
		page, chosen string
		want         float64
	}{
		{"caddy", `caddy_http_requests_total{handler="reverse_proxy"}`, 2},
		{"prometheus", `prometheus_http_requests_total{handler="/metrics"}`, 66},
		{"prometheus", "prometheus_http_requests_total", 579},
		{"prom_client", `http_request_duration_seconds_count{path="/hello"}`, 640},
		{"prom_client", `http_request_duration_seconds{path="/metrics"}`, 9},
		{"envoy", "envoy_cluster_upstream_rq_total", 8990},
		{"envoy", "envoy_cluster_upstream_rq_total{envoy_cluster_name=\"other\"}", 0},
		{"envoy", "other", 0},
	} {
		s := selector(t, test.chosen)
		counter := Counter{Chosen: s, Page: "http://host/metrics"}
		total, name, found := counter.Requests(read(t, "testdata/pages/"+test.page+".txt", s))
		assert.Equal(t, test.want != 0, found, test.chosen)
		assert.Equal(t, test.want, total, test.chosen)
		assert.Equal(t, test.chosen, name)
	}
}

func TestOutgoingCallsAreNotCounted(t *testing.T) {
	for text, want := range map[string]float64{
		`http_requests_total{direction="outbound"} 5` + "\n" + `http_requests_total{direction="inbound"} 3`:        3,
		`http_requests_total{span_kind="SPAN_KIND_CLIENT"} 5` + "\n" + `http_requests_total{span_kind="server"} 4`: 4,
		`http_requests_total{kind="client"} 5`:                                          0,
		`http_requests_total{path="/metrics/"} 5`:                                       0,
		`http_requests_total{route="GET /metrics"} 5`:                                   0,
		`http_requests_total{path="/metrics/x"} 5`:                                      5,
		`http_requests_total{client="client"} 5`:                                        5,
		"http_client_requests_total 5\nhttp_client_request_duration_seconds_count 5":    0,
		"promhttp_metric_handler_requests_total 5\nhttp_client_duration_milliseconds 5": 0,
	} {
		m, err := Parse(strings.NewReader(text + "\n"))
		require.NoError(t, err)
		total, _, found := (&Counter{Page: "http://host/metrics"}).Requests(m)
		assert.Equal(t, want, total, text)
		assert.Equal(t, want != 0, found, text)
	}
	m, err := Parse(strings.NewReader("http_requests_total{path=\"/\"} 5\n"))
	require.NoError(t, err)
	total, _, found := (&Counter{Page: "http://host/"}).Requests(m)
	assert.True(t, found, "a page at / is not told from other requests")
	assert.EqualValues(t, 5, total)
}
