package memory

import (
	"context"
	"fmt"

	"leaklab/loader/scrape"
)

// FromEndpoint returns a Reader of process_resident_memory_bytes at a Prometheus endpoint of the server. It fails when the
// endpoint does, or does not show that metric. Answering costs the server memory and CPU time, unlike OfTree.
func FromEndpoint(url string) Reader {
	return func(ctx context.Context) (Reading, error) {
		metrics, err := scrape.Fetch(ctx, url)
		if err != nil {
			return Reading{}, err
		}
		total, found := metrics.Value(scrape.ResidentMemory)
		if !found {
			return Reading{}, fmt.Errorf("%s: %s is missing", scrape.Public(url), scrape.ResidentMemory)
		}
		if !(total > 0 && total < 1<<62) {
			return Reading{}, fmt.Errorf("%s: %s is %v; expected a number of bytes", scrape.Public(url), scrape.ResidentMemory, total)
		}
		threads, _ := metrics.Value(scrape.GoThreads)
		open, _ := metrics.Value(scrape.OpenFiles)
		return Reading{Total: int64(total), Threads: int(threads), OpenFiles: int(open)}, nil
	}
}

// OwnAccount returns a function that adds what the server reports at url to a reading. That is the live heap of a Go
// server with the runtime metrics of client_golang, and the number of answered requests. The function adds nothing when
// the endpoint fails or shows neither.
func OwnAccount(url string) func(context.Context, *Reading) {
	return func(ctx context.Context, reading *Reading) {
		if metrics, err := scrape.Fetch(ctx, url); err == nil {
			reading.LiveHeap = liveHeap(metrics)
			if total, name, found := metrics.Requests(); found {
				reading.Requests, reading.RequestsCounter = uint64(total), name
			}
		}
	}
}

// liveHeap is the live heap after the last garbage collection, in bytes. If the runtime does not report it, it follows
// from the heap target. (Go GC guide: target = live heap x (1 + GOGC/100), without roots.) It is 0 if neither is known,
// or if GOMEMLIMIT may set the target.
func liveHeap(metrics scrape.Metrics) int64 {
	if live, found := metrics.Value(scrape.GoHeapLive); found {
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
