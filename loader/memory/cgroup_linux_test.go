package memory

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/cgroup"
)

func TestParseCgroups(t *testing.T) {
	limits := func(text string) (files []string) {
		for _, group := range accounts(cgroup.Parse("", text)) {
			files = append(files, filepath.Join(group.folder, group.limitFile))
		}
		return files
	}
	assert.Equal(t, []string{"/a/b/memory.max", "/a/memory.max", "/memory.max"}, limits("0::/a/b\n"))
	assert.Equal(t, []string{"/memory.max"}, limits("0::/\n"))
	assert.Equal(t,
		[]string{"memory/docker/x/memory.limit_in_bytes", "memory/docker/memory.limit_in_bytes", "memory/memory.limit_in_bytes"},
		limits("12:cpu,cpuacct:/docker/x\n4:memory:/docker/x\n1:name=systemd:/\ngarbage\n"))
	assert.Equal(t, []string{"/memory.max"}, limits("0::/../..\n"), "a cgroup outside of what can be seen")
}

func TestReadCgroup(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "memory.stat"),
		[]byte("anon 4096\nfile 8192\nkernel 7\nshmem 1024\nsock 12288\ntotal_rss 1\ntotal_cache 2\ntotal_shmem 3\n\nodd line here\n"), 0o600))
	second, err := account{folder: folder, keys: accountKeys{"anon", "file", "shmem", "sock"}}.read()
	require.NoError(t, err)
	assert.Equal(t, Cgroup{Anonymous: 4096, File: 7168, Shared: 1024, Socket: 12288}, second)
	first, err := account{folder: folder, keys: accountKeys{"total_rss", "total_cache", "total_shmem", ""}}.read()
	require.NoError(t, err)
	assert.Equal(t, Cgroup{Anonymous: 1, Shared: 3}, first)
	_, err = account{folder: filepath.Join(folder, "missing")}.read()
	assert.Error(t, err)
}

// newGroup makes a control group that accounts for memory, and skips the test where it may not.
func newGroup(t *testing.T) string {
	t.Helper()
	groups := slices.DeleteFunc(accounts(cgroup.Of(os.Getpid())), func(group account) bool {
		_, err := group.read()
		return err != nil
	})
	if len(groups) == 0 {
		t.Skip("no control group accounts for memory")
	}
	folder := filepath.Join(groups[len(groups)-1].folder, fmt.Sprintf("leaklab-test-%d", os.Getpid()))
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Skipf("no control group can be made: %v", err)
	}
	t.Cleanup(func() {
		assert.Eventually(t, func() bool { return os.Remove(folder) == nil }, time.Minute, 10*time.Millisecond, "%s is left", folder)
	})
	if _, err := os.Stat(filepath.Join(folder, "memory.stat")); err != nil {
		t.Skip("new control groups do not account for memory")
	}
	return folder
}

