package memory

import (
	"os"
	"testing"

	"github.com/prometheus/procfs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const rollup = `55cac7f74000-7ffe43b28000 ---p 00000000 00:00 0                          [rollup]
Rss:                1640 kB
Pss:                 538 kB
Pss_Dirty:           112 kB
Pss_Anon:            112 kB
Pss_File:            424 kB
Pss_Shmem:             2 kB
Shared_Clean:       1408 kB
`

func TestParseRollup(t *testing.T) {
	parts, err := parseRollup([]byte(rollup))
	require.NoError(t, err)
	assert.Equal(t, Parts{Anonymous: 112 << 10, File: 424 << 10, Shared: 2 << 10}, parts)

	parts, err = parseRollup(nil)
	require.NoError(t, err, "a zombie")
	assert.Zero(t, parts)

	_, err = parseRollup([]byte("Rss: 1640 kB\nPss: 538 kB\n"))
	assert.ErrorIs(t, err, os.ErrPermission, "an old kernel: as if it were not readable")
	_, err = parseRollup([]byte("Pss_Anon: x kB\n"))
	assert.ErrorContains(t, err, "Pss_Anon")
}

// Three shells share their program, their libraries and their memory from before the fork.
func TestSharedPagesOfATreeAreCountedOnce(t *testing.T) {
	shells := run(t, `exec 3<&0; (read x <&3) & (read x <&3) & echo ready; read x`)
	tree := &tree{root: shells.Process.Pid}
	reading, err := tree.read()
	require.NoError(t, err)
	require.Equal(t, 3, reading.Processes)
	assert.True(t, reading.Proportional)
	assert.Equal(t, reading.Total, reading.Parts.Anonymous+reading.Parts.File+reading.Parts.Shared)
	assert.Equal(t, 3, reading.Threads)
	assert.GreaterOrEqual(t, reading.OpenFiles, 6)

	fs, err := procfs.NewDefaultFS()
	require.NoError(t, err)
	pids, err := tree.descendants()
	require.NoError(t, err)
	twice, err := sumOf(fs, pids, readResident)
	require.NoError(t, err)
	assert.Less(t, reading.Total, twice.Total*2/3)
	assert.Less(t, reading.Parts.Anonymous, twice.Parts.Anonymous)
}

func TestSharedPagesAreCountedForEachWhereThatIsAllOneMaySee(t *testing.T) {
	shells := run(t, `exec 3<&0; (read x <&3) & echo ready; read x`)
	tree := &tree{root: shells.Process.Pid, proportional: forbidden}
	reading, err := tree.read()
	require.NoError(t, err)
	assert.Equal(t, 2, reading.Processes)
	assert.False(t, reading.Proportional)
}

// A process that has entered a PID namespace from outside has parent 0 there.
func TestOrphansOfARootFromOutside(t *testing.T) {
	own, child := os.Getpid(), run(t, "echo ready; read x").Process.Pid
	from := func(parent int) *tree { return &tree{root: own, parents: map[int]int{own: parent}} }
	assert.Equal(t, []int{child}, from(0).orphans([]int{child, 1 << 22}), "in the same control groups; what is gone is not")
	assert.Empty(t, from(1).orphans([]int{child}), "its orphans are not of the server")
	assert.Empty(t, (&tree{root: 1, parents: map[int]int{1: 0}}).orphans([]int{1}), "they are its children anyway")
}
