package memory

import (
	"context"
	"fmt"

	"leaklab/loader/scrape"
)

// FromEndpoint returns a Reader that asks a Prometheus endpoint of the server for
// process_resident_memory_bytes. The server works to answer, so this disturbs it more than OfTree.
func FromEndpoint(url string) Reader {
	return func(ctx context.Context) (Reading, error) {
		metrics, err := scrape.Fetch(ctx, url)
		if err != nil {
			return Reading{}, err
		}
		total, found := metrics.Value(scrape.ResidentMemory)
		if !found {
			return Reading{}, fmt.Errorf("%s: there is no %s", scrape.Public(url), scrape.ResidentMemory)
		}
		if !(total > 0 && total < 1<<62) {
			return Reading{}, fmt.Errorf("%s: %s is %v; expected a number of bytes", scrape.Public(url), scrape.ResidentMemory, total)
		}
		threads, _ := metrics.Value(scrape.GoThreads)
		open, _ := metrics.Value(scrape.OpenFiles)
		return Reading{Total: int64(total), Threads: int(threads), OpenFiles: int(open)}, nil
	}
}

// OwnAccount returns what completes a reading with what the server tells of itself at url: the live heap, if it is a Go
// server that shows its runtime's metrics, as Prometheus's client library does by default, and how many requests it
// has answered, if it counts them. The reading stays as it is if there is no answer, or none of these.
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

// liveHeap is what the last collection found to be in use, in bytes: as the runtime tells it, or else as follows
// from when the next collection is due (the Go GC guide: target = live heap x (1 + GOGC/100), roots left out). 0
// if neither is known, or a memory limit may decide when to collect.
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
