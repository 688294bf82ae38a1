package main

import (
	"net/http"
	"net/http/pprof"
	"regexp"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

func newRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		// Live heap bytes distinguish a leak from pages that the runtime retains.
		collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(
			collectors.GoRuntimeMetricsRule{Matcher: regexp.MustCompile("^/gc/heap/live:bytes$")},
		)),
	)
	return registry
}

// counted counts the responses of handler as http_requests_total, so that loaders on several machines know the total.
// A handler that registers such a counter itself is returned unchanged.
func counted(handler http.Handler, metrics prometheus.Registerer) http.Handler {
	answered := prometheus.NewCounter(prometheus.CounterOpts{Name: "http_requests_total", Help: "Requests answered."})
	if err := metrics.Register(answered); err != nil {
		return handler
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer answered.Inc()
		handler.ServeHTTP(w, r)
	})
}

// newAdminHandler serves metrics, health and profiles of the process, on a separate port, so that the port under load
// carries load only.
func newAdminHandler(registry *prometheus.Registry) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}
