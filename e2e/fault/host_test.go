package fault

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/e2e/internal/lab"
)

func TestResultsThatCannotBeMade(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	marker := filepath.Join(t.TempDir(), "started")
	for name, test := range map[string]struct{ results, message string }{
		"a file is in their place": {file, "expected a folder, or the name of one that is not there yet"},
		"a file is above them":     {filepath.Join(file, "results"), "mkdir .*/file: not a directory: nothing was measured"},
	} {
		t.Run(name, func(t *testing.T) {
			r := lab.Start(t, []string{"RESULTS=" + test.results}, "touch", marker)
			assert.Equal(t, 2, r.ExitCode())
			assert.Regexp(t, fmt.Sprintf(`^RESULTS=%q: %s\n$`, test.results, test.message), r.Err.String())
			assert.Empty(t, r.Out.String())
			assert.NoFileExists(t, marker)
		})
	}
}

// startOnDisk starts a run whose results are on a separate file system, mounted with the given options. What is there
// in the end is copied to its results as the test sees them.
func startOnDisk(t *testing.T, options string, settings []string, command ...string) *lab.Run {
	t.Helper()
	unshare := []string{"unshare", "--mount"}
	if exec.Command(unshare[0], append(unshare[1:], "true")...).Run() != nil {
		unshare = []string{"unshare", "--map-root-user", "--mount"}
		if output, err := exec.Command(unshare[0], append(unshare[1:], "true")...).CombinedOutput(); err != nil {
			t.Skipf("mounting is not permitted here: %v: %s", err, output)
		}
	}
	disk := t.TempDir()
	const script = `mount -t tmpfs -o "$0" none "$DISK" || exit 99
"$@"
code=$?
mkdir "$COPY" && cp -a "$DISK/." "$COPY"
exit $code`
	words := append(unshare, "sh", "-c", script, options, lab.Loader, "--")
	copied := filepath.Join(t.TempDir(), "results")
	r := lab.StartProgram(t, append([]string{"RESULTS=" + disk, "DISK=" + disk, "COPY=" + copied}, settings...), append(words, command...)...)
	r.Results = copied
	return r
}

func TestReadOnlyDisk(t *testing.T) {
	t.Parallel()
	r := startOnDisk(t, "ro", nil, lab.Faulty)
	assert.Equal(t, 2, r.ExitCode())
	assert.Regexp(t, `^RESULTS="[^"]+": mkdir .*: read-only file system: nothing was measured\n$`, r.Err.String())
	assert.Empty(t, r.Out.String())
}

// What a run leaves on a disk that has too little room, whenever that is.
func TestFullDisk(t *testing.T) {
	for _, size := range []string{"4k", "16k", "40k", "120k"} {
		t.Run(size, func(t *testing.T) {
			t.Parallel()
			r := startOnDisk(t, "size="+size, []string{"TRIES=200", "REQUESTS=20", "SETTLE=10ms"}, lab.Faulty)
			assert.Equal(t, 125, r.ExitCode(), "%s%s", &r.Out, &r.Err)
			assert.Regexp(t, `^loader: the disk is full: .*: no space left on device; .* holds the whole rows that there was room for\n$`, r.Err.String())
			for _, name := range []string{"iterations.csv", "samples.csv"} {
				if content := r.Content(t, name); content != "" {
					assert.True(t, strings.HasSuffix(content, "\n"), "%s ends with a whole row: %q", name, content)
				}
			}
			blocks := strings.Count(r.Out.String(), "\nIteration: ")
			assert.Len(t, lab.Verdicts(r.Out.String()), min(blocks, 1), "what was measured is judged")
			if blocks > 0 {
				rows := r.Rows(t)
				assert.GreaterOrEqual(t, len(rows), blocks-1)
				lab.AssertNoServerLeft(t, r.ServerPID(t))
			}
			leftovers, err := filepath.Glob(filepath.Join(r.Folder(t), ".*"))
			require.NoError(t, err)
			assert.Empty(t, leftovers)
		})
	}
}

func TestResultsRemovedDuringTheRun(t *testing.T) {
	t.Parallel()
	r := lab.Start(t, []string{"TRIES=10000", "REQUESTS=200"}, lab.Faulty)
	r.AwaitOutput(t, "Iteration: 2 of 10000")
	folder := r.Folder(t)
	require.NoError(t, os.Rename(r.Results, r.Results+".gone")) // all at once
	assert.Equal(t, 125, r.ExitCode())
	assert.Equal(t, fmt.Sprintf("loader: the folder %s is gone; what was measured is on the terminal alone\n", folder), r.Err.String())
	assert.Contains(t, r.Out.String(), "\nIteration: 3 of 10000\n")
	assert.Len(t, lab.Verdicts(r.Out.String()), 1)
	lab.AssertNoServerLeft(t, r.ServerPID(t))
}
