package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// keep writes a recorded run of 12 iterations of 1000 requests, each of which retains the given bytes.
func keep(t *testing.T, folder string, bytesPerRequest int) {
	t.Helper()
	require.NoError(t, os.MkdirAll(folder, 0o755))
	table := "iteration,requests,rss_start_bytes,rss_end_bytes\n"
	for n := range 12 {
		table += fmt.Sprintf("%d,1000,%d,%d\n", n+1, 1e7+n*1000*bytesPerRequest, 1e7+(n+1)*1000*bytesPerRequest)
	}
	truth := fmt.Sprintf(`{"KeptBytes":%d}`, 12*1000*bytesPerRequest)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "iterations.csv"), []byte(table), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(folder, truthFile), []byte(truth), 0o600))
}

func TestTables(t *testing.T) {
	folder := t.TempDir()
	for n := range 3 {
		keep(t, filepath.Join(folder, "heap-64-12x1s", fmt.Sprint(n)), 1000+n)
	}
	keep(t, filepath.Join(folder, "log-8-10x3s", "1"), 500)
	var out bytes.Buffer
	require.NoError(t, writeTables(&out, folder, 4))
	assert.Contains(t, out.String(), "\n| heap, 64 | 3 | 3 (29-100%) | 0 (0-71%) | 0 (0-71%) | 1001.0 (1000.0 to 1002.0) | 3 | 1001.0 |\n")
	assert.Contains(t, out.String(), "\n| log, 8 | 1 | 1 (2-100%) | 0 (0-98%) | 0 (0-98%) | 500.0 (500.0 to 500.0) | 1 | 500.0 |\n")
	for _, leak := range []string{"heap", "log"} {
		assert.Equal(t, 1, strings.Count(out.String(), "\n| "+leak), "modes without runs have no row")
	}

	require.NoError(t, os.WriteFile(filepath.Join(folder, "log-8-10x3s", "1", truthFile), []byte("x"), 0o600))
	assert.ErrorContains(t, writeTables(&out, folder, 4), "log-8-10x3s")
}

// The values are from tables of the exact binomial interval.
func TestBinomialInterval(t *testing.T) {
	for _, test := range []struct {
		count, n  int
		low, high float64
	}{{0, 10, 0, 0.3085}, {10, 10, 0.6915, 1}, {5, 10, 0.1871, 0.8129}, {0, 200, 0, 0.0183}} {
		low, high := binomialInterval(test.count, test.n)
		assert.InDelta(t, test.low, low, 1e-4)
		assert.InDelta(t, test.high, high, 1e-4)
	}
}

func TestQuantile(t *testing.T) {
	values := []float64{5, 1, 4, 2, 3}
	assert.Equal(t, 1.0, quantile(values, 0))
	assert.Equal(t, 3.0, quantile(values, 0.5))
	assert.Equal(t, 5.0, quantile(values, 1))
}

func TestModeNamesAreUnique(t *testing.T) {
	names := map[string]bool{}
	for _, m := range slices.Concat(cleanModes(), leakyModes(), searches()) {
		assert.False(t, names[m.name()], m.name())
		names[m.name()] = true
	}
}

func TestInParallel(t *testing.T) {
	folders := []string{"a", "b", "c", "d"}
	var mu sync.Mutex
	done := map[string]int{}
	require.NoError(t, inParallel(t.Context(), 3, folders, func(n int, folder string) error {
		mu.Lock()
		defer mu.Unlock()
		done[folder] = n
		return nil
	}))
	assert.Equal(t, map[string]int{"a": 0, "b": 1, "c": 2, "d": 3}, done)

	broken := errors.New("broken")
	assert.ErrorIs(t, inParallel(t.Context(), 2, folders, func(int, string) error { return broken }), broken)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.ErrorIs(t, inParallel(ctx, 1, folders, func(int, string) error { return nil }), context.Canceled)
}
