package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRounds(t *testing.T) {
	folder := t.TempDir()
	round := filepath.Join(folder, "baseline", "1")
	for path, gain := range map[string]int{"old/x/iterations.csv": 0, "new/x/iterations.csv": 0, "turns/x/iterations.csv": 50_000_000, "turns/x/baseline.csv": 0} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(round, path)), 0o755))
		table := "iteration,requests,rss_start_bytes,rss_end_bytes\n"
		for n := range roundIterations {
			table += fmt.Sprintf("%d,50000,%d,%d\n", n+1, 1e8+n*gain, 1e8+(n+1)*gain)
		}
		require.NoError(t, os.WriteFile(filepath.Join(round, path), []byte(table), 0o600))
	}
	var out bytes.Buffer
	require.NoError(t, writeRounds(&out, folder, 4))
	assert.NotContains(t, out.String(), "| two runs", "the round is not complete")

	require.NoError(t, os.WriteFile(filepath.Join(round, "done"), nil, 0o600))
	out.Reset()
	require.NoError(t, writeRounds(&out, folder, 4))
	assert.Regexp(t, `\n\| two runs, one after the other \| 1 \| 1 \| 0 \| 0 \| 0\.\d\d \(`, out.String())
	assert.Regexp(t, `\n\| in turns, but compared like two runs \| 1 \| 0 \| 0 \| 1 \| .* \| 0 \|\n`, out.String())
	assert.Regexp(t, `\n\| in turns, by the differences of pairs \| 1 \| 0 \| 0 \| 1 \| .* \| 0 \|\n`, out.String())

	require.NoError(t, os.RemoveAll(filepath.Join(round, "old")))
	assert.ErrorContains(t, writeRounds(&out, folder, 4), "0 runs with iterations.csv")
}