func TestClosedFilesInATmpfsAreSeenInTheControlGroup(t *testing.T) {
	folder, file := newGroup(t), inTmpfs(t)
	require.NoError(t, file.Close())
	server := run(t, "echo ready; read x; head -c 8388608 /dev/zero >"+file.Name()+"; echo written; read x")
	pid := server.Process.Pid
	require.NoError(t, os.WriteFile(filepath.Join(folder, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0))
	sampler := NewSampler(OfTree(pid), Completing(pid, 0)...)
	before, err := sampler.ReadAll(t.Context())
	require.NoError(t, err)
	require.NotNil(t, before.Cgroup)
	_, err = io.WriteString(server.stdin, "\n")
	require.NoError(t, err)
	server.awaitLine(t)
	after, err := sampler.ReadAll(t.Context())
	require.NoError(t, err)
	const lag = 2 << 20 // of the group's figures
	assert.InDelta(t, 8<<20, after.Held.Unmapped-before.Held.Unmapped, lag)
	assert.InDelta(t, 8<<20, after.Cgroup.Shared-before.Cgroup.Shared, lag)
	assert.InDelta(t, before.Cgroup.File, after.Cgroup.File, lag, "it is no page cache")
}

// Files in a tmpfs that no process has open are shared memory of the group alone.
func TestSharedMemoryOfACgroup(t *testing.T) {
	unmapped := func(held *Held, shared int64) int64 {
		r := Reading{Parts: &Parts{Shared: 1000}, Held: held}
		r.addUnmapped(shared)
		return r.Held.Unmapped
	}
	assert.EqualValues(t, 5000, unmapped(&Held{Unmapped: 2000}, 6000))
	assert.EqualValues(t, 2000, unmapped(&Held{Unmapped: 2000}, 2500), "files of another group are open")
	assert.EqualValues(t, 1000, unmapped(&Held{heapFiles: 4000}, 6000))
	assert.EqualValues(t, 0, unmapped(&Held{}, 500))
	assert.NotPanics(t, func() { (&Reading{}).addUnmapped(1) })
}

// What a control group's tmpfs held before it was found, or while it cannot be read, is no step in held memory.
func TestAControlGroupMakesNoStep(t *testing.T) {
	folder := t.TempDir()
	found := &account{folder: folder, keys: accountKeys{"anon", "file", "shmem", "sock"}}
	stat := filepath.Join(folder, "memory.stat")
	write := func(shared int) {
		require.NoError(t, os.WriteFile(stat, fmt.Appendf(nil, "shmem %d\n", shared), 0o600))
	}
	read := func(group *ownGroup) Reading {
		reading := Reading{Parts: &Parts{}, Held: &Held{}}
		group.complete(&reading)
		return reading
	}

	write(4096)
	known := &ownGroup{find: func() *account { return found }}
	assert.EqualValues(t, 4096, read(known).Held.Unmapped)
	require.NoError(t, os.Remove(stat))
	unread := read(known)
	assert.EqualValues(t, 4096, unread.Held.Unmapped, "as it was last read")
	assert.Nil(t, unread.Cgroup)
	write(8192)
	assert.EqualValues(t, 8192, read(known).Held.Unmapped)

	var now *account // a health check is there as well
	late := &ownGroup{find: func() *account { return now }}
	first := read(late)
	assert.Nil(t, first.Cgroup)
	assert.Zero(t, first.Held.Unmapped)
	now = found
	unreadable := &ownGroup{find: func() *account { return found }}
	require.NoError(t, os.Remove(stat))
	assert.Nil(t, read(unreadable).Cgroup)
	write(8192)
	for _, group := range []*ownGroup{late, late, unreadable} {
		then := read(group)
		assert.Equal(t, &Cgroup{Shared: 8192}, then.Cgroup)
		assert.Zero(t, then.Held.Unmapped)
	}
}

func TestACgroupOfOnesOwnHasNoStrangers(t *testing.T) {
	parent := run(t, `sh -c 'echo ready; read x'; true`)
	family, err := (&tree{root: parent.Process.Pid}).descendants()
	require.NoError(t, err)
	require.Len(t, family, 2)
	assert.True(t, onlyOf(family[0], fmt.Appendf(nil, "%d\n%d\n", family[0], family[1])))
	assert.True(t, onlyOf(family[0], fmt.Appendf(nil, "%d\n", family[0])))
	assert.False(t, onlyOf(family[0], fmt.Appendf(nil, "%d\n%d\n", family[0], os.Getpid())))
	assert.False(t, onlyOf(family[1], fmt.Appendf(nil, "%d\n%d\n", family[0], family[1])), "its parent is not a descendant")
	assert.False(t, onlyOf(family[0], nil), "none of them is visible")
	assert.False(t, onlyOf(1<<22, []byte("1\n")))

	// This test shares its group with the process that runs it.
	var reading Reading
	ownCgroup(parent.Process.Pid)(t.Context(), &reading)
	assert.Nil(t, reading.Cgroup)
}
