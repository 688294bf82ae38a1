package subject

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// asLoader makes the test binary a loader that launches a server, of asServer, and then ends abnormally.
const (
	asLoader = "LEAKLAB_TEST_LOADER"
	asServer = "LEAKLAB_TEST_SERVER"
)

func TestMain(m *testing.M) {
	if asHelper() {
		return
	}
	if how := os.Getenv(asLoader); how != "" {
		p, err := Launch([]string{"sh", "-c", os.Getenv(asServer)}, nil, io.Discard)
		if err != nil {
			panic(err)
		}
		followNamed(p)
		fmt.Println(p.PID)
		if how == "panic" {
			go func() { panic("the loader has a bug") }()
		}
		select {}
	}
	os.Exit(m.Run())
}

func groupAlive(leader int) bool { return syscall.Kill(-leader, 0) == nil }

// assertGroupEnds waits until killed processes are reaped as well: this program has adopted what a killed loader left.
func assertGroupEnds(t *testing.T, leader int) {
	t.Helper()
	assert.Eventually(t, func() bool {
		reapGroup(leader)
		return !groupAlive(leader)
	}, time.Minute, 10*time.Millisecond)
}

func launch(t *testing.T, script string) (*Process, *bytes.Buffer) {
	t.Helper()
	var output bytes.Buffer
	p, err := Launch([]string{"sh", "-c", script}, os.Environ(), &output)
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.Stop() })
	return p, &output
}

func TestStopEndsTheWholeGroup(t *testing.T) {
	p, output := launch(t, "trap 'echo draining; exit 0' TERM; sleep 1000 & echo up; wait")
	assert.Eventually(t, func() bool { return groupAlive(p.PID) }, time.Second, time.Millisecond)
	time.Sleep(100 * time.Millisecond) // until the trap is set
	require.NoError(t, p.Stop())
	assert.False(t, groupAlive(p.PID))
	assert.Equal(t, "up\ndraining\n", output.String())
	require.NoError(t, p.Stop(), "stopping twice is harmless")
}

func TestStopKillsWhatIgnoresSIGTERM(t *testing.T) {
	p, _ := launch(t, "trap '' TERM; while true; do sleep 1; done")
	time.Sleep(100 * time.Millisecond)
	require.NoError(t, p.Stop())
	assertGroupEnds(t, p.PID)
	assert.EqualError(t, p.Err(), "the server was killed by SIGKILL (killed)")
}

func TestHowTheServerEnded(t *testing.T) {
	for script, want := range map[string]string{
		"exit 0":        "the server ended by itself with exit code 0",
		"exit 3":        "the server ended by itself with exit code 3",
		"kill -SEGV $$": "the server was killed by SIGSEGV (segmentation fault)",
	} {
		p, _ := launch(t, script)
		<-p.Exited()
		assert.EqualError(t, p.Err(), want)
	}
}

func TestCommandThatDoesNotExist(t *testing.T) {
	_, err := Launch([]string{"/does/not/exist"}, nil, io.Discard)
	assert.ErrorContains(t, err, "cannot start the server")
	assert.ErrorContains(t, err, "/does/not/exist")
}

// startLoader starts a loader with a script as the server, and returns the server's process as well.
func startLoader(t *testing.T, how, script string) (loader *exec.Cmd, server int) {
	t.Helper()
	executable, err := os.Executable()
	require.NoError(t, err)
	loader = exec.Command(executable)
	loader.Env = append(os.Environ(), asLoader+"="+how, asServer+"="+script)
	stdout, err := loader.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, loader.Start())
	t.Cleanup(func() { _ = loader.Process.Kill() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	server, err = strconv.Atoi(strings.TrimSpace(line))
	require.NoError(t, err)
	return loader, server
}

func TestNoServerIsLeftWhateverEndsTheLoader(t *testing.T) {
	for _, how := range []string{"panic", "SIGKILL"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			loader, group := startLoader(t, how, "sleep 1000 & sleep 1000")
			if how == "SIGKILL" {
				require.True(t, groupAlive(group))
				require.NoError(t, loader.Process.Kill())
			}
			require.Error(t, loader.Wait())
			assertGroupEnds(t, group)
		})
	}
}

