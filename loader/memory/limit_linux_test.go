package memory

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLimitFiles(t *testing.T) {
	assert.Equal(t, []string{"/a/b/memory.max", "/a/memory.max", "/memory.max"}, limitFiles([]byte("0::/a/b\n")))
	assert.Equal(t, []string{"/memory.max"}, limitFiles([]byte("0::/\n")))
	assert.Equal(t,
		[]string{"memory/docker/x/memory.limit_in_bytes", "memory/docker/memory.limit_in_bytes", "memory/memory.limit_in_bytes"},
		limitFiles([]byte("12:cpu,cpuacct:/docker/x\n4:memory:/docker/x\n1:name=systemd:/\ngarbage\n")))
	assert.Equal(t, []string{"/memory.max"}, limitFiles([]byte("0::/../..\n")), "a cgroup outside of what can be seen")
}

func TestReadLimit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "memory.max")
	for text, want := range map[string]int64{"2147483648\n": 2 << 30, "max\n": 0, "0\n": 0, "": 0} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		limit, found := readLimit(path)
		assert.Equal(t, want != 0, found, "%q", text)
		if found {
			assert.Equal(t, want, limit)
		}
	}
	_, found := readLimit(path + "missing")
	assert.False(t, found)
}

func TestThereIsALimit(t *testing.T) {
	limit := LimitOf(os.Getpid())
	assert.Greater(t, limit.Bytes, int64(64<<20))
	assert.NotEmpty(t, limit.Of)
}
