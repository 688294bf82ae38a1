package record

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tableOf is a table of 12 iterations.
func tableOf(row func(n int) (requests, start, end int)) string {
	var b strings.Builder
	b.WriteString("iteration,requests,rss_start_bytes,rss_end_bytes\n")
	for n := range 12 {
		requests, start, end := row(n)
		fmt.Fprintf(&b, "%d,%d,%d,%d\n", n+1, requests, start, end)
	}
	return b.String()
}

func TestImplausibleFiguresAreRefused(t *testing.T) {
	for name, tt := range map[string]struct{ table, want string }{
		"KiB, a small server": {
			tableOf(func(n int) (int, int, int) { return 100_000, 49_992 + n*1236, 49_992 + (n+1)*1236 }),
			"run.csv:2:10: rss_start_bytes is 49,992 bytes, less than any server takes: is it in KiB or MiB? Expected bytes",
		},
		"MiB": {
			tableOf(func(n int) (int, int, int) { return 100_000, 70_000, 1200 + 10*n }),
			"run.csv:2:16: rss_end_bytes is 1,200 bytes, less than any server takes: is it in KiB or MiB? Expected bytes",
		},
		"KiB": {
			tableOf(func(n int) (int, int, int) { return 100_000, 300_236 + n*1236, 300_240 + (n+1)*1236 }),
			"run.csv:2:17: rss_end_bytes is 301,476 bytes: the figures of this table are whole pages in KiB, but not in bytes: is it in KiB? Expected bytes",
		},
		"bytes, times 1024 once too often": {
			tableOf(func(int) (int, int, int) { return 100_000, 500 << 40, 500 << 40 }),
			"run.csv:2:10: rss_start_bytes is 549,755,813,888,000 bytes, more than any machine has: is it in bytes?",
		},
		"a counter since the start of the server": {
			tableOf(func(n int) (int, int, int) { return 7_000_000 + 1000*n + n*37%100, 20 << 20, 20<<20 + n<<20 }),
			"run.csv:13:4: requests rises in each iteration, to 7,011,007, by 937 to 1,037: is it a counter that goes on? Expected the requests of each iteration alone; the columns requests_per_second and duration_seconds settle it",
		},
		"a counter since the start of the run": {
			tableOf(func(n int) (int, int, int) { return 30_000 * (n + 1), 20 << 20, 20<<20 + n<<20 }),
			"run.csv:13:4: requests rises in each iteration, to 360,000, by 30,000 to 30,000: is it a counter that goes on? Expected the requests of each iteration alone; the columns requests_per_second and duration_seconds settle it",
		},
		"a counter that varies, since the start of the run": {
			tableOf(func(n int) (int, int, int) { return 30_000*(n+1) + n%2*9000, 20 << 20, 20<<20 + n<<20 }),
			"run.csv:13:4: requests rises in each iteration, to 369,000, by 21,000 to 39,000: is it a counter that goes on? Expected the requests of each iteration alone; the columns requests_per_second and duration_seconds settle it",
		},
	} {
		iterations, err := ReadCSV(strings.NewReader(tt.table), "run.csv")
		assert.EqualError(t, err, tt.want, name)
		assert.Nil(t, iterations, name)
	}
}

func TestPlausibleFiguresAreNotRefused(t *testing.T) {
	const timed = "requests_per_second,duration_seconds,"
	ever := tableOf(func(n int) (int, int, int) { return 30_000 + 17*n, 20 << 20, 20<<20 + n<<20 })
	counted := strings.Replace(strings.ReplaceAll(ever, "\n", "\n1000,30,"), "iteration", timed+"iteration", 1)
	for name, table := range map[string]string{
		"a very small server":              tableOf(func(int) (int, int, int) { return 1000, 128 << 10, 132 << 10 }),
		"round bytes":                      tableOf(func(n int) (int, int, int) { return 1000, 20_000_000 + 10_000*n, 20_010_000 + 10_000*n }),
		"any bytes":                        tableOf(func(n int) (int, int, int) { return 1000, 5_000_001 + 77_777*n, 5_077_778 + 77_777*n }),
		"pages":                            tableOf(func(n int) (int, int, int) { return 1000, 4096 * (3001 + 7*n), 4096 * (3008 + 7*n) }),
		"requests that vary":               tableOf(func(n int) (int, int, int) { return 1000 + n*n%7, 20 << 20, 20 << 20 }),
		"a server that warms up":           tableOf(func(n int) (int, int, int) { return 30_000 - 20_000/(n+1), 20 << 20, 20 << 20 }),
		"a server that gets faster":        tableOf(func(n int) (int, int, int) { return 30_000 + 500*n + 100*(n*n/8), 20 << 20, 20 << 20 }),
		"a server that gets much faster":   tableOf(func(n int) (int, int, int) { return 3000 + 1000*n, 20 << 20, 20 << 20 }),
		"requests that a rate agrees with": strings.TrimSuffix(counted, "1000,30,"),
	} {
		iterations, err := ReadCSV(strings.NewReader(table), "run.csv")
		assert.NoError(t, err, name)
		assert.Len(t, iterations, 12, name)
	}
}

// A run may have measured very little memory, as of a server whose pages were swapped out.
func TestRecordedRunsMayHaveLittleMemory(t *testing.T) {
	table := tableOf(func(int) (int, int, int) { return 1000, 0, 8192 })
	_, err := ReadCSV(strings.NewReader(table), "run.csv")
	assert.ErrorContains(t, err, "less than any server takes")
	recorded := strings.TrimSuffix(strings.ReplaceAll(table, "\n", "\n2026-11-23T08:00:01.25Z,"), "2026-11-23T08:00:01.25Z,")
	iterations, err := ReadCSV(strings.NewReader("started_at,"+recorded), "run.csv")
	assert.NoError(t, err)
	assert.Len(t, iterations, 12)
}

// The runs that were recorded raise no question.
func TestRecordedTablesAreNotRefused(t *testing.T) {
	tables, err := filepath.Glob(filepath.Join("..", "verdict", "testdata", "*", "*.csv"))
	require.NoError(t, err)
	golden, err := filepath.Glob(filepath.Join("..", "report", "testdata", "golden", "*", "*.csv"))
	require.NoError(t, err)
	require.NotEmpty(t, golden)
	require.Greater(t, len(tables), 40)
	for _, table := range append(tables, golden...) {
		_, err := ReadIterations(table)
		assert.NoError(t, err)
	}
}
