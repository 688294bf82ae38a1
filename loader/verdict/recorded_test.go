package verdict_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/record"
	"leaklab/loader/verdict"
)

// recorded reads iterations from a file as the lab writes them.
func recorded(t *testing.T, path string) []verdict.Iteration {
	t.Helper()
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	iterations, err := record.ReadCSV(file, path)
	require.NoError(t, err)
	return iterations
}

// Servers that keep memory are never called clean, clean ones never leaking,
// and most of them are decided.
func TestRecordedTraces(t *testing.T) {
	wrong := map[string]verdict.Kind{"leak": verdict.NoLeak, "clean": verdict.Leak}
	for label, never := range wrong {
		files, err := filepath.Glob(filepath.Join("testdata", label, "*.csv"))
		require.NoError(t, err)
		require.NotEmpty(t, files)
		undecided := 0
		for _, file := range files {
			v := verdict.Judge(recorded(t, file), fixed)
			assert.NotEqual(t, never, v.Kind, "%s: %s", file, v.Sentence)
			if v.Kind == verdict.Inconclusive {
				t.Logf("%s: %s", file, v.Sentence)
				if !mayBeUndecided(file) {
					undecided++
				}
			}
		}
		assert.LessOrEqual(t, undecided, len(files)/8, label)
	}
}

// Readings that vary by far more than the tolerance may have a trend by chance. A leak must show in the second half
// alone as well.
func TestTrendByChance(t *testing.T) {
	v := verdict.Judge(recorded(t, filepath.Join("testdata", "clean", "go-burst-64-5.csv")), fixed)
	assert.Equal(t, verdict.Inconclusive, v.Kind)
	assert.Greater(t, v.Lower, fixed.Tolerance)
	assert.Contains(t, v.Sentence, "does not show that it goes on")
}

// mayBeUndecided reports if resident memory need not decide the server at 4 bytes a
// request in 12 iterations of a second: bursts, caches that still fill, and servers
// that answer few requests; nor a collected heap in ten of 3 s (-3s), in which growth
// that slows down would look the same.
func mayBeUndecided(file string) bool {
	for _, s := range []string{"burst", "random-keys", "cache-80000", "java", "python-none", "node-none", "node-64-24", "-3s"} {
		if strings.Contains(file, s) {
			return true
		}
	}
	return false
}
