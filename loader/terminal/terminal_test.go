package terminal

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/lab"
	"leaklab/loader/load"
	"leaklab/loader/memory"
	"leaklab/loader/record"
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
	terminal := New(&out, true)
	require.NoError(t, terminal.Settings([]record.Line{{Name: "Server", Value: "process 7"}, {Name: "Request", Value: "GET http://127.0.0.1:3030/"}}))
	require.NoError(t, terminal.Iteration(measured(t), ""))
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

// Where live memory is read, a collection lies between an end reading and the next start reading.
func TestTerminalSaysThatGarbageIsNotLeaked(t *testing.T) {
	printed := func(i lab.Iteration) string {
		var out bytes.Buffer
		require.NoError(t, New(&out, false).Iteration(i, ""))
		return out.String()
	}
	i := measured(t)
	i.Live = &lab.Live{Live: memory.Live{Bytes: 7012 * 1024}, Idle: -1}
	assert.Contains(t, printed(i), "\nMemory leaked: -240 KB (with garbage, which was collected before the start alone)\nLive memory: 7012 KB\n")
	i.Number = 1
	assert.Contains(t, printed(i), "\nMemory leaked: -240 KB\nLive memory: 7012 KB\n", "nothing was collected before")
}

func TestTerminalNamesErrors(t *testing.T) {
	i := measured(t)
	i.Load.Errors = map[load.Reason]uint64{load.Status5xx: 2, load.Timeout: 40}
	var out bytes.Buffer
	require.NoError(t, New(&out, false).Iteration(i, ", baseline"))
	assert.Contains(t, out.String(), "secs\nErrors: 42 (timeout 40, status_5xx 2)\n------")
	assert.Contains(t, out.String(), "\nIteration: 2 of 10, baseline\n")

	i.Load.Errors, i.Load.BadResponse = map[load.Reason]uint64{load.BadResponse: 3}, "not HTTP"
	require.NoError(t, New(&out, false).Iteration(i, ""))
	assert.Contains(t, out.String(), "\nErrors: 3 (bad_response 3: not HTTP)\n")
}
