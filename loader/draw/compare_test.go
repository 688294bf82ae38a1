package main

import (
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tableOf is a recorded run of the given number of iterations with 1000 requests each, which gain the given bytes each.
func tableOf(t *testing.T, iterations, gain int) string {
	t.Helper()
	text := "iteration,requests,rss_start_bytes,rss_end_bytes\n"
	for n := range iterations {
		text += fmt.Sprintf("%d,1000,%d,%d\n", n+1, 20_000_000+n*gain, 20_000_000+(n+1)*gain)
	}
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "iterations.csv"), []byte(text), 0o600))
	return folder
}

func TestTwoRunsInOnePicture(t *testing.T) {
	clean, leaking, short := tableOf(t, 12, 0), tableOf(t, 12, 1_000_000), tableOf(t, 1, 0)
	picture := filepath.Join(t.TempDir(), "compare.svg")
	require.NoError(t, drawComparison(clean, filepath.Join(leaking, "iterations.csv"), picture))
	content, err := os.ReadFile(picture)
	require.NoError(t, err)
	assert.Contains(t, string(content), "new - old = 1000.0 bytes/request (")
	assert.Contains(t, string(content), "old, growth of 0.0 bytes/request (")
	assert.Contains(t, string(content), "new, growth of 1000.0 bytes/request (")

	require.NoError(t, drawComparison(clean, short, picture))
	content, err = os.ReadFile(picture)
	require.NoError(t, err)
	assert.Contains(t, string(content), "the runs are too short to compare")
	assert.NoError(t, drawComparison(tableOf(t, 0, 0), short, picture))

	picture = filepath.Join(t.TempDir(), "compare.png")
	require.NoError(t, drawComparison(leaking, clean, picture))
	file, err := os.Open(picture)
	require.NoError(t, err)
	defer file.Close()
	drawn, err := png.Decode(file)
	require.NoError(t, err)
	assert.Equal(t, 960, drawn.Bounds().Dx())
	assert.Equal(t, 480, drawn.Bounds().Dy())

	assert.ErrorContains(t, drawComparison(clean, leaking, "compare.gif"), "expected a name that ends with .svg or .png")
	assert.ErrorContains(t, drawComparison(clean, t.TempDir(), picture), "no such file")
}

func TestReplacedWorkersHideHowTheGrowthsDiffer(t *testing.T) {
	clean, leaking := tableOf(t, 12, 0), t.TempDir()
	table, workers := "iteration,requests,rss_start_bytes,rss_end_bytes,workers_replaced\n", "iteration,pid,started_ticks,requests,own_bytes\n"
	for n := range 12 {
		table += fmt.Sprintf("%d,1000,20000000,20000000,1\n", n+1)
		for pid := range 5 {
			workers += fmt.Sprintf("%d,%d,1,%d,%d\n", n+1, pid+100, 200*n, 4_000_000+(1000+pid)*200*n)
		}
	}
	require.NoError(t, os.WriteFile(filepath.Join(leaking, "iterations.csv"), []byte(table), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(leaking, "workers.csv"), []byte(workers), 0o600))
	picture := filepath.Join(t.TempDir(), "compare.svg")
	require.NoError(t, drawComparison(clean, leaking, picture))
	content, err := os.ReadFile(picture)
	require.NoError(t, err)
	assert.Contains(t, string(content), "workers were replaced, which hides how the growths differ")
}

// liveTableOf is tableOf with live memory that gains the given bytes in each iteration, beside 8,192 bytes of resident memory.
func liveTableOf(t *testing.T, iterations, gain int) string {
	t.Helper()
	text := "iteration,requests,rss_start_bytes,rss_end_bytes,live_end_bytes,outside_end_bytes\n"
	for n := range iterations {
		text += fmt.Sprintf("%d,1000,%d,%d,%d,%d\n", n+1, 20_000_000+n*8192, 20_000_000+(n+1)*8192, 4_000_000+n*gain, 9_000_000)
	}
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "iterations.csv"), []byte(text), 0o600))
	return folder
}

func TestTwoRunsWithLiveMemoryInOnePicture(t *testing.T) {
	clean, leaking, without := liveTableOf(t, 12, 0), liveTableOf(t, 12, 50_000), tableOf(t, 12, 8192)
	picture := filepath.Join(t.TempDir(), "compare.svg")
	require.NoError(t, drawComparison(clean, leaking, picture))
	content, err := os.ReadFile(picture)
	require.NoError(t, err)
	assert.Contains(t, string(content), "live memory, MiB")
	assert.Contains(t, string(content), "new - old = 50.0 bytes/request (")
	assert.Contains(t, string(content), "old, growth of 0.0 bytes/request (")
	assert.Contains(t, string(content), "new, growth of 50.0 bytes/request (")

	require.NoError(t, drawComparison(without, leaking, picture))
	content, err = os.ReadFile(picture)
	require.NoError(t, err)
	assert.Contains(t, string(content), "resident memory, MiB", "that is what both have")
	assert.Contains(t, string(content), "new, growth of 8.2 bytes/request (")
}
