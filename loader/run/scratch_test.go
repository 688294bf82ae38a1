package run

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Folders that a killed loader has left go away with the next run, and no others.
func TestLeftOverFoldersAreRemoved(t *testing.T) {
	in, elsewhere := t.TempDir(), t.TempDir()
	used, err := newScratch(in)
	require.NoError(t, err)
	fill := func(folder string) string {
		require.NoError(t, os.MkdirAll(folder, 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(folder, "file"), nil, 0o600))
		return folder
	}
	fill(used.path)
	left := fill(filepath.Join(in, "leaklab-live-1"))
	kept := []string{used.path, fill(filepath.Join(in, "leaklab-2")), fill(filepath.Join(in, "another")), elsewhere}
	fill(elsewhere)
	link, file := filepath.Join(in, "leaklab-live-link"), filepath.Join(in, "leaklab-live-file")
	require.NoError(t, os.Symlink(elsewhere, link))
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	if os.Geteuid() == 0 { // who can make a folder of somebody else
		others := fill(filepath.Join(in, "leaklab-live-3"))
		require.NoError(t, os.Chown(others, 65534, 65534))
		kept = append(kept, others)
	}

	later, err := newScratch(in)
	require.NoError(t, err)
	assert.NoDirExists(t, left)
	for _, folder := range kept {
		assert.FileExists(t, filepath.Join(folder, "file"))
	}
	_, err = os.Lstat(link)
	assert.NoError(t, err)
	assert.FileExists(t, file)
	info, err := os.Stat(later.path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o700), info.Mode().Perm())

	require.NoError(t, used.lock.Close()) // as the kernel does when a process ends
	require.NoError(t, later.remove())
	removeLeftOver(in)
	assert.NoDirExists(t, used.path)
	assert.NoDirExists(t, later.path)
}
