package subject

import (
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFindListener(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "0.0.0.0:0", "[::]:0"} {
		listener, err := net.Listen("tcp", address)
		if err != nil && address == "[::]:0" {
			continue // no IPv6 here
		}
		require.NoError(t, err)
		_, port, err := net.SplitHostPort(listener.Addr().String())
		require.NoError(t, err)
		for _, host := range []string{"127.0.0.1", "localhost"} {
			pid, err := FindListener(t.Context(), net.JoinHostPort(host, port))
			require.NoError(t, err, address)
			assert.Equal(t, os.Getpid(), pid)
		}
		if address == "127.0.0.1:0" {
			_, err = FindListener(t.Context(), net.JoinHostPort("127.0.0.2", port))
			assert.ErrorIs(t, err, ErrNoListener, "the port alone is not enough")
		}
		require.NoError(t, listener.Close())
		_, err = FindListener(t.Context(), net.JoinHostPort("127.0.0.1", port))
		assert.ErrorIs(t, err, ErrNoListener)
	}
}

// A child that has inherited the socket holds it too.
func TestFindListenerReturnsTheMaster(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	file, err := listener.(*net.TCPListener).File()
	require.NoError(t, err)
	defer file.Close()
	worker := exec.Command("sleep", "1000")
	worker.ExtraFiles = []*os.File{file}
	require.NoError(t, worker.Start())
	defer func() {
		_ = worker.Process.Kill()
		_ = worker.Wait()
	}()
	pid, err := FindListener(t.Context(), listener.Addr().String())
	require.NoError(t, err)
	assert.Equal(t, os.Getpid(), pid)

	// Without the master's own socket only the worker is left.
	require.NoError(t, listener.Close())
	require.NoError(t, file.Close())
	pid, err = FindListener(t.Context(), listener.Addr().String())
	require.NoError(t, err)
	assert.Equal(t, worker.Process.Pid, pid)
}

func TestWithoutDescendants(t *testing.T) {
	parents := map[int]int{1: 0, 10: 1, 11: 10, 12: 10, 13: 12, 20: 1, 21: 20, 22: 20}
	parent := func(pid int) int { return parents[pid] }
	for _, test := range []struct{ pids, tops []int }{
		{[]int{10}, []int{10}},
		{[]int{10, 11, 12}, []int{10}},
		{[]int{10, 13}, []int{10}},
		{[]int{11, 12}, []int{11, 12}},
		{[]int{1, 10, 11}, []int{1, 10}},
		{[]int{10, 21, 22}, []int{10, 21, 22}},
		{nil, nil},
	} {
		assert.Equal(t, test.tops, withoutDescendants(test.pids, parent), "%v", test.pids)
	}
}

func TestIsLocal(t *testing.T) {
	for host, want := range map[string]bool{"127.0.0.1": true, "127.1.2.3": true, "localhost": true, "::1": true, "192.0.2.1": false} {
		assert.Equal(t, want, IsLocal(t.Context(), host), host)
	}
}

func TestCommandLine(t *testing.T) {
	p, _ := launch(t, "sleep 1000; true")
	assert.Eventually(t, func() bool { return CommandLine(p.PID) == "sh -c sleep 1000; true" }, time.Minute, time.Millisecond)
	assert.Empty(t, CommandLine(1<<22))
}
