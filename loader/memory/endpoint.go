package memory

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"leaklab/loader/scrape"
)

// Endpoint is a page of metrics of a server, in the Prometheus text format. Answering costs the server memory and CPU
// time, unlike OfTree.
type Endpoint struct {
	url      string
	memory   scrape.Selector
	requests scrape.Selector

	mu      sync.Mutex
	counter scrape.Counter
}

// NewEndpoint returns the page at url. The metrics of resident memory and of answered requests are those that memory and
// requests choose; a zero Selector has them found.
func NewEndpoint(url string, memory, requests scrape.Selector) *Endpoint {
	return &Endpoint{url: url, memory: memory, requests: requests, counter: scrape.Counter{Chosen: requests, Page: url}}
}

func (e *Endpoint) fetch(ctx context.Context) (scrape.Metrics, error) {
	return scrape.Fetch(ctx, e.url, e.memory, e.requests)
}

// Read is a Reader of resident memory. It fails when the endpoint does, or does not show it.
func (e *Endpoint) Read(ctx context.Context) (Reading, error) {
	metrics, err := e.fetch(ctx)
	if err != nil {
		return Reading{}, err
	}
	resident, err := metrics.Memory(e.memory)
	if err != nil {
		return Reading{}, fmt.Errorf("%s: %w", scrape.Public(e.url), err)
	}
	reading := Reading{Total: int64(resident.Bytes)}
	if !metrics.IsOfExporter() {
		threads, _ := metrics.Sum(scrape.GoThreads)
		open, _ := metrics.Sum(scrape.OpenFiles)
		reading.Threads, reading.OpenFiles = int(threads), int(open)
	}
	return reading, nil
}

// Complete adds what the server reports to a reading: the live heap of a Go server with the runtime metrics of
// client_golang, or else the heap in use, and the number of answered requests. It adds nothing when the endpoint fails or
// shows none of these.
func (e *Endpoint) Complete(ctx context.Context, reading *Reading) {
	metrics, err := e.fetch(ctx)
	if err != nil {
		return
	}
	if reading.LiveHeap = liveHeap(metrics); reading.LiveHeap == 0 {
		if used, metric, found := metrics.Heap(); found {
			reading.HeapInUse, reading.HeapMetric = int64(used), metric
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if total, name, found := e.counter.Requests(metrics); found {
		reading.Requests, reading.RequestsCounter = uint64(total), name
	}
}

// Check fails if a metric that was chosen is not there. The error names its setting, METRICS_MEMORY or METRICS_REQUESTS,
// and what is there instead.
func (e *Endpoint) Check(ctx context.Context) error {
	if e.memory.IsZero() && e.requests.IsZero() {
		return nil
	}
	metrics, err := e.fetch(ctx)
	if err != nil {
		return err
	}
	if !e.memory.IsZero() {
		if !metrics.Has(e.memory) {
			return e.missing(ctx, metrics, "METRICS_MEMORY", e.memory, "memory", "resident", "rss", "working_set")
		}
		if _, err := metrics.Memory(e.memory); err != nil {
			return fmt.Errorf("METRICS_MEMORY=%q: expected the memory of the server at %s: %w", e.memory.String(), scrape.Public(e.url), err)
		}
	}
	if !e.requests.IsZero() {
		counter := scrape.Counter{Chosen: e.requests}
		if _, _, found := counter.Requests(metrics); !found {
			return e.missing(ctx, metrics, "METRICS_REQUESTS", e.requests, "request", "handled", "accesses")
		}
	}
	return nil
}

// missing is the error for a chosen metric that is not there. The words are parts of the names of similar ones.
func (e *Endpoint) missing(ctx context.Context, metrics scrape.Metrics, setting string, chosen scrape.Selector, words ...string) error {
	there := metrics.Alternatives(chosen)
	if there == "" {
		var err error
		if there, err = scrape.Similar(ctx, e.url, words); err != nil {
			return err
		}
	}
	return fmt.Errorf("%s=%q: expected a metric of %s: %s", setting, chosen.String(), scrape.Public(e.url), there)
}

// Source tells which metric of resident memory is taken, and how exact it is on a machine with that many processors; 0 if
// their number is not known. floor is how far it may be off, in bytes; 0 for a figure that does not lag. It fails when
// Read does.
func (e *Endpoint) Source(ctx context.Context, processors int) (source string, floor int64, err error) {
	metrics, err := e.fetch(ctx)
	if err != nil {
		return "", 0, err
	}
	resident, err := metrics.Memory(e.memory)
	if err != nil {
		return "", 0, fmt.Errorf("%s: %w", scrape.Public(e.url), err)
	}
	said := []string{resident.Metric + " of " + scrape.Public(e.url)}
	if resident.Series > 1 {
		said = append(said, fmt.Sprintf("the sum of %d series", resident.Series))
	}
	if resident.Lags {
		known := processors > 0
		if !known {
			processors = max(fewest, metrics.Processors())
		}
		floor = Lag(processors) * int64(resident.Series)
		exact := fmt.Sprintf("exact to %s with %d processors", size(floor), processors)
		if !known && processors < many {
			exact += fmt.Sprintf(", to %s with %d", size(Lag(many)*int64(resident.Series)), many)
		}
		if !known {
			exact += "; how many the server has is not known"
		}
		said = append(said, exact)
	}
	return strings.Join(said, ", "), floor, nil
}

// Numbers of processors for a server of which the number is not known.
const (
	fewest = 2
	many   = 64
)

// Lag is how far a figure of resident memory from field 24 of /proc/PID/stat may be off, in bytes. Clients of Prometheus
// read that field. Each processor keeps up to max(32, 2 x processors) pages to itself before it adds them to the count of
// a kind of page (percpu_counter_batch in Linux's lib/percpu_counter.c).
func Lag(processors int) int64 {
	const pageBytes = 4096
	return int64(processors) * int64(max(32, 2*processors)) * pageBytes
}

// size is bytes in KiB or MiB.
func size(bytes int64) string {
	if bytes < 1<<20 {
		return fmt.Sprintf("%d KiB", bytes>>10)
	}
	return fmt.Sprintf("%.3g MiB", float64(bytes)/(1<<20))
}

// liveHeap is the live heap after the last garbage collection, in bytes. If the runtime does not report it, it follows
// from the heap target. (Go GC guide: target = live heap x (1 + GOGC/100), without roots.) It is 0 if neither is known,
// if GOMEMLIMIT may set the target, or if the page is an exporter's.
func liveHeap(metrics scrape.Metrics) int64 {
	if metrics.IsOfExporter() {
		return 0
	}
	if live, found := metrics.Sum(scrape.GoHeapLive); found {
		return int64(live)
	}
	next, foundNext := metrics.Value(scrape.GoNextGC)
	percent, foundPercent := metrics.Value(scrape.GoGCPercent)
	limit, foundLimit := metrics.Value(scrape.GoMemoryLimit)
	if !foundNext || !foundPercent || percent <= 0 || foundLimit && limit < 1<<62 {
		return 0
	}
	return int64(next * 100 / (100 + percent))
}
