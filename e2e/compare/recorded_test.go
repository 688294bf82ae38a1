package compare

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/e2e/internal/lab"
)

// table is a recorded run of 12 iterations with 100,000 requests each that keep the given bytes a request.
func table(t *testing.T, bytesPerRequest int) string {
	t.Helper()
	text := "iteration,requests,rss_start_bytes,rss_end_bytes\n"
	for n := range 12 {
		text += fmt.Sprintf("%d,100000,%d,%d\n", n+1, 20_000_000+n*100_000*bytesPerRequest, 20_000_000+(n+1)*100_000*bytesPerRequest)
	}
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "iterations.csv"), []byte(text), 0o600))
	return folder
}

func TestRecordedRunsAreCompared(t *testing.T) {
	t.Parallel()
	leaking, more, clean := table(t, 100), table(t, 200), table(t, 0)
	for _, test := range []struct {
		before, after string
		code          int
		out           string
	}{
		{leaking, clean, 0, "fixed"},
		{clean, leaking, 1, "worse"},
		{leaking, more, 1, "worse"},
		{more, leaking, 0, "better"},
		{clean, filepath.Join(clean, "iterations.csv"), 0, "same"},
		{clean, "/does/not/exist", 2, "/does/not/exist"},
	} {
		loader := exec.Command(lab.Loader, "compare", test.before, test.after)
		output, _ := loader.CombinedOutput()
		assert.Equal(t, test.code, loader.ProcessState.ExitCode(), string(output))
		if test.code == 2 {
			assert.Contains(t, string(output), test.out)
			continue
		}
		lab.AssertComparison(t, test.out, string(output))
	}
}

func TestRecordedRunsAreDrawnTogether(t *testing.T) {
	t.Parallel()
	picture := filepath.Join(t.TempDir(), "compare.svg")
	output, err := exec.Command(lab.Draw, table(t, 0), table(t, 100), picture).CombinedOutput()
	require.NoError(t, err, string(output))
	content, err := os.ReadFile(picture)
	require.NoError(t, err)
	require.Contains(t, string(content), "new - old = 100.0 bytes/request")
	drawing := exec.Command(lab.Draw, "a", "b")
	output, _ = drawing.CombinedOutput()
	assert.Equal(t, 2, drawing.ProcessState.ExitCode())
	assert.Contains(t, string(output), "usage: draw FOLDER\n")
}
