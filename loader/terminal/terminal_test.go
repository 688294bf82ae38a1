package report

import (
	"bytes"
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
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
	}
}

func TestTerminalBlock(t *testing.T) {
	var out bytes.Buffer
	terminal := NewTerminal(&out, lab.Plan{Tries: 10}, nil)
	terminal.Settings([]Line{{"Server", "process 7"}, {"Request", "GET http://127.0.0.1:3030/"}})
	terminal.LoadBegins(2, time.Now())
	terminal.LoadEnded()
	require.NoError(t, terminal.IterationEnded(measured(t)))
	assert.Equal(t, `----------------------------------------
Server:  process 7
Request: GET http://127.0.0.1:3030/
----------------------------------------
===============================
Iteration: 2 of 10
-------------------------------
Requests/sec: 69513.0000
Latency (worst case): 0.0043 secs
Latency (p99): 0.0020 secs
-------------------------------
Starting memory: 11552 KB
Ending memory: 11312 KB
Memory leaked: -240 KB
`, out.String())
}

func TestTerminalNamesErrors(t *testing.T) {
	i := measured(t)
	i.Load.Errors = map[load.Reason]uint64{load.Status5xx: 2, load.Timeout: 40}
	var out bytes.Buffer
	require.NoError(t, NewTerminal(&out, lab.Plan{}, nil).IterationEnded(i))
	assert.Contains(t, out.String(), "secs\nErrors: 42 (timeout 40, status_5xx 2)\n------")
}

func TestProgressLine(t *testing.T) {
	timed := lab.Plan{Tries: 10, Load: load.Plan{Duration: 3 * time.Second}}
	counted := lab.Plan{Tries: 10, Load: load.Plan{Duration: 3 * time.Second, Requests: 1000}}
	for want, got := range map[string]string{
		"Iteration 2 of 10: 1.2s elapsed, 1.8s remaining, 500 requests":  progressLine(timed, "", 2, 1200*time.Millisecond, 500),
		"Iteration 2 of 10: 3.4s elapsed, 0.0s remaining, 500 requests":  progressLine(timed, "", 2, 3400*time.Millisecond, 500),
		"Iteration 1 of 10: 4.0s elapsed, 12.0s remaining, 250 requests": progressLine(counted, "", 1, 4*time.Second, 250),
		"Iteration 1 of 10: 4.0s elapsed, 0.0s remaining, 0 requests":    progressLine(counted, "", 1, 4*time.Second, 0),
	} {
		assert.Equal(t, want, got)
	}
}

func TestProgressLineIsShownAndRemoved(t *testing.T) {
	var out bytes.Buffer
	terminal := NewTerminal(&out, lab.Plan{Tries: 1, Load: load.Plan{Duration: time.Second}}, func() uint64 { return 7 })
	terminal.LoadBegins(1, time.Now())
	time.Sleep(2*progressInterval + progressInterval/2)
	terminal.LoadEnded()
	terminal.LoadEnded()
	assert.Contains(t, out.String(), eraseLine+"Iteration 1 of 1: 0.")
	assert.True(t, strings.HasSuffix(out.String(), eraseLine))
}

func TestCSV(t *testing.T) {
	folder := t.TempDir()
	table, err := CreateCSV(folder, "iterations.csv")
	require.NoError(t, err)
	i := measured(t)
	i.Load.Errors = map[load.Reason]uint64{load.Reset: 3}
	require.NoError(t, table.IterationEnded(i))

	// The row is on disk before the file is closed.
	content, err := os.ReadFile(filepath.Join(folder, "iterations.csv"))
	require.NoError(t, err)
	assert.Equal(t, `iteration,started_at,duration_seconds,requests,errors,requests_per_second,latency_p50_seconds,latency_p99_seconds,latency_max_seconds,rss_start_bytes,rss_end_bytes,rss_peak_bytes,anonymous_end_bytes,file_end_bytes,shared_end_bytes,live_heap_end_bytes,cgroup_file_end_bytes,cgroup_socket_end_bytes,open_files,threads,processes,latency_p90_seconds,latency_p999_seconds,errors_connect,errors_timeout,errors_reset,errors_bad_response,errors_status_4xx,errors_status_5xx,errors_other
2,2026-11-23T08:00:01.250Z,3.000000,208539,3,69513.000,0.001004,0.001982,0.004300,11829248,11583488,12288000,100,20,0,,0,4096,12,,3,0.001802,0.002007,0,0,3,0,0,0,0
`, string(content))
	require.NoError(t, table.Close())

	rows, err := csv.NewReader(bytes.NewReader(content)).ReadAll()
	require.NoError(t, err)
	_, err = time.Parse(time.RFC3339, rows[1][1])
	assert.NoError(t, err)
}

func TestFolders(t *testing.T) {
	results := filepath.Join(t.TempDir(), "results")
	start := time.Date(2026, 11, 23, 9, 0, 0, 0, time.FixedZone("", 3600))
	for _, want := range []string{"20261123T080000Z", "20261123T080000Z-2", "20261123T080000Z-3"} {
		folder, err := CreateFolder(results, start, "")
		require.NoError(t, err)
		assert.Equal(t, filepath.Join(results, want), folder)
		info, err := os.Stat(folder)
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o777), info.Mode().Perm())
	}
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := CreateFolder(file, start, "")
	assert.ErrorContains(t, err, file)
	_, err = CreateFolder(filepath.Join(file, "missing", "results"), start, "")
	assert.ErrorContains(t, err, "missing")
}
