package target

import (
	"context"
	"io"
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
