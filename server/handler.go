// Package main is the server under test.
//
// This file is the one to edit: replace newHandler with the handler you suspect, keep its signature, and run
// the lab. Only the handler that the function returns is put under load. Collectors that you register with
// metrics are scraped by Prometheus, next to the process and Go runtime metrics. The settings that begin with LEAK
// concern only the demonstration below: they have no effect on a handler that does not call newLeak.
package main

import (
	"io"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
)

func newHandler(cfg config, metrics prometheus.Registerer) http.Handler {
	leak := newLeak(cfg.Leak, cfg.amounts(), metrics)
	mux := http.NewServeMux()
	mux.HandleFunc("/hello/{name}", negotiated(leak, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		leak(w, r)
		_, _ = io.WriteString(w, greeting(r))
	}))
	mux.HandleFunc("GET /ws/{name}", serveSocket(leak))
	mux.HandleFunc("GET /events/{name}", serveEvents(leak))
	return mux
}
