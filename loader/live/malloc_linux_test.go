package live

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestMallocArenas compares what is read from outside with what the program is told by its own malloc.
func TestMallocArenas(t *testing.T) {
	needs(t, "gcc")
	program := filepath.Join(t.TempDir(), "arenas")
	output, err := exec.Command("gcc", "-O1", "-pthread", "-o", program, "testdata/native/arenas.c").CombinedOutput()
	require.NoError(t, err, "%s", output)
	command := exec.Command(program)
	stdin, err := command.StdinPipe()
	require.NoError(t, err)
	stdout, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	defer func() { _ = stdin.Close(); _ = command.Wait() }()
	answers := bufio.NewReader(stdout)
	resident := make([]int64, 3)
	for n := range resident {
		var told, free int64
		_, err := fmt.Fscanln(answers, &told, &free)
		require.NoError(t, err)
		size, held, err := mallocArenas(command.Process.Pid)
		require.NoError(t, err)
		assert.Equal(t, told, size)
		assert.LessOrEqual(t, held, size+arenaHeapAlign, "what was given back may be in RAM a while")
		assert.GreaterOrEqual(t, held, size-free-int64(os.Getpagesize()), "all that is in use was written to")
		resident[n] = held
		_, err = fmt.Fprintln(stdin)
		require.NoError(t, err)
	}
	assert.Greater(t, resident[0], int64(10000*10000))
	assert.Less(t, resident[2], resident[0], "freed blocks at the end were given back")
}

func TestArenaHeap(t *testing.T) {
	const low, kib = 0, 1 << 10 // the address of the heap
	for _, test := range []struct {
		name                       string
		arena, before, size, mayBe uint64
		want                       uint64
	}{
		{"the first heap", low + 48, 0, 256 * kib, 512 * kib, 256 * kib},
		{"a later one", arenaHeapAlign + 48, arenaHeapAlign, 256 * kib, 256 * kib, 256 * kib},
		{"an arena elsewhere", 5*arenaHeapAlign + 48, 0, 256 * kib, 512 * kib, 0},
		{"zeros", 0, 0, 0, 0, 0},
		{"more than may be written", low + 48, 0, 512 * kib, 256 * kib, 0},
		{"no whole pages", low + 48, 0, 256*kib + 8, 512 * kib, 0},
		{"more than a heap", low + 48, 0, 256 * kib, 2 * arenaHeapAlign, 0},
		{"a heap before that is not aligned", low + 48, 8, 256 * kib, 512 * kib, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			var memory []byte
			for _, field := range []uint64{test.arena, test.before, test.size, test.mayBe} {
				memory = binary.NativeEndian.AppendUint64(memory, field)
			}
			used, _ := arenaHeap(bytes.NewReader(memory), low)
			assert.Equal(t, test.want, used)
		})
	}
	used, _ := arenaHeap(bytes.NewReader(nil), low)
	assert.Zero(t, used)
}
