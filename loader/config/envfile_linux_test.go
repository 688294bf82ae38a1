package config

import (
	"os"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestEnvFileOfSomebodyElse(t *testing.T) {
	path := envFile(t, "TIRES=1")
	require.NoError(t, os.Chmod(path, 0))
	if os.Geteuid() == 0 { // which may read every file, but with the file system's user of this thread
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		require.NoError(t, unix.Setfsuid(65534))
		defer func() { assert.NoError(t, unix.Setfsuid(0)) }()
	}
	_, err := os.ReadFile(path)
	require.ErrorIs(t, err, os.ErrPermission)
	assert.NoError(t, CheckEnvFile(path))
	assert.ErrorContains(t, LoadEnvFile(path), "expected a file that can be read")
}
