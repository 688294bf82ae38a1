package memory

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

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
