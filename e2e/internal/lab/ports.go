package lab

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// FreePorts returns TCP ports of the loopback interface on which nothing listens. Each is handed out once, to all packages
// together, until all have been. They are below those that the kernel hands out to clients.
func FreePorts(t testing.TB, count int) []string {
	t.Helper()
	uncached()
	const lowest, number = 10_000, 20_000
	unlock, err := lock("ports")
	require.NoError(t, err)
	defer unlock()
	path := filepath.Join(built, "ports")
	next := os.Getpid() * 7 // at first, since other checkouts may be tested too
	if content, err := os.ReadFile(path); err == nil {
		next, err = strconv.Atoi(string(content))
		require.NoError(t, err, path)
	}
	var ports []string
	for tried := 0; len(ports) < count; tried++ {
		require.Less(t, tried, number, "all ports are taken")
		port := strconv.Itoa(lowest + next%number)
		next++
		if listener, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			require.NoError(t, listener.Close())
			ports = append(ports, port)
		}
	}
	require.NoError(t, os.WriteFile(path, []byte(strconv.Itoa(next)), 0o644))
	return ports
}

// AssertPortFree checks that nothing listens on a port of the loopback interface.
func AssertPortFree(t testing.TB, port string) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", "127.0.0.1:"+port, time.Second)
	if err == nil {
		_ = conn.Close()
	}
	assert.Error(t, err, "something listens on %s", port)
}
