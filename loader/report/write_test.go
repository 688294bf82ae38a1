package report

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/chart"
	"leaklab/loader/record"
	"leaklab/loader/record/recordtest"
)

func TestDocumentsOfARunThatGoesOn(t *testing.T) {
	folder := t.TempDir()
	for count := range 3 {
		run := recordtest.Run(count)
		run.State = record.Running
		require.NoError(t, Write(folder, run, recordtest.Series(run), nil))

		entries, err := os.ReadDir(folder)
		require.NoError(t, err)
		var names []string
		for _, entry := range entries {
			names = append(names, entry.Name())
			info, err := entry.Info()
			require.NoError(t, err)
			assert.Equal(t, os.FileMode(0o644), info.Mode().Perm(), entry.Name())
		}
		assert.Equal(t, []string{"report.html", "report.md", "run.json"}, names)

		file, err := os.Open(filepath.Join(folder, "run.json"))
		require.NoError(t, err)
		got, err := record.ReadRun(file)
		require.NoError(t, err)
		require.NoError(t, file.Close())
		assert.Equal(t, run, got)
		page, err := os.ReadFile(filepath.Join(folder, "report.html"))
		require.NoError(t, err)
		assert.Equal(t, count, strings.Count(string(page), `<rect class="bar`))
	}
}

func TestFolderThatCannotBeWritten(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "gone")
	err := Write(folder, recordtest.Run(1), nil, nil)
	for _, name := range []string{"run.json", "report.md", "report.html"} {
		assert.ErrorContains(t, err, "cannot write "+filepath.Join(folder, name))
	}
	assert.ErrorIs(t, err, os.ErrNotExist)
}

// Whatever is read can be reported.
func FuzzReadRun(f *testing.F) {
	for _, run := range []record.Run{recordtest.Run(0), recordtest.Run(5), recordtest.LiveRun(6), recordtest.Against(5, 1)} {
		var text bytes.Buffer
		if err := run.Write(&text); err != nil {
			f.Fatal(err)
		}
		f.Add(text.Bytes())
	}
	f.Add([]byte(`{"format":1,"state":"running","verdict":{"kind":"leak","estimated":true,"judged_first":-5,"judged_last":9},"iterations":[{"iteration":1},{"iteration":9}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		run, err := record.ReadRun(bytes.NewReader(text))
		if err != nil {
			if !strings.HasPrefix(err.Error(), "not a run.json: ") {
				t.Fatal(err)
			}
			return
		}
		var out bytes.Buffer
		if err := run.Write(&out); err != nil {
			t.Fatal(err)
		}
		if err := writeMarkdown(&out, run); err != nil {
			t.Fatal(err)
		}
		if err := writeHTML(&out, run, chart.New(run, nil, nil)); err != nil {
			t.Fatal(err)
		}
	})
}

// BenchmarkWrite measures what the documents take after an iteration.
func BenchmarkWrite(b *testing.B) {
	run, folder := recordtest.Run(99), b.TempDir()
	series := recordtest.Series(run)
	for b.Loop() {
		require.NoError(b, Write(folder, run, series, nil))
	}
}
