package scrape

import dto "github.com/prometheus/client_model/go"

// requestCounters are the names under which servers and their libraries count the requests that they have answered:
// Prometheus's own examples, Micrometer (Spring), OpenTelemetry, and the exporters or modules of common servers. Those of
// histograms and summaries stand without _count.
func requestCounters() []string {
	return []string{
		"http_requests_total", "http_server_requests_total", "http_request_total",
		"http_server_requests_seconds", "http_server_request_duration_seconds", "http_request_duration_seconds",
		"http_requests_duration_seconds", "http_server_duration_milliseconds", "http_server_duration",
		"nginx_http_requests_total", "apache_accesses_total", "caddy_http_requests_total",
		"traefik_entrypoint_requests_total", "envoy_http_downstream_rq_total", "haproxy_frontend_http_requests_total",
		"flask_http_request_total", "django_http_requests_before_middlewares_total", "starlette_requests_total",
		"leaklab_requests_total", // of a loader that is measured itself
	}
}

// Requests returns how many requests the server says it has answered so far, and the name of the counter that says so:
// the sum over all series of the first family known as such. False if there is none.
func (m Metrics) Requests() (total float64, name string, found bool) {
	for _, name := range requestCounters() {
		for _, family := range []string{name, name + "_count"} {
			if total, found := sum(m[family].GetMetric()); found {
				return total, family, true
			}
		}
	}
	return 0, "", false
}

// sum is that of counters, or of what histograms and summaries have counted.
func sum(series []*dto.Metric) (total float64, found bool) {
	for _, one := range series {
		switch {
		case one.Counter != nil:
			total += one.Counter.GetValue()
		case one.Histogram != nil:
			total += max(float64(one.Histogram.GetSampleCount()), one.Histogram.GetSampleCountFloat())
		case one.Summary != nil:
			total += float64(one.Summary.GetSampleCount())
		case one.Untyped != nil:
			total += one.Untyped.GetValue()
		default:
			continue
		}
		found = true
	}
	return total, found && total >= 0 && total < 1<<53
}
