package target

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/memory"
	"leaklab/loader/subject"
)

// A server whose memory is not shown any more, though it has not ended, does not make the run hang.
func TestAServerThatIsGoneButHasNotEnded(t *testing.T) {
	process, err := subject.Launch([]string{"sleep", "600"}, nil, io.Discard)
	require.NoError(t, err)
	gone := func(context.Context) (memory.Reading, error) { return memory.Reading{}, memory.ErrGone }
	read := launchedReader(process, gone)

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = read(ctx)
	assert.ErrorIs(t, err, memory.ErrGone)

	require.NoError(t, process.Stop())
	_, err = read(t.Context())
	assert.ErrorIs(t, err, memory.ErrGone)
	assert.ErrorContains(t, err, "the server was killed by SIGTERM")
}

// The watch of the memory interrupts a run when the server is gone; what was under way then does not wait for its end.
func TestHowAServerEndedIsSaidWhoeverMissedItFirst(t *testing.T) {
	process, err := subject.Launch([]string{"sh", "-c", "exit 3"}, nil, io.Discard)
	require.NoError(t, err)
	server := &Target{process: process, address: "127.0.0.1:1", output: filepath.Join(t.TempDir(), "server.log")}
	explained := server.Explain(fmt.Errorf("process %d: %w", process.PID, memory.ErrGone))
	assert.ErrorContains(t, explained, "the server process is gone: the server ended by itself with exit code 3; it wrote nothing")
	assert.ErrorIs(t, explained, memory.ErrGone)
	assert.Equal(t, 1, strings.Count(server.Explain(endedError{process.Err()}).Error(), "the server ended by itself"), "that was known")
}

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
