package target

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/memory"
	"leaklab/loader/subject"
)

// asServer makes the test binary a server that listens on this port, and prints its process to the file that asServerPID
// names.
const (
	asServer    = "LEAKLAB_TEST_SERVER"
	asServerPID = "LEAKLAB_TEST_SERVER_PID"
)

func TestMain(m *testing.M) {
	if port := os.Getenv(asServer); port != "" {
		listener, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err == nil {
			err = os.WriteFile(os.Getenv(asServerPID), []byte(strconv.Itoa(os.Getpid())), 0o600)
		}
		if err != nil {
			panic(err)
		}
		defer listener.Close()
		time.Sleep(time.Hour)
	}
	os.Exit(m.Run())
}

// launchScript launches a shell script, in which $0 is a server, and waits until something listens at the address.
func launchScript(t *testing.T, script string, port int) (server *Target, pidFile string) {
	t.Helper()
	folder := t.TempDir()
	pidFile = filepath.Join(folder, "pid")
	plan := Plan{
		Who: "the server", Host: "127.0.0.1", Port: port, Address: fmt.Sprintf("127.0.0.1:%d", port),
		Command:     []string{"sh", "-c", script, os.Args[0]},
		Environment: append(os.Environ(), asServer+"="+strconv.Itoa(port), asServerPID+"="+pidFile),
		Output:      filepath.Join(folder, "server.log"),
	}
	server, err := Open(t.Context(), plan, io.Discard)
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Stop() })
	require.Eventually(t, func() bool { return subject.Listening(plan.Address) }, time.Minute, 10*time.Millisecond)
	return server, pidFile
}

// awaitPID waits until a server has written its process to the file.
func awaitPID(t *testing.T, file string) (pid int) {
	t.Helper()
	require.Eventually(t, func() bool {
		text, _ := os.ReadFile(file)
		var err error
		pid, err = strconv.Atoi(string(text))
		return err == nil
	}, time.Minute, 10*time.Millisecond)
	return pid
}

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

// A server may put itself into the background while the wrapper that started it goes on.
func TestAServerInTheBackgroundIsMeasuredAndStopped(t *testing.T) {
	for name, script := range map[string]string{
		"a new session": `(setsid "$0" >/dev/null 2>&1 &); exec sleep 1000`,
		"an orphan":     `("$0" >/dev/null 2>&1 &); exec sleep 1000`,
	} {
		t.Run(name, func(t *testing.T) {
			server, pidFile := launchScript(t, script, freePort(t))
			sampler := server.Sampler()
			alone, err := memory.OfTree(server.PID)(t.Context())
			require.NoError(t, err)
			require.NoError(t, server.Confirm(t.Context()))
			reading, err := sampler.ReadAll(t.Context())
			require.NoError(t, err)
			assert.Equal(t, alone.Processes+1, reading.Processes)
			assert.Greater(t, reading.Total, alone.Total+1<<20, "a shell's sleep has less")

			pid := awaitPID(t, pidFile)
			pids, err := server.Processes()()
			require.NoError(t, err)
			assert.ElementsMatch(t, []int{server.PID, pid}, pids)
			require.Len(t, reading.Members, 2)
			for _, m := range reading.Members {
				assert.Equal(t, m.PID == pid, m.Listens)
			}

			require.NoError(t, server.Stop())
			assert.False(t, subject.Listening(server.address))
		})
	}
}

// A daemon that does not listen, such as PHP-FPM behind nginx, is a part of the server.
func TestADaemonBesideTheServerIsMeasuredAndStopped(t *testing.T) {
	server, pidFile := launchScript(t, `(setsid sleep 1012 >/dev/null 2>&1 & echo $! >"$`+asServerPID+`.daemon"); exec "$0"`, freePort(t))
	require.NoError(t, server.Confirm(t.Context()))
	assert.Equal(t, server.PID, awaitPID(t, pidFile))
	var daemon int
	text, err := os.ReadFile(pidFile + ".daemon")
	require.NoError(t, err)
	_, err = fmt.Sscan(string(text), &daemon)
	require.NoError(t, err)
	pids, err := server.Processes()()
	require.NoError(t, err)
	assert.ElementsMatch(t, []int{server.PID, daemon}, pids)
	require.NoError(t, server.Stop())
	command, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", daemon))
	assert.Empty(t, command, "it has ended")
}

