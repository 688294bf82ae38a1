package live

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"

	"leaklab/e2e/internal/lab"
)

// nodeServer runs the loader on a server in Node.js that does something with each request.
func nodeServer(t *testing.T, what, size string) *lab.Run {
	t.Helper()
	lab.Quiet(t)
	settings := []string{"TRIES=8", "REQUESTS=2000", "TOLERANCE=64", "SETTLE=100ms"}
	if lab.Long() {
		settings = []string{"TRIES=10", "REQUESTS=4000", "TOLERANCE=32", "SETTLE=100ms"}
	}
	r := lab.Start(t, settings, lab.Need(t, "node"), filepath.Join("testdata", "node.js"), what, size)
	r.ExitCode()
	t.Log(r.Out.String(), r.Err.String())
	assertLive(t, r)
	return r
}

// TestNodeThatDropsBuffers takes 64 MB an iteration outside of V8's heap, which only a collection frees.
func TestNodeThatDropsBuffers(t *testing.T) {
	lab.OnlyLong(t)
	r := nodeServer(t, "dropped", "32768")
	assert.NotContains(t, lab.Verdicts(r.Out.String()), "leak")
}

// TestNodeThatFillsACache keeps 500 texts of 1,000 bytes, and makes much garbage.
func TestNodeThatFillsACache(t *testing.T) {
	lab.OnlyLong(t)
	r := nodeServer(t, "cache", "1000")
	assert.NotContains(t, lab.Verdicts(r.Out.String()), "leak")
}

// TestNodeThatKeepsBuffers leaks 2 KB a request, of which V8's heap holds about 100 bytes.
func TestNodeThatKeepsBuffers(t *testing.T) {
	lab.OnlyLong(t)
	r := nodeServer(t, "kept", "2048")
	lab.AssertVerdict(t, "leak", r.Out.String())
}

// TestNodeClusterThatLeaks has two workers that leak 2 KB a request; each has another heap.
func TestNodeClusterThatLeaks(t *testing.T) {
	lab.OnlyLong(t)
	r := nodeServer(t, "cluster", "2048")
	lab.AssertVerdict(t, "leak", r.Out.String())
	for _, row := range r.Rows(t) {
		assert.Equal(t, "3", row[lab.ColumnProcesses])
	}
}
