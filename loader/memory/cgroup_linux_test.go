package memory

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

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
		[]byte("anon 4096\nfile 8192\nkernel 7\nsock 12288\ntotal_rss 1\ntotal_cache 2\n\nodd line here\n"), 0o600))
	second, err := account{folder: folder, keys: accountKeys{"anon", "file", "sock"}}.read()
	require.NoError(t, err)
	assert.Equal(t, Cgroup{Anonymous: 4096, File: 8192, Socket: 12288}, second)
	first, err := account{folder: folder, keys: accountKeys{"total_rss", "total_cache", ""}}.read()
	require.NoError(t, err)
	assert.Equal(t, Cgroup{Anonymous: 1, File: 2}, first)
	_, err = account{folder: filepath.Join(folder, "missing")}.read()
	assert.Error(t, err)
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
