package record

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/memory"
	"leaklab/loader/verdict"
)

// sampling writes samples.csv of a run of the given number of iterations: two samples before each load, three under it, and two
// after it; at the end, a rest in which all but 1 MB is given back. Each load adds gain bytes.
func sampling(t *testing.T, folder string, iterations int, gain int64) {
	t.Helper()
	samples, err := CreateSamples(folder, "samples.csv")
	require.NoError(t, err)
	at, bytes := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC), int64(20_000_000)
	take := func(number, times int) {
		for range times {
			samples.Take(at, number, memory.Reading{Total: bytes, Parts: &memory.Parts{Anonymous: bytes - 5, File: 5}})
			at = at.Add(100 * time.Millisecond)
		}
	}
	for n := range iterations {
		take(0, 2)
		bytes += gain
		take(n+1, 3)
		take(0, 2)
	}
	take(0, 2)
	bytes = 1_000_000
	take(0, 50)
	require.NoError(t, samples.Close())
}

func TestSamplesAreReadAsIterations(t *testing.T) {
	folder := t.TempDir()
	sampling(t, folder, 3, 1000)
	got, err := ReadIterations(filepath.Join(folder, "samples.csv"))
	require.NoError(t, err)
	var want []verdict.Iteration
	for n := range uint64(3) {
		end := 20_000_000 + 1000*(n+1)
		want = append(want, verdict.Iteration{Requests: 1, StartBytes: end - 1000, EndBytes: end, Parts: map[verdict.Part]uint64{
			verdict.Anonymous: end - 5, verdict.File: 5, verdict.Shared: 0,
		}})
	}
	assert.Equal(t, want, got, "the last one does not end after the long rest")

	// An iteration that was interrupted has no end.
	content, err := os.ReadFile(filepath.Join(folder, "samples.csv"))
	require.NoError(t, err)
	lines := strings.SplitAfter(string(content), "\n")
	got, err = ReadCSV(strings.NewReader(strings.Join(lines[:1+2*7+4], "")+"2026-11-23T08:0"), "samples.csv")
	require.NoError(t, err)
	assert.Equal(t, want[:2], got)

	for text, message := range map[string]string{
		"2026-11-23T08:00:00.000Z,-1,1,,,\n": `samples.csv:2: iteration is "-1"; expected a number from 1 on, or nothing`,
		"2026-11-23T08:00:00.000Z,2,1,,,\n2026-11-23T08:00:00.000Z,,1,,,\n2026-11-23T08:00:00.000Z,1,1,,,\n": "samples.csv:4: iteration is 1 after 2; expected samples of each iteration: use iterations.csv",
		"2026-11-23T08:00:00.000Z,2,1,,,\n2026-11-23T08:00:00.000Z,,1,,,\n2026-11-23T08:00:00.000Z,4,1,,,\n": "samples.csv:4: iteration is 4 after 2; expected samples of each iteration: use iterations.csv",
	} {
		_, err := ReadCSV(strings.NewReader(samplesTitles+"\n"+text), "samples.csv")
		assert.EqualError(t, err, message)
	}
}

// The table beside the samples has more in it.
func TestTheTableBesideSamplesIsRead(t *testing.T) {
	folder := t.TempDir()
	for _, name := range []string{"samples.csv", "baseline-samples.csv"} {
		path := filepath.Join(folder, name)
		assert.Equal(t, path, TableOf(path), "there is none")
	}
	sampling(t, folder, 3, 1000)
	for name, samples := range map[string]string{"iterations.csv": "samples.csv", "baseline.csv": "baseline-samples.csv"} {
		table := tableOf(func(int) (int, int, int) { return 1000 + len(name), 20_000_000, 30_000_000 })
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(table), 0o600))
		got, err := ReadIterations(filepath.Join(folder, samples))
		require.NoError(t, err)
		require.Len(t, got, 12)
		assert.EqualValues(t, 1000+len(name), got[0].Requests)
		assert.Equal(t, filepath.Join(folder, name), TableOf(filepath.Join(folder, name)))
	}
	assert.Equal(t, filepath.Join(folder, "iterations.csv"), TableOf(folder))
	assert.Equal(t, fmt.Sprint(folder, "/other.csv"), TableOf(folder+"/other.csv"))
}