func TestNoDescendantIsLeftWhenTheLoaderIsKilled(t *testing.T) {
	for name, script := range map[string]string{
		"ends when asked":  "setsid sh -c 'sleep 1000; true' & wait",
		"has to be killed": `setsid sh -c "trap '' TERM; while true; do sleep 1; done" & wait`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			loader, server := startLoader(t, "SIGKILL", script)
			stray := strayOf(t, server)
			require.NoError(t, loader.Process.Kill())
			require.Error(t, loader.Wait())
			assertGroupEnds(t, server)
			assertGroupEnds(t, stray)
		})
	}
}

// strayOf waits for a child of the server that leads another group.
func strayOf(t *testing.T, server int) (stray int) {
	t.Helper()
	require.Eventually(t, func() bool {
		children := descendants(server)
		if len(children) == 0 {
			return false
		}
		stray = int(children[0].Pid)
		return groupAlive(stray)
	}, time.Minute, 10*time.Millisecond)
	time.Sleep(100 * time.Millisecond) // until it is as it should be
	return stray
}

func TestWaitReady(t *testing.T) {
	calls := 0
	require.NoError(t, WaitReady(t.Context(), time.Minute, "the server", func(context.Context) error {
		if calls++; calls < 3 {
			return errors.New("not yet")
		}
		return nil
	}))
	assert.Equal(t, 3, calls)

	never := func(context.Context) error { return errors.New("no answer") }
	assert.EqualError(t, WaitReady(t.Context(), 50*time.Millisecond, "the baseline", never), "the baseline is not ready after 50ms: no answer")

	began := time.Now()
	cut := func(ctx context.Context) error {
		end, _ := ctx.Deadline()
		return fmt.Errorf("cut short: %t", end.Before(began.Add(leastProbe)))
	}
	assert.EqualError(t, WaitReady(t.Context(), time.Millisecond, "the server", cut), "the server is not ready after 1ms: cut short: false")

	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("interrupted"))
	assert.EqualError(t, WaitReady(ctx, time.Minute, "the server", never), "interrupted")
}

func TestListening(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	assert.True(t, Listening(listener.Addr().String()))
	require.NoError(t, listener.Close())
	assert.False(t, Listening(listener.Addr().String()))
}

func TestTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	assert.Empty(t, Tail(path, 3))
	for content, want := range map[string][]string{
		"":                nil,
		"a\n":             {"a"},
		"a\nb":            {"a", "b"},
		"a\nb\nc\nd\n":    {"b", "c", "d"},
		"a\n\nb\n":        {"a", "", "b"},
		"no line endings": {"no line endings"},
	} {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		assert.Equal(t, want, Tail(path, 3), "%q", content)
	}
	require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("0123456789\n", 100_000)), 0o600))
	assert.Equal(t, []string{"0123456789", "0123456789", "0123456789"}, Tail(path, 3))
}

func TestUptime(t *testing.T) {
	p, _ := launch(t, "sleep 1000")
	time.Sleep(1100 * time.Millisecond)
	assert.InDelta(t, 1.5, Uptime(p.PID).Seconds(), 1.5)
	assert.Greater(t, Uptime(os.Getpid()), Uptime(p.PID)-time.Second)
	assert.Zero(t, Uptime(1<<22))
}

func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !bytes.Contains(stat, []byte(") Z "))
}

// A server may start processes in new groups and sessions.
func TestStopEndsDescendantsThatLeftTheGroup(t *testing.T) {
	for name, script := range map[string]string{
		"ends when asked":  "setsid sleep 1000 & wait",
		"has to be killed": `setsid sh -c "trap '' TERM; while true; do sleep 1; done" & wait`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, _ := launch(t, script)
			stray := strayOf(t, p.PID)
			require.NoError(t, p.Stop())
			assert.Eventually(t, func() bool { return !alive(stray) }, time.Second, 10*time.Millisecond)
		})
	}
}

func TestStopTree(t *testing.T) {
	parent := exec.Command("sh", "-c", "sleep 1000 & sleep 1000 & wait")
	require.NoError(t, parent.Start())
	require.Eventually(t, func() bool { return len(descendants(parent.Process.Pid)) == 2 }, time.Minute, 10*time.Millisecond)
	children := descendants(parent.Process.Pid)
	require.NoError(t, StopTree(parent.Process.Pid))
	assert.Error(t, parent.Wait())
	for _, child := range children {
		assert.False(t, alive(int(child.Pid)))
	}
	require.NoError(t, StopTree(parent.Process.Pid), "stopping twice is harmless")
}
