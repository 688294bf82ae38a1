package record

import (
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Others may not write what a run has made, though the umask would let them.
func TestFolders(t *testing.T) {
	mask := syscall.Umask(0)
	t.Cleanup(func() { syscall.Umask(mask) })
	above := filepath.Join(t.TempDir(), "missing")
	results := filepath.Join(above, "results")
	start := time.Date(2026, 11, 23, 9, 0, 0, 0, time.FixedZone("", 3600))
	for _, want := range []string{"20261123T080000Z", "20261123T080000Z-2", "20261123T080000Z-3"} {
		folder, err := CreateFolder(results, start, "")
		require.NoError(t, err)
		assert.Equal(t, filepath.Join(results, want), folder)
		for _, made := range []string{above, results, folder} {
			info, err := os.Stat(made)
			require.NoError(t, err)
			assert.Zero(t, info.Mode().Perm()&0o022, "%s: others may write there: %s", made, info.Mode())
		}
		created, err := CreateFile(folder, "created", os.O_WRONLY)
		require.NoError(t, err)
		require.NoError(t, created.Close())
		require.NoError(t, Replace(folder, "replaced", func(io.Writer) error { return nil }))
		for _, name := range []string{"created", "replaced"} {
			info, err := os.Stat(filepath.Join(folder, name))
			require.NoError(t, err)
			assert.Equal(t, os.FileMode(0o644), info.Mode(), name)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := CreateFolder(file, start, "")
	assert.ErrorContains(t, err, file)
	_, err = CreateFolder(filepath.Join(file, "missing", "results"), start, "")
	assert.ErrorContains(t, err, file+": not a directory")
}

// A folder where everybody may write is one where others could replace the folder of a run.
func TestSharedResultsAreProtected(t *testing.T) {
	results := t.TempDir()
	require.NoError(t, os.Chmod(results, 0o777))
	_, err := CreateFolder(results, time.Now(), "")
	require.NoError(t, err)
	info, err := os.Stat(results)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o777)|os.ModeSticky|os.ModeDir, info.Mode())
}

// Whoever guesses the name of a run's folder can put a link there before.
func TestAFolderIsNeverALink(t *testing.T) {
	results, elsewhere := t.TempDir(), t.TempDir()
	start := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	require.NoError(t, os.Symlink(elsewhere, filepath.Join(results, "20261123T080000Z")))
	folder, err := CreateFolder(results, start, "")
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(results, "20261123T080000Z-2"), folder)
}

// A link in the folder of a run leads to a file of somebody else, which stays as it is.
func TestNoFileIsOpenedThroughALink(t *testing.T) {
	victim := filepath.Join(t.TempDir(), "victim")
	require.NoError(t, os.WriteFile(victim, []byte("mine"), 0o600))
	folder := t.TempDir()
	link := func(name, to string) { require.NoError(t, os.Symlink(to, filepath.Join(folder, name))) }

	link("iterations.csv", victim)
	_, err := CreateTable(folder, "iterations.csv")
	assert.ErrorContains(t, err, "the folder of this run was changed by another program: open "+filepath.Join(folder, "iterations.csv"))
	link("samples.csv", victim)
	_, err = CreateSamples(folder, "samples.csv")
	assert.ErrorContains(t, err, "changed by another program")
	link("load.log", filepath.Join(filepath.Dir(victim), "new"))
	_, err = CreateFile(folder, "load.log", os.O_WRONLY)
	assert.ErrorContains(t, err, "changed by another program")
	assert.NoFileExists(t, filepath.Join(filepath.Dir(victim), "new"), "a link to nothing")

	link("run.json", victim)
	require.NoError(t, Replace(folder, "run.json", func(out io.Writer) error {
		_, err := io.WriteString(out, "{}")
		return err
	}))
	info, err := os.Lstat(filepath.Join(folder, "run.json"))
	require.NoError(t, err)
	assert.True(t, info.Mode().IsRegular(), "the link is replaced")
	content, err := os.ReadFile(victim)
	require.NoError(t, err)
	assert.Equal(t, "mine", string(content))
}
