package record

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFolders(t *testing.T) {
	results := filepath.Join(t.TempDir(), "results")
	start := time.Date(2026, 11, 23, 9, 0, 0, 0, time.FixedZone("", 3600))
	for _, want := range []string{"20261123T080000Z", "20261123T080000Z-2", "20261123T080000Z-3"} {
		folder, err := CreateFolder(results, start, "")
		require.NoError(t, err)
		assert.Equal(t, filepath.Join(results, want), folder)
		info, err := os.Stat(folder)
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o777), info.Mode().Perm())
	}
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := CreateFolder(file, start, "")
	assert.ErrorContains(t, err, file)
	_, err = CreateFolder(filepath.Join(file, "missing", "results"), start, "")
	assert.ErrorContains(t, err, "missing")
}
