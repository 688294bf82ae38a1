package report

import (
	"errors"
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

// recorded observes so many iterations and returns the folder and the record.
func recorded(t testing.TB, count int) (string, *Record) {
	t.Helper()
	folder := t.TempDir()
	var evidence []verdict.Iteration
	run := exampleRun(0)
	run.Tries = count + 1
	samples, err := CreateSamples(folder, "samples.csv")
	require.NoError(t, err)
	for _, p := range exampleCourse(exampleRun(count)) {
		samples.Take(p.At, memory.Reading{Total: p.Bytes})
	}
	require.NoError(t, samples.Close())
	record, err := NewRecord(folder, run, samples.Course, func() (verdict.Verdict, []string) {
		return verdict.Judge(evidence, verdict.Options{Tolerance: 4}), []string{"A remark."}
	}, func(folder string) error { return os.WriteFile(filepath.Join(folder, "memory.png"), nil, 0o644) })
	require.NoError(t, err)
	for _, i := range exampleIterations(count) {
		evidence = append(evidence, Evidence(i))
		record.LoadBegins(i.Number, time.Now())
		record.LoadEnded()
		require.NoError(t, record.IterationEnded(i))
	}
	return folder, record
}

func readFolder(t testing.TB, folder string) (Run, []string) {
	t.Helper()
	file, err := os.Open(filepath.Join(folder, "run.json"))
	require.NoError(t, err)
	defer file.Close()
	run, err := ReadRun(file)
	require.NoError(t, err)
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
		info, err := entry.Info()
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o644), info.Mode().Perm(), entry.Name())
	}
	return run, names
}

func TestReportIsThereFromTheBeginning(t *testing.T) {
	folder, _ := recorded(t, 0)
	run, names := readFolder(t, folder)
	assert.Equal(t, []string{"report.html", "report.md", "run.json", "samples.csv"}, names)
	assert.Equal(t, Running, run.State)
	assert.Empty(t, run.Iterations)
	assert.Equal(t, verdict.Inconclusive, run.Verdict.Kind)
}

func TestReportIsCompleteAfterEachIteration(t *testing.T) {
	folder, record := recorded(t, 4)
	run, names := readFolder(t, folder)
	assert.Equal(t, []string{"report.html", "report.md", "run.json", "samples.csv"}, names)
	assert.Len(t, run.Iterations, 4)
	assert.Equal(t, Running, run.State)
	assert.Equal(t, []string{"A remark."}, run.Remarks)
	page, err := os.ReadFile(filepath.Join(folder, "report.html"))
	require.NoError(t, err)
	assert.Equal(t, 4, strings.Count(string(page), `<rect class="bar`))

	require.NoError(t, record.End(errors.New("interrupted")))
	require.NoError(t, record.Draw())
	run, names = readFolder(t, folder)
	assert.Equal(t, []string{"memory.png", "report.html", "report.md", "run.json", "samples.csv"}, names)
	assert.Equal(t, EndedEarly, run.State)
	assert.Equal(t, "interrupted", run.Reason)

	folder, record = recorded(t, 5)
	assert.FileExists(t, filepath.Join(folder, "memory.png"), "now and then")
	require.NoError(t, record.End(nil))
	run, _ = readFolder(t, folder)
	assert.Equal(t, Complete, run.State)
	assert.EqualValues(t, 4, run.Verdict.ToleranceBytesPerRequest)
}

func TestDue(t *testing.T) {
	for iterations, want := range map[int]bool{1: true, 100: true, 101: false, 110: true, 1000: true, 1010: false, 1100: true, 10_000: true} {
		assert.Equal(t, want, Due(iterations), iterations)
	}
}

func TestLongRunsAreWrittenLessOften(t *testing.T) {
	folder, record := recorded(t, 109)
	run, _ := readFolder(t, folder)
	assert.Len(t, run.Iterations, 100)
	require.NoError(t, record.End(nil))
	run, _ = readFolder(t, folder)
	assert.Len(t, run.Iterations, 109)
}

func TestFolderThatCannotBeWritten(t *testing.T) {
	folder, record := recorded(t, 1)
	require.NoError(t, os.RemoveAll(folder))
	assert.ErrorContains(t, record.End(nil), "cannot write "+filepath.Join(folder, "run.json"))
}

func TestSamplesThatCannotBeRead(t *testing.T) {
	const header = "time,iteration,rss_bytes,anonymous_bytes,file_bytes,shared_bytes\n"
	const good = "2026-11-23T08:00:01.250Z,,120,100,20,0\n"
	for text, want := range map[string]string{
		header + "2026-11-23T08:00:01.250Z,,120\n":      "samples.csv:2: 3 columns; expected 6",
		header + good + "yesterday,,120,100,20,0\n":     `samples.csv:3: time is "yesterday"; expected one like 2006-01-02T15:04:05.000Z07:00`,
		header + "2026-11-23T08:00:01.250Z,,-1,100,,\n": `samples.csv:2: rss_bytes is "-1"; expected a number of bytes`,
	} {
		_, err := readSamples(strings.NewReader(text), "samples.csv")
		assert.EqualError(t, err, want)
	}
	points, err := readSamples(strings.NewReader(header+good+"2026-11-23T08:00"), "samples.csv")
	require.NoError(t, err, "a run that was killed")
	assert.Len(t, points, 1)
}

// BenchmarkRecord measures what the report takes after an iteration, and the pictures.
func BenchmarkRecord(b *testing.B) {
	_, record := recorded(b, 99)
	b.Run("write", func(b *testing.B) {
		for b.Loop() {
			require.NoError(b, record.write())
		}
	})
}
