package scrape

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRequests(t *testing.T) {
	for text, want := range map[string]struct {
		total float64
		name  string
	}{
		"# TYPE http_requests_total counter\nhttp_requests_total{code=\"200\"} 40\nhttp_requests_total{code=\"404\"} 2\n": {42, "http_requests_total"},
		"http_requests_total 7\n":       {7, "http_requests_total"},
		"nginx_http_requests_total 9\n": {9, "nginx_http_requests_total"},
		"# TYPE leaklab_requests_total counter\nleaklab_requests_total{code=\"200\"} 8\n": {8, "leaklab_requests_total"},
		"http_request_duration_seconds_count 3\n":                                         {3, "http_request_duration_seconds_count"},
		"# TYPE http_request_duration_seconds histogram\nhttp_request_duration_seconds_bucket{le=\"+Inf\"} 5\nhttp_request_duration_seconds_sum 1\nhttp_request_duration_seconds_count 5\n": {5, "http_request_duration_seconds"},
		"# TYPE http_server_requests_seconds summary\nhttp_server_requests_seconds_sum{uri=\"/\"} 1\nhttp_server_requests_seconds_count{uri=\"/\"} 5\n" +
			"http_server_requests_seconds_sum{uri=\"/a\"} 1\nhttp_server_requests_seconds_count{uri=\"/a\"} 6\n": {11, "http_server_requests_seconds"},
		"promhttp_metric_handler_requests_total{code=\"200\"} 5\n":  {},
		"# TYPE http_requests_total gauge\nhttp_requests_total 5\n": {},
		"http_requests_total NaN\n":                                 {},
		"http_requests_total -1\n":                                  {},
		"go_goroutines 5\n":                                         {},
	} {
		metrics, err := Parse(strings.NewReader(text))
		require.NoError(t, err)
		total, name, found := new(Counter).Requests(metrics)
		assert.Equal(t, want.name != "", found, text)
		if found {
			assert.Equal(t, want.total, total, text)
			assert.Equal(t, want.name, name, text)
		}
	}
}
