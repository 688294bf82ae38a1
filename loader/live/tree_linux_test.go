package live

import (
	"context"
	"io"
	"os/exec"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/memory"
)

// A server may start itself anew in its process: what was opened before is not there any more.
func TestTreeOpensAProgramThatStartsItselfAnew(t *testing.T) {
	needs(t, "sh")
	cmd := exec.Command("sh", "-c", `echo began; read line; [ "$1" = again ] || exec sh -c "$0" "$0" again`)
	cmd.Args = append(cmd.Args, cmd.Args[2])
	input, err := cmd.StdinPipe()
	require.NoError(t, err)
	output, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = input.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	began := func() {
		line := make([]byte, len("began\n"))
		_, err := io.ReadFull(output, line)
		require.NoError(t, err)
	}
	began()
	p := processOf(t, cmd.Process.Pid)
	var closed atomic.Int64
	opens := 0
	r := runtime{
		kind: JVM,
		runs: func(process) bool { return true },
		open: func(context.Context, process, Options) (opened, error) {
			opens++
			return told{read: memory.Live{Bytes: 7, Processes: 1}, closed: &closed}, nil
		},
	}
	tree, err := open(t.Context(), func() ([]int, error) { return []int{p.PID}, nil }, Options{Kind: Auto}, []runtime{r})
	require.NoError(t, err)
	_, err = tree.Live(t.Context())
	require.NoError(t, err)
	require.True(t, p.same())
	assert.Equal(t, 1, opens)

	_, err = io.WriteString(input, "\n")
	require.NoError(t, err)
	began()
	assert.False(t, p.same())
	_, err = tree.Live(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 2, opens)
	assert.EqualValues(t, 1, closed.Load())
}
