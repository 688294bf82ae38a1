package footprint

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/e2e/internal/lab"
)

// mostLoaderMemory is what the loader itself may take with 100 workers, in MiB. Two thirds of it are pages of its program.
const mostLoaderMemory = 27

// loaderMemory returns the resident memory of the loader, in MiB, after each iteration of a run with 100 workers
// against the demo server.
func loaderMemory(t testing.TB, iterations, requests int) []float64 {
	t.Helper()
	r := lab.Start(t, []string{"WORKERS=100", "LEAK=none", "TRIES=" + strconv.Itoa(iterations), "REQUESTS=" + strconv.Itoa(requests)})
	var sizes []float64
	for n := range iterations {
		r.AwaitOutput(t, fmt.Sprintf("Iteration: %d of", n+1))
		bytes, found := r.Exported(t, "process_resident_memory_bytes") // also a scrape, for which the last one waits
		require.True(t, found)
		sizes = append(sizes, bytes/(1<<20))
	}
	r.ExitCode()
	return sizes
}

func TestLoaderIsSmall(t *testing.T) {
	lab.Quiet(t)
	sizes := loaderMemory(t, 4, 20_000)
	assert.Less(t, sizes[3], float64(mostLoaderMemory), "MiB with 100 workers, after each iteration: %v", sizes)
}

// BenchmarkLoaderMemory prints the loader's resident memory after 1 million and after 10 million requests.
func BenchmarkLoaderMemory(b *testing.B) {
	for b.Loop() {
		sizes := loaderMemory(b, 10, 1_000_000)
		b.ReportMetric(sizes[0], "MiB@1M")
		b.ReportMetric(sizes[9], "MiB@10M")
	}
}
