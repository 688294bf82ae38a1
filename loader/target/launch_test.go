package target

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A link in the folder of a run leads to a file of somebody else, which stays as it is. The server is not started.
func TestOutputIsNotWrittenThroughALink(t *testing.T) {
	folder := t.TempDir()
	victim, output, started := filepath.Join(folder, "victim"), filepath.Join(folder, "server.log"), filepath.Join(folder, "started")
	require.NoError(t, os.WriteFile(victim, []byte("mine"), 0o600))
	require.NoError(t, os.Symlink(victim, output))
	_, err := Open(t.Context(), Plan{Command: []string{"touch", started}, Output: output}, io.Discard)
	assert.ErrorContains(t, err, "the folder of this run was changed by another program: open "+output)
	content, err := os.ReadFile(victim)
	require.NoError(t, err)
	assert.Equal(t, "mine", string(content))
	assert.NoFileExists(t, started)
}
