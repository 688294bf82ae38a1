package memory

import (
	"context"
	"fmt"

	"leaklab/loader/scrape"
)

const residentMetric = "process_resident_memory_bytes"

// FromEndpoint returns a Reader that asks a Prometheus endpoint of the server for
// process_resident_memory_bytes. The server works to answer, so this disturbs it more than OfTree.
func FromEndpoint(url string) Reader {
	return func(ctx context.Context) (Reading, error) {
		metrics, err := scrape.Fetch(ctx, url)
		if err != nil {
			return Reading{}, err
		}
		total, found := metrics.Value(residentMetric)
		if !found {
			return Reading{}, fmt.Errorf("%s: there is no %s", url, residentMetric)
		}
		if !(total > 0 && total < 1<<62) {
			return Reading{}, fmt.Errorf("%s: %s is %v; expected a number of bytes", url, residentMetric, total)
		}
		return Reading{Total: int64(total)}, nil
	}
}
