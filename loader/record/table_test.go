package record

import (
	"bytes"
	"encoding/csv"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/lab"
	"leaklab/loader/load"
	"leaklab/loader/memory"
)

func measured(t *testing.T) lab.Iteration {
	totals := load.NewMeter().Snapshot()
	totals.Requests = 69513 * 3
	totals.MaxLatency = 4300 * time.Microsecond
	for ms := range 100 {
		require.NoError(t, totals.Latency.RecordValue(int64(ms+1)*20_000))
	}
	return lab.Iteration{
		Number: 2, Of: 10, Requests: totals.Requests,
		Load:  load.Result{Totals: totals, StartedAt: time.Date(2026, 11, 23, 9, 0, 1, 250e6, time.FixedZone("", 3600)), Elapsed: 3 * time.Second},
		Start: memory.Reading{Total: 11552 * 1024}, Peak: 12000 * 1024,
		End: memory.Reading{
			Total: 11312 * 1024, Parts: &memory.Parts{Anonymous: 100, File: 20}, Processes: 3, OpenFiles: 12,
			Cgroup: &memory.Cgroup{Anonymous: 90, Socket: 4096},
		},
		EndedAt: time.Date(2026, 11, 23, 9, 0, 4, 750e6, time.FixedZone("", 3600)),
	}
}

func TestTable(t *testing.T) {
	folder := t.TempDir()
	table, err := CreateTable(folder, "iterations.csv")
	require.NoError(t, err)
	i := measured(t)
	i.Load.Errors = map[load.Reason]uint64{load.Reset: 3}
	require.NoError(t, table.Append(NewIteration(i)))

	// The row is on disk before the file is closed.
	content, err := os.ReadFile(filepath.Join(folder, "iterations.csv"))
	require.NoError(t, err)
	assert.Equal(t, `iteration,started_at,duration_seconds,requests,errors,requests_per_second,latency_p50_seconds,latency_p99_seconds,latency_max_seconds,rss_start_bytes,rss_end_bytes,rss_peak_bytes,anonymous_end_bytes,file_end_bytes,shared_end_bytes,live_heap_end_bytes,cgroup_file_end_bytes,cgroup_socket_end_bytes,open_files,threads,processes,latency_p90_seconds,latency_p999_seconds,errors_connect,errors_timeout,errors_reset,errors_bad_response,errors_status_4xx,errors_status_5xx,errors_other,live_end_bytes,heap_committed_end_bytes,swap_end_bytes,lazyfree_end_bytes,hugepages_end_bytes,outside_end_bytes,mapped_size_end_bytes,live_idle_bytes,stopped_seconds,hugetlb_end_bytes,unmapped_end_bytes,restarts,workers_replaced,cpu_seconds,ended_at
2,2026-11-23T08:00:01.250Z,3.000000,208539,3,69513.000,0.001004,0.001982,0.004300,11829248,11583488,12288000,100,20,0,,0,4096,12,,3,0.001802,0.002007,0,0,3,0,0,0,0,,,,,,,,,,,,,,,2026-11-23T08:00:04.750Z
`, string(content))
	require.NoError(t, table.Close())

	rows, err := csv.NewReader(bytes.NewReader(content)).ReadAll()
	require.NoError(t, err)
	_, err = time.Parse(time.RFC3339, rows[1][1])
	assert.NoError(t, err)
}
