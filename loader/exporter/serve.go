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

// Endpoint serves /metrics and knows whether the final values have been read.
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

// Serve answers GET /metrics with the collectors' metrics and the standard process_* and go_*, until Close.
func (e *Endpoint) Serve(collected ...prometheus.Collector) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collectors.NewGoCollector())
	registry.MustRegister(collected...)
	metrics := promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		final := e.isFinal()
		metrics.ServeHTTP(w, r)
		e.noteScrape(final)
	})
	e.server.Handler = mux
	e.server.ReadHeaderTimeout = 5 * time.Second
	go func() { _ = e.server.Serve(e.listener) }() // returns when Close is called
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

// AwaitScrape waits until somebody has read the metrics, at the latest until limit or ctx ends, and says whether
// somebody has.
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
// scraped as they are, at the latest after limit or when ctx ends, and at once if nobody has scraped so far.
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
