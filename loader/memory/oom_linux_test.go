package memory

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/cgroup"
)

func TestOOMKills(t *testing.T) {
	for text, want := range map[string]uint64{
		"low 0\nhigh 0\nmax 7\noom 3\noom_kill 2\noom_group_kill 1\n": 2,  // version 2
		"oom_kill_disable 0\nunder_oom 0\noom_kill 12\n":              12, // version 1
		"": 0, "oom_kill x\n": 0, "oom_kill_disable 1\n": 0,
	} {
		assert.Equal(t, want, oomKills(strings.NewReader(text)), text)
	}
}

func TestWhereOOMKillsAreCounted(t *testing.T) {
	folder := t.TempDir()
	write := func(path string) {
		path = filepath.Join(folder, path)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte("oom_kill 1\n"), 0o600))
	}
	opened := func(groups string) string {
		file := openOOMEvents(cgroup.Parse(folder, groups))
		if file == nil {
			return ""
		}
		defer file.Close()
		path, err := filepath.Rel(folder, file.Name())
		require.NoError(t, err)
		return path
	}
	assert.Empty(t, opened("0::/a/b\n"))
	write("memory/memory.oom_control")
	write("a/memory.events")
	assert.Equal(t, "a/memory.events", opened("0::/a/b\n"), "the nearest that there is")
	assert.Equal(t, "memory/memory.oom_control", opened("5:cpu:/x\n4:memory:/x\n0::/\n"))
}

func TestAProcessThatEndsIsNotSaidToHaveRunOutOfMemory(t *testing.T) {
	process := exec.Command("sleep", "1000")
	require.NoError(t, process.Start())
	killed := WatchOOM(t.Context(), process.Process.Pid)
	require.NoError(t, process.Process.Kill())
	_ = process.Wait()
	begin := time.Now()
	assert.False(t, killed())
	assert.False(t, killed(), "it may be asked again")
	assert.Less(t, time.Since(begin), 30*time.Second)
	assert.False(t, WatchOOM(t.Context(), 1<<22)(), "there is no such process")
}
