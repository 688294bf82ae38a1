package report

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"leaklab/loader/lab"
	"leaklab/loader/record"
	"leaklab/loader/record/recordtest"
)

// goldenFiles are the files of a run whose bytes are held fixed.
var goldenFiles = []string{"iterations.csv", "baseline.csv", "samples.csv", "baseline-samples.csv", "run.json", "report.md", "report.html"}

// A recorded run has the same bytes in every version of leaklab, unless a change of the format is meant.
func TestFilesOfARunAreGolden(t *testing.T) {
	for name, c := range recordtest.Cases() {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			writeTable(t, folder, "iterations.csv", c.Iterations)
			series := writeSamples(t, folder, "samples.csv", c.Samples)
			var other []record.Point
			if c.Baseline != "" {
				writeTable(t, folder, "baseline.csv", c.Others)
				other = writeSamples(t, folder, "baseline-samples.csv", c.BaselineSamples)
			}
			require.NoError(t, Write(folder, c.Ended(), series, other))
			for _, file := range goldenFiles {
				recordtest.CompareGolden(t, filepath.Join("testdata", "golden", name, file), filepath.Join(folder, file))
			}
		})
	}
}

func writeTable(t *testing.T, folder, name string, iterations []lab.Iteration) {
	t.Helper()
	table, err := record.CreateTable(folder, name)
	require.NoError(t, err)
	for _, i := range iterations {
		require.NoError(t, table.Append(record.NewIteration(i)))
	}
	require.NoError(t, table.Close())
}

func writeSamples(t *testing.T, folder, name string, all []recordtest.Sample) []record.Point {
	t.Helper()
	samples, err := record.CreateSamples(folder, name)
	require.NoError(t, err)
	for _, s := range all {
		samples.Take(s.At, s.Iteration, s.Reading)
	}
	require.NoError(t, samples.Close())
	return samples.Series()
}
