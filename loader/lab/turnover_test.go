package lab

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/memory"
)

func TestTurnover(t *testing.T) {
	listens := func(pid int, started uint64) memory.Member {
		return memory.Member{PID: pid, Started: started, Program: "/bin/server", Listens: true}
	}
	worker := func(pid int) memory.Member { return memory.Member{PID: pid, Program: "/bin/server"} }
	helper := func(pid int) memory.Member { return memory.Member{PID: pid, Program: "/bin/sleep"} }
	supervisor, server := helper(1), listens(2, 7)
	server.Layout = [3]uint64{1, 2, 3}
	replacedProgram := server
	replacedProgram.Layout = [3]uint64{4, 5, 6}
	forked := func(pid int, listens bool) memory.Member {
		return memory.Member{PID: pid, Program: "/bin/server", Layout: server.Layout, Listens: listens}
	}
	executed := func(pid int, stack uint64) memory.Member {
		return memory.Member{PID: pid, Program: "/bin/server", Layout: [3]uint64{stack, 5, 6}, Listens: true}
	}
	type members = []memory.Member
	for name, test := range map[string]struct {
		before, after members
		want          Turnover
	}{
		"the same":                        {members{supervisor, server}, members{supervisor, server}, Turnover{}},
		"a supervisor restarts it":        {members{supervisor, server}, members{supervisor, listens(3, 8)}, Turnover{Restarted: true}},
		"with the same PID":               {members{supervisor, server}, members{supervisor, listens(2, 8)}, Turnover{Restarted: true}},
		"another program in the same PID": {members{server}, members{replacedProgram}, Turnover{Restarted: true}},
		"all workers of a master":         {members{server, worker(3), worker(4)}, members{server, worker(5), worker(6)}, Turnover{Replaced: 2}},
		"all that listen, of a master that does not": {members{forked(2, false), forked(3, true), forked(4, true)},
			members{forked(2, false), forked(5, true), forked(6, true)}, Turnover{Replaced: 2}},
		"a supervisor that runs the same program": {members{forked(2, false), executed(3, 7)}, members{forked(2, false), executed(4, 8)},
			Turnover{Restarted: true}},
		"forks that take over from a server": {members{forked(2, false), executed(3, 7)}, members{forked(2, false), forked(4, true)},
			Turnover{Restarted: true}},
		"one of several that listen":        {members{server, listens(3, 7)}, members{server, listens(4, 8)}, Turnover{Replaced: 1}},
		"workers that are only added":       {members{server, worker(3)}, members{server, worker(3), worker(4)}, Turnover{}},
		"workers that are only ended":       {members{server, worker(3), worker(4)}, members{server, worker(3)}, Turnover{}},
		"helpers that run another program":  {members{server, helper(3)}, members{server, helper(4)}, Turnover{}},
		"a replaced worker beside a helper": {members{server, worker(3), helper(4)}, members{server, worker(5), helper(6)}, Turnover{Replaced: 1}},
	} {
		assert.Equal(t, &test.want, turnoverOf(test.before, test.after), name)
	}
}

// Readings: at the start and the end of each iteration. While a server is down it is not known which process it is.
func TestTurnoverOfIterations(t *testing.T) {
	of := func(started uint64) []memory.Member {
		return []memory.Member{{PID: 2, Started: started, Listens: true}}
	}
	readings := [][]memory.Member{of(1), of(1), of(1), of(2), of(3), of(3), of(3), nil, of(4), of(4)}
	read := 0
	complete := func(_ context.Context, reading *memory.Reading) {
		reading.Members = readings[read]
		read++
	}
	iterations, err := measure(t.Context(), loads(5, told(10), complete))
	require.NoError(t, err)
	var restarted []any
	for _, i := range iterations {
		if i.Turnover == nil {
			restarted = append(restarted, "unknown")
		} else {
			restarted = append(restarted, i.Turnover.Restarted)
		}
	}
	assert.Equal(t, []any{false, true, true, "unknown", true}, restarted, "in the load, in the rest before it, and while it was down")

	iterations, err = measure(t.Context(), loads(1, told(10)))
	require.NoError(t, err)
	assert.Nil(t, iterations[0].Turnover)
}
