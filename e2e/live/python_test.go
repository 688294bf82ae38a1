package live

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/e2e/internal/lab"
)

// startKeeps runs the loader on a Python server that does something with each request.
func startKeeps(t *testing.T, what string) *lab.Run {
	t.Helper()
	lab.Quiet(t)
	settings := []string{"TRIES=8", "REQUESTS=500", "TOLERANCE=64", "SETTLE=100ms", "WORKERS=8"}
	if lab.Long() {
		settings = []string{"TRIES=10", "REQUESTS=1000", "TOLERANCE=32", "SETTLE=100ms", "WORKERS=8"}
	}
	r := lab.Start(t, settings, lab.Need(t, "/usr/bin/python3"), "testdata/keeps.py", what)
	r.ExitCode()
	t.Log(r.Out.String(), r.Err.String())
	return r
}

// Each request leaves a reference cycle of 1 KB behind, which only a collection frees; those of old_cycles have reached the
// oldest generation, which Python itself seldom collects.
func TestPythonCyclesAreNoLeak(t *testing.T) {
	lab.OnlyLong(t)
	for _, what := range []string{"cycles", "old_cycles"} {
		t.Run(what, func(t *testing.T) {
			r := startKeeps(t, what)
			assert.NotContains(t, lab.Verdicts(r.Out.String()), "leak")
			assertPythonLive(t, r)
		})
	}
}

func TestPythonThatKeepsObjects(t *testing.T) {
	lab.OnlyLong(t)
	r := startKeeps(t, "objects")
	lab.AssertVerdict(t, "leak", r.Out.String())
	rows := assertPythonLive(t, r)
	first, last := rows[1], rows[len(rows)-1]
	requests := lab.Sum(t, rows[2:], lab.ColumnRequests)
	kept := lab.Number(t, last, pythonLiveColumn(t, r)) - lab.Number(t, first, pythonLiveColumn(t, r))
	assert.InEpsilon(t, 240+8, kept/requests, 0.25, "a block of 240 bytes, and a pointer of a list that grows by jumps")
}

// What an extension maps is outside of the heap: live memory does not see it.
func TestPythonWhoseExtensionMapsMemory(t *testing.T) {
	lab.OnlyLong(t)
	r := startKeeps(t, "extension")
	assert.NotContains(t, lab.Verdicts(r.Out.String()), "no leak")
	assertPythonLive(t, r)
}

func TestPythonWhoseExtensionAllocates(t *testing.T) {
	lab.OnlyLong(t)
	r := startKeeps(t, "malloc")
	lab.AssertVerdict(t, "leak", r.Out.String())
	assertPythonLive(t, r)
}

// assertPythonLive checks that each iteration has live memory, and returns the table.
func assertPythonLive(t *testing.T, r *lab.Run) [][]string {
	t.Helper()
	rows := r.Rows(t)
	for _, row := range rows {
		assert.Positive(t, lab.Number(t, row, pythonLiveColumn(t, r)))
	}
	return rows
}

// pythonLiveColumn is the number of the column of live memory.
func pythonLiveColumn(t *testing.T, r *lab.Run) int {
	t.Helper()
	header, _, _ := strings.Cut(r.Content(t, "iterations.csv"), "\n")
	column := slices.Index(strings.Split(header, ","), "live_end_bytes")
	require.GreaterOrEqual(t, column, 0)
	return column
}
