package live

import (
	"encoding/csv"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/e2e/internal/lab"
)

// outside runs the loader on a JVM that takes memory outside of its heap with each request.
func outside(t *testing.T, what, size string) *lab.Run {
	t.Helper()
	lab.Quiet(t)
	folder := t.TempDir()
	output, err := exec.Command(lab.Need(t, "javac"), "-d", folder, filepath.Join("testdata", "Outside.java")).CombinedOutput()
	require.NoError(t, err, "%s", output)
	settings := []string{"TRIES=8", "REQUESTS=1500", "TOLERANCE=64", "SETTLE=100ms"}
	if lab.Long() {
		settings = []string{"TRIES=10", "REQUESTS=3000", "TOLERANCE=32", "SETTLE=100ms"}
	}
	r := lab.Start(t, settings, "java", "-Xmx128m", "-Dsun.net.httpserver.nodelay=true", "-cp", folder, "Outside", what, size)
	r.ExitCode()
	t.Log(r.Out.String(), r.Err.String())
	return r
}

// TestJVMThatDropsDirectBuffers takes 24 MB an iteration, which the JVM itself frees only when its heap fills.
func TestJVMThatDropsDirectBuffers(t *testing.T) {
	lab.OnlyLong(t)
	r := outside(t, "dropped", "16384")
	assert.NotContains(t, lab.Verdicts(r.Out.String()), "leak")
	assertLive(t, r)
}

// TestJVMThatDropsInflaters takes about 60 MB an iteration.
func TestJVMThatDropsInflaters(t *testing.T) {
	lab.OnlyLong(t)
	r := outside(t, "inflaters", "100")
	assert.NotContains(t, lab.Verdicts(r.Out.String()), "leak")
	assertLive(t, r)
}

// TestJVMThatKeepsDirectBuffers leaks 2 KB a request, of which the heap holds about 130 bytes.
func TestJVMThatKeepsDirectBuffers(t *testing.T) {
	r := outside(t, "kept", "2048")
	lab.AssertVerdict(t, "leak", r.Out.String())
	assertLive(t, r)
}

// assertLive checks that each iteration has live memory.
func assertLive(t *testing.T, r *lab.Run) {
	t.Helper()
	file, err := os.Open(filepath.Join(r.Folder(t), "iterations.csv"))
	require.NoError(t, err)
	defer file.Close()
	table, err := csv.NewReader(file).ReadAll()
	require.NoError(t, err)
	column := slices.Index(table[0], "live_end_bytes")
	require.GreaterOrEqual(t, column, 0)
	require.Greater(t, len(table), 1)
	for _, row := range table[1:] {
		assert.Positive(t, lab.Number(t, row, column))
	}
}
