package exporter

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Endpoint serves the metrics and knows whether the final values have been read.
type Endpoint struct {
	listener net.Listener
	server   http.Server

	mu       sync.Mutex
	scraped  chan struct{} // closed when somebody has read the metrics
	final    bool          // the values will not change any more
	finished chan struct{} // closed when a scrape that began after final is over
}

// Listen reserves address, host:port, for the metrics.
func Listen(address string) (*Endpoint, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", address, err)
	}
	return &Endpoint{listener: listener, scraped: make(chan struct{}), finished: make(chan struct{})}, nil
}

// Address is where the metrics are served, as host:port.
func (e *Endpoint) Address() string { return e.listener.Addr().String() }

// Serve answers GET /metrics with the collectors' metrics and the standard process_* and go_*, and GET /metrics/run with
// the same, where each has one label more, run, which keeps the runs of a scraper apart. It ends with Close.
func (e *Endpoint) Serve(run string, collected ...prometheus.Collector) {
	collected = append(collected, collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collectors.NewGoCollector())
	plain, labelled := prometheus.NewRegistry(), prometheus.NewRegistry()
	plain.MustRegister(collected...)
	prometheus.WrapRegistererWith(prometheus.Labels{"run": run}, labelled).MustRegister(collected...)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", e.show(plain))
	mux.Handle("GET /metrics/run", e.show(labelled))
	e.server.Handler = mux
	e.server.ReadHeaderTimeout = 5 * time.Second
	go func() { _ = e.server.Serve(e.listener) }() // returns when Close is called
}

// show answers with the registry's metrics, and notes that somebody has read them.
func (e *Endpoint) show(registry *prometheus.Registry) http.Handler {
	metrics := promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		final := e.isFinal()
		metrics.ServeHTTP(w, r)
		if r.Context().Err() == nil { // otherwise the scraper has given up, and has nothing
			e.noteScrape(final)
		}
	})
}

func (e *Endpoint) isFinal() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.final
}

func (e *Endpoint) noteScrape(final bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	closeOnce(e.scraped)
	if final {
		closeOnce(e.finished)
	}
}

func closeOnce(done chan struct{}) {
	select {
	case <-done:
	default:
		close(done)
	}
}

// Scraped tells whether the metrics have been read.
func (e *Endpoint) Scraped() bool {
	select {
	case <-e.scraped:
		return true
	default:
		return false
	}
}

// AwaitScrape waits until the metrics were read. It returns false if limit or ctx ends before.
func (e *Endpoint) AwaitScrape(ctx context.Context, limit time.Duration) bool {
	select {
	case <-e.scraped:
		return true
	case <-ctx.Done():
	case <-time.After(limit):
	}
	return false
}

// AwaitFinalScrape is called once, when the metrics will not change any more. It returns when they have been
// scraped as they are, at the latest after limit or when ctx ends, and at once if there was no scrape so far.
func (e *Endpoint) AwaitFinalScrape(ctx context.Context, limit time.Duration) {
	e.mu.Lock()
	e.final = true
	e.mu.Unlock()
	select {
	case <-e.scraped:
	default:
		return
	}
	select {
	case <-e.finished:
	case <-ctx.Done():
	case <-time.After(limit):
	}
}

// Close lets the scrapes in progress finish, for a second at most, and stops listening.
func (e *Endpoint) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := e.server.Shutdown(ctx)
	if closing := e.listener.Close(); !errors.Is(closing, net.ErrClosed) { // it never served
		err = errors.Join(err, closing)
	}
	return err
}
