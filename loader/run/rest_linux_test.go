package run

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/subject"
	"leaklab/loader/target"
)

// asServer makes the test binary a server that listens at this address.
const asServer = "LEAKLAB_TEST_SERVER"

func TestMain(m *testing.M) {
	if address := os.Getenv(asServer); address != "" {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			panic(err)
		}
		defer listener.Close()
		time.Sleep(time.Hour)
	}
	os.Exit(m.Run())
}

// The test itself is a Go program.
func TestTheAllocatorOfAServer(t *testing.T) {
	assert.Equal(t, "Go", allocatorAtRest(&target.Target{PID: os.Getpid()}).Name)
	assert.Empty(t, allocatorAtRest(&target.Target{}).Name, "a server elsewhere")
}

// A server that a wrapper has put into the background has most of the memory.
func TestTheAllocatorOfAServerInTheBackground(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().(*net.TCPAddr)
	require.NoError(t, listener.Close())
	server, err := target.Open(t.Context(), target.Plan{
		Who: "the server", Host: "127.0.0.1", Port: address.Port, Address: address.String(),
		Command:     []string{"sh", "-c", `(setsid "$0" >/dev/null 2>&1 &); exec sleep 1000`, os.Args[0]},
		Environment: append(os.Environ(), asServer+"="+address.String()),
		Output:      filepath.Join(t.TempDir(), "server.log"),
	}, io.Discard)
	require.NoError(t, err)
	defer func() { assert.NoError(t, server.Stop()) }()
	require.Eventually(t, func() bool { return subject.Listening(address.String()) }, time.Minute, 10*time.Millisecond)
	require.NoError(t, server.Confirm(t.Context()))
	assert.Equal(t, "Go", allocatorAtRest(server).Name)
}
