package lab

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/memory"
)

const ms = time.Millisecond

// process is a worker, or their master, that has used processor time.
func process(pid int, cpu time.Duration) memory.Member {
	return memory.Member{PID: pid, Started: uint64(pid), Program: "/bin/server", Listens: pid == 1, CPU: cpu, Own: int64(pid) << 20}
}

// tree is a complete reading of processes whose ended children have used processor time as well.
func tree(ended time.Duration, members ...memory.Member) memory.Reading {
	reading := memory.Reading{Members: members, CPU: ended}
	for _, m := range members {
		reading.CPU += m.CPU
	}
	return reading
}

// followed measures iterations of 100 requests between these readings, and returns the requests of the workers by PID.
func followed(t *testing.T, readings ...memory.Reading) []map[int]float64 {
	t.Helper()
	read := 0
	complete := func(_ context.Context, reading *memory.Reading) {
		reading.Members, reading.CPU = readings[read].Members, readings[read].CPU
		read++
	}
	iterations, err := measure(t.Context(), loads(len(readings)/2, told(100), complete))
	require.NoError(t, err)
	var all []map[int]float64
	for _, i := range iterations {
		requests := make(map[int]float64)
		for _, w := range i.Workers {
			requests[w.PID] = w.Requests
			assert.Equal(t, int64(w.PID)<<20, w.Bytes)
			assert.Equal(t, uint64(w.PID), w.Started)
		}
		all = append(all, requests)
	}
	return all
}

func TestRequestsOfWorkersAreSharedByProcessorTime(t *testing.T) {
	all := followed(t,
		tree(0, process(1, 50*ms), process(2, 20*ms), process(3, 10*ms)),
		tree(0, process(1, 50*ms), process(2, 50*ms), process(3, 20*ms)),
		// What live memory takes between the iterations is no request.
		tree(0, process(1, 50*ms), process(2, 90*ms), process(3, 80*ms)),
		tree(0, process(1, 50*ms), process(2, 100*ms), process(3, 110*ms)),
		// Worker 2 has ended, and worker 4 has come: both took long, and a request takes 0.4 ms as before.
		tree(0, process(1, 50*ms), process(2, 110*ms), process(3, 110*ms)),
		tree(400*ms, process(1, 60*ms), process(3, 130*ms), process(4, 300*ms)),
	)
	assert.InDeltaMapValues(t, map[int]float64{1: 0, 2: 75, 3: 25}, all[0], 0.01)
	assert.InDeltaMapValues(t, map[int]float64{1: 0, 2: 100, 3: 100}, all[1], 0.01)
	assert.InDeltaMapValues(t, map[int]float64{1: 25, 3: 150, 4: 0}, all[2], 0.01)
}

// No iteration before tells how long a request takes: those that are left have answered all.
func TestWorkersThatAreReplacedFromTheBeginning(t *testing.T) {
	all := followed(t,
		tree(0, process(1, 50*ms), process(2, 20*ms), process(3, 10*ms), process(4, 10*ms)),
		tree(300*ms, process(1, 50*ms), process(3, 40*ms), process(4, 20*ms), process(5, 90*ms)),
	)
	assert.InDeltaMapValues(t, map[int]float64{1: 0, 3: 75, 4: 25, 5: 0}, all[0], 0.01)
}

func TestWorkersThatAreNotKnown(t *testing.T) {
	several := []memory.Member{process(1, 50*ms), process(2, 20*ms)}
	alone := process(1, 50*ms)
	alone.Own = 0
	for name, readings := range map[string][]memory.Reading{
		"a process alone":   {tree(0, alone), tree(10*ms, alone)},
		"no processor time": {{Members: several}, {Members: several}},
		"no processes":      {{CPU: ms}, {CPU: 2 * ms}},
	} {
		assert.Empty(t, followed(t, readings...)[0], name)
	}
}

// What a worker has answered goes on when it could not be told for an iteration, of all of them or of one.
func TestWorkersThatAreNotKnownForAnIteration(t *testing.T) {
	workers := func(used time.Duration) memory.Reading {
		return tree(0, process(1, 50*ms), process(2, 20*ms+used), process(3, 10*ms+used))
	}
	unread := workers(40 * ms)
	unread.Members[2].Own = 0
	for name, end := range map[string]memory.Reading{
		"no processor time": {Members: workers(40 * ms).Members},
		"no processes":      {CPU: time.Second},
		"memory of one":     unread,
	} {
		all := followed(t, workers(0), workers(20*ms), workers(20*ms), end, workers(40*ms), workers(60*ms))
		assert.InDelta(t, 50, all[0][3], 0.01, name)
		assert.NotContains(t, all[1], 3, name)
		assert.InDelta(t, 100, all[2][3], 0.01, name)
	}
	// One that ends is forgotten: a process with its number may be another.
	ended := tree(20*ms, process(1, 50*ms), process(2, 60*ms))
	all := followed(t, workers(0), workers(20*ms), workers(20*ms), ended, workers(40*ms), workers(60*ms))
	assert.InDelta(t, 50, all[2][3], 0.01)
}

func TestTheOldestWorkersAreFollowed(t *testing.T) {
	var members []memory.Member
	for pid := 2 * mostWorkers; pid > 0; pid-- {
		members = append(members, process(pid, time.Second))
	}
	all := followed(t, tree(0, members...), tree(ms, members...))[0]
	assert.Len(t, all, mostWorkers)
	assert.Contains(t, all, 1)
	assert.Contains(t, all, mostWorkers)
}
