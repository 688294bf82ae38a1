package kernel

import (
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestStat(t *testing.T) {
	stat, err := parseStat("stat", []byte("42 (a) (b c) S 7 42 42 0 -1"))
	require.NoError(t, err)
	assert.Equal(t, "a) (b c", stat.Name)
	assert.EqualValues(t, 7, stat.Field(Parent))
	assert.Zero(t, stat.Field(8), "a negative one")
	assert.Zero(t, stat.Field(Start), "an old kernel")
	assert.Zero(t, stat.Field(1))
	_, err = parseStat("stat", []byte("42"))
	assert.ErrorContains(t, err, `stat: no name in "42"`)
}

func TestStatOfAProcess(t *testing.T) {
	own, err := ReadStat(os.Getpid())
	require.NoError(t, err)
	assert.EqualValues(t, os.Getppid(), own.Field(Parent))
	start, err := StartOf(os.Getpid())
	require.NoError(t, err)
	assert.Equal(t, own.Field(Start), start)
	parent, err := StartOf(os.Getppid())
	require.NoError(t, err)
	assert.LessOrEqual(t, parent, start)
	_, err = StartOf(1 << 30)
	assert.ErrorIs(t, err, os.ErrNotExist)
}

func TestRuns(t *testing.T) {
	assert.True(t, Runs(os.Getpid()))
	assert.False(t, Runs(1<<30))
	child := exec.Command("true")
	require.NoError(t, child.Start())
	assert.Eventually(t, func() bool { return !Runs(child.Process.Pid) }, time.Minute, time.Millisecond, "nobody has waited for it")
	require.NoError(t, child.Wait())
	assert.False(t, Runs(child.Process.Pid))
}

func TestListeners(t *testing.T) {
	for _, address := range []string{"127.0.0.2:0", "0.0.0.0:0", "[::1]:0", "[::]:0"} {
		listener, err := net.Listen("tcp", address)
		if err != nil && strings.HasPrefix(address, "[") {
			continue // no IPv6 here
		}
		require.NoError(t, err)
		defer listener.Close()
		at := listener.Addr().(*net.TCPAddr)
		client, err := net.Dial("tcp", at.String()) // a connection from the same port is no listener
		require.NoError(t, err)
		defer client.Close()
		all, err := Listeners(os.Getpid())
		require.NoError(t, err)
		var found []Listener
		for _, l := range all {
			if l.Port == at.Port {
				found = append(found, l)
			}
		}
		require.Len(t, found, 1, address)
		assert.True(t, found[0].Host.Equal(at.IP), "%s: %s", address, found[0].Host)
		open, err := Descriptors(os.Getpid())
		require.NoError(t, err)
		assert.True(t, slices.Contains(open, found[0].Name()), address)
	}
	_, err := Listeners(1 << 30)
	assert.ErrorIs(t, err, os.ErrNotExist)
	_, err = Descriptors(1 << 30)
	assert.Error(t, err)
}

func TestListenersThatCannotBeRead(t *testing.T) {
	const begin = " 0: 00000000:1F90 00000000:0000 "
	table := "sl local_address rem_address st ... inode\n" +
		begin + "0A 00000000:00000000 00:00000000 00000000 0 0 77 1\n" +
		begin + "01 00000000:00000000 00:00000000 00000000 0 0 78 1\n" +
		" 1: 0000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 79 1\n" +
		" 1: 00000000:1F90F 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 79 1\n" +
		" 1: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 -1 1\n" +
		" 1: 00000000:1F90 00000000:0000 0A\n"
	all, err := appendListeners(nil, strings.NewReader(table))
	require.NoError(t, err)
	require.Len(t, all, 1)
	assert.Equal(t, "socket:[77]", all[0].Name())
	assert.Equal(t, 8080, all[0].Port)
	assert.True(t, all[0].Host.IsUnspecified())
}