// Neither a tunnel nor a relay is a server, though the command has started it.
func TestAForwarderThatTheCommandStartsIsRefused(t *testing.T) {
	folder := t.TempDir()
	relay := filepath.Join(folder, "socat")
	program, err := os.ReadFile(os.Args[0])
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(relay, program, 0o700))
	for _, script := range []string{"exec " + relay, relay + " & wait", "(setsid " + relay + " >/dev/null 2>&1 &); exec sleep 1000"} {
		server, pidFile := launchScript(t, script, freePort(t))
		pid := awaitPID(t, pidFile)
		err := server.Confirm(t.Context())
		assert.ErrorContains(t, err, fmt.Sprintf("process %d, %q, only passes connections on", pid, relay))
		require.NoError(t, server.Stop())
	}
}

// A supervisor may put one after the other into the background.
func TestTheNextServerInTheBackgroundIsMeasured(t *testing.T) {
	server, pidFile := launchScript(t, `(setsid "$0" >/dev/null 2>&1 &)
		until [ -e "$`+asServerPID+`.next" ]; do sleep 0.05; done
		(setsid "$0" >/dev/null 2>&1 &); exec sleep 1000`, freePort(t))
	require.NoError(t, server.Confirm(t.Context()))
	first := awaitPID(t, pidFile)
	require.NoError(t, os.Remove(pidFile))
	require.NoError(t, subject.StopTree(first))
	require.NoError(t, os.WriteFile(pidFile+".next", nil, 0o600))
	next := awaitPID(t, pidFile)

	sampler := server.Sampler()
	reading, err := sampler.ReadAll(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, reading.Members)
	for _, m := range reading.Members {
		assert.Equal(t, m.PID == next, m.Listens)
	}
}

// A command that ends when its server is in the background is none that can be watched.
func TestACommandThatLeavesTheServerBehindIsRefused(t *testing.T) {
	server, _ := launchScript(t, `(setsid "$0" >/dev/null 2>&1 &)`, freePort(t))
	<-server.process.Exited()
	err := server.Confirm(t.Context())
	assert.EqualError(t, err, "the server ended by itself with exit code 0")
	assert.ErrorContains(t, server.Explain(err), "in the background, which is stopped now; start it in the foreground instead")
	assert.False(t, subject.Listening(server.address))
}

// A port may be one that a container publishes, so that no process here listens on it.
func TestAServerInAnotherNetworkNamespace(t *testing.T) {
	listens := false
	server := &Target{address: "127.0.0.1:3030", complete: []func(context.Context, *memory.Reading){
		func(_ context.Context, reading *memory.Reading) {
			reading.Members = []memory.Member{{PID: 7, Listens: listens}}
		},
	}}
	assert.EqualError(t, server.confirmElsewhere(t.Context()), "127.0.0.1:3030 answers, but no process listens on it in the network "+
		"namespace of the loader, as with a port that a container publishes; set SERVER_PID to the server's process")
	listens = true
	assert.NoError(t, server.confirmElsewhere(t.Context()))
}

// It may do so after it was confirmed, or may never have answered.
func TestAServerInTheBackgroundIsStoppedThoughItWasNotConfirmed(t *testing.T) {
	server, _ := launchScript(t, `(setsid "$0" >/dev/null 2>&1 &); exec sleep 1000`, freePort(t))
	require.NoError(t, server.Stop())
	assert.False(t, subject.Listening(server.address))
}

func TestAServerThatTheCommandHasNotStartedIsRefused(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	server, _ := launchScript(t, "exec sleep 1000", listener.Addr().(*net.TCPAddr).Port)
	err = server.Confirm(t.Context())
	assert.ErrorContains(t, err, fmt.Sprintf("process %d, ", os.Getpid()))
	assert.ErrorContains(t, err, "listens on "+listener.Addr().String()+", but does not descend from the command")
	require.NoError(t, server.Stop())
	assert.True(t, subject.Listening(server.address), "it was not started here")
}

func TestConfirmIsSatisfiedWithAServerInTheForeground(t *testing.T) {
	server, _ := launchScript(t, `exec "$0"`, freePort(t))
	require.NoError(t, server.Confirm(t.Context()))
	assert.Empty(t, server.process.Orphans())
}

// A process whose memory is gone, and whose end cannot be known, does not keep a reading.
func TestAReadingDoesNotWaitForEver(t *testing.T) {
	t.Parallel()
	process, err := subject.Launch([]string{"sleep", "1000"}, nil, io.Discard)
	require.NoError(t, err)
	t.Cleanup(func() { _ = process.Stop() })
	gone := func(context.Context) (memory.Reading, error) { return memory.Reading{}, memory.ErrGone }
	_, err = launchedReader(process, gone)(t.Context())
	assert.ErrorIs(t, err, memory.ErrGone)
}
