package scrape

// Metric is a metric that this module reads. Fetch keeps these, and those that a Selector names, and drops all others. So
// another package cannot make one: it is declared below or in memory.go, and can be read then.
type Metric struct{ name string }

// The metrics of a server, besides its counters of requests. Values are in base units: bytes, numbers, percent.
var (
	ResidentMemory = declare("process_resident_memory_bytes")
	OpenFiles      = declare("process_open_fds")

	// Of Go servers, as client_golang shows them.
	GoThreads     = declare("go_threads")
	GoHeapLive    = declare("go_gc_heap_live_bytes")
	GoNextGC      = declare("go_memstats_next_gc_bytes")
	GoGCPercent   = declare("go_gc_gogc_percent")
	GoMemoryLimit = declare("go_gc_gomemlimit_bytes")
	GoHeapAlloc   = declare("go_memstats_heap_alloc_bytes")
	GoStackInUse  = declare("go_memstats_stack_inuse_bytes")

	// DemoInfo is of the demo server; its labels are its settings.
	DemoInfo = declare("leaklab_demo_info")
)

// requestCounters are the metrics in which servers and their libraries count the requests that they have answered:
// Prometheus's own examples, Micrometer (Spring), OpenTelemetry with and without a unit, prometheus-net, and the exporters
// or modules of common servers. Histograms and summaries are listed without _count. None counts outgoing calls.
var requestCounters = []Metric{
	declare("http_requests_total"), declare("http_server_requests_total"), declare("http_request_total"), declare("http_requests_received_total"),
	declare("http_server_requests_seconds"), declare("http_server_request_duration_seconds"), declare("http_server_request_duration"),
	declare("http_request_duration_seconds"),
	declare("http_requests_duration_seconds"), declare("http_server_duration_milliseconds"), declare("http_server_duration"),
	declare("nginx_http_requests_total"), declare("apache_accesses_total"), caddyRequests,
	declare("traefik_entrypoint_requests_total"), declare("envoy_http_downstream_rq_total"), declare("haproxy_frontend_http_requests_total"),
	declare("flask_http_request_total"), declare("django_http_requests_before_middlewares_total"), declare("starlette_requests_total"),
	declare("grpc_server_handled_total"), declare("cowboy_requests_total"), declare("prometheus_http_requests_total"),
	declare("leaklab_requests_total"), // of a loader that is measured itself
}

// declared holds the names of all metrics above. It does not change after the package is initialised.
var declared = make(map[string]bool)

func declare(name string) Metric {
	declared[name] = true
	return Metric{name}
}

// String returns the name of the metric.
func (m Metric) String() string { return m.name }
