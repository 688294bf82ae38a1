package report

import (
	"errors"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/verdict"
)

// recorded observes so many iterations and returns the folder and the record.
func recorded(t testing.TB, count int) (string, *Record) {
	t.Helper()
	folder := t.TempDir()
	var evidence []verdict.Iteration
	run := exampleRun(0)
	run.Tries = count + 1
	record, err := NewRecord(folder, run, func() []Point { return exampleCourse(run) }, func() (verdict.Verdict, []string) {
		return verdict.Judge(evidence, verdict.Options{Tolerance: 4}), []string{"A remark."}
	})
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
	assert.Equal(t, []string{"report.html", "report.md", "run.json"}, names)
	assert.Equal(t, Running, run.State)
	assert.Empty(t, run.Iterations)
	assert.Equal(t, verdict.Inconclusive, run.Verdict.Kind)
}

func TestReportIsCompleteAfterEachIteration(t *testing.T) {
	folder, record := recorded(t, 4)
	run, names := readFolder(t, folder)
	assert.Equal(t, []string{"memory.svg", "report.html", "report.md", "run.json"}, names)
	assert.Len(t, run.Iterations, 4)
	assert.Equal(t, Running, run.State)
	assert.Equal(t, []string{"A remark."}, run.Remarks)
	page, err := os.ReadFile(filepath.Join(folder, "report.html"))
	require.NoError(t, err)
	assert.Equal(t, 4, strings.Count(string(page), `<rect class="bar`))

	require.NoError(t, record.End(errors.New("interrupted")))
	require.NoError(t, record.Draw())
	run, names = readFolder(t, folder)
	assert.Equal(t, []string{"memory.png", "memory.svg", "report.html", "report.md", "run.json"}, names)
	assert.Equal(t, EndedEarly, run.State)
	assert.Equal(t, "interrupted", run.Reason)
	file, err := os.Open(filepath.Join(folder, "memory.png"))
	require.NoError(t, err)
	defer file.Close()
	_, err = png.Decode(file)
	assert.NoError(t, err)

	folder, record = recorded(t, 5)
	assert.FileExists(t, filepath.Join(folder, "memory.png"), "now and then")
	require.NoError(t, record.End(nil))
	run, _ = readFolder(t, folder)
	assert.Equal(t, Complete, run.State)
	assert.EqualValues(t, 4, run.Verdict.ToleranceBytesPerRequest)
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

// BenchmarkRecord measures what the report takes after an iteration, and memory.png.
func BenchmarkRecord(b *testing.B) {
	_, record := recorded(b, 99)
	b.Run("write", func(b *testing.B) {
		for b.Loop() {
			require.NoError(b, record.write())
		}
	})
	b.Run("draw", func(b *testing.B) {
		for b.Loop() {
			require.NoError(b, record.Draw())
		}
	})
}
