package live

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/memory"
)

// needNode returns the path of Node.js. Without it the test is skipped, unless the servers of tests are required.
func needNode(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("node")
	if err != nil {
		if os.Getenv("LEAKLAB_REQUIRE_SERVERS") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return path
}

// nodeServer is a script that runs in Node.js and prints a line when it serves.
type nodeServer struct {
	process
	line    string // that it printed
	command *exec.Cmd
}

// startNode runs a script with environment added, and stops it when the test ends.
func startNode(t *testing.T, environment []string, arguments ...string) *nodeServer {
	t.Helper()
	command := exec.Command(needNode(t), arguments...)
	command.Env = append(os.Environ(), environment...)
	command.Stderr = io.Discard
	output, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	t.Cleanup(func() { _ = command.Process.Kill(); _ = command.Wait() })
	line, err := bufio.NewReader(output).ReadString('\n')
	require.NoError(t, err)
	go func() { _, _ = io.Copy(io.Discard, output) }()
	return &nodeServer{process: nodeProcessOf(t, command.Process.Pid), line: strings.TrimSpace(line), command: command}
}

func nodeProcessOf(t *testing.T, pid int) process {
	t.Helper()
	p, err := look(pid)
	require.NoError(t, err)
	return p
}

// launched is the environment that a server is launched with.
func launched(t *testing.T) []string {
	t.Helper()
	environment, err := launchNode(nil, Options{})
	require.NoError(t, err)
	return environment
}

func openedNode(t *testing.T, p process) *nodeProcess {
	t.Helper()
	require.True(t, runsNode(p))
	o, err := openNode(t.Context(), p)
	require.NoError(t, err)
	t.Cleanup(func() { _ = o.close(context.Background()) })
	return o
}

func nodeLive(t *testing.T, o *nodeProcess) memory.Live {
	t.Helper()
	live, err := o.live(t.Context())
	require.NoError(t, err)
	assert.GreaterOrEqual(t, live.Heap, live.Bytes)
	return live
}

// ask sends a request to a nodeServer of node_holds.js.
func (s *nodeServer) ask(t *testing.T, query string) {
	t.Helper()
	response, err := http.Get("http://127.0.0.1:" + s.line + "/?" + query)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
}

func TestNodeTellsWhatItKeeps(t *testing.T) {
	for name, environment := range map[string][]string{"launched": launched(t), "attached": nil} {
		t.Run(name, func(t *testing.T) {
			s := startNode(t, environment, "testdata/node_holds.js")
			o := openedNode(t, s.process)
			for _, query := range []string{"keep=1000", "buffers=10", "drop"} { // loads and compiles what it needs
				s.ask(t, query)
				nodeLive(t, o)
			}
			empty := nodeLive(t, o)
			assert.InDelta(t, empty.Bytes, nodeLive(t, o).Bytes, 16<<10, "without a request between")
			assert.Equal(t, 1, empty.Processes)
			assert.Positive(t, empty.Stopped)
			assert.GreaterOrEqual(t, empty.Committed, empty.Heap)

			s.ask(t, "keep=20000")
			objects := nodeLive(t, o)
			assert.InDelta(t, 80*20000, objects.Bytes-empty.Bytes, 20*20000, "an object, a string and a place in the array")

			s.ask(t, "buffers=1000")
			buffers := nodeLive(t, o)
			assert.InDelta(t, 1000*(32<<10), buffers.Bytes-objects.Bytes, 1<<20, "counted once")
			assert.InDelta(t, buffers.Bytes-objects.Bytes, buffers.Heap-objects.Heap, 4<<20, "kept Buffers are not outside the heap")

			s.ask(t, "drop")
			dropped := nodeLive(t, o)
			assert.InDelta(t, empty.Bytes, dropped.Bytes, 256<<10, "all was dropped")
		})
	}
}

func TestNodeRunsFinalizersBeforeItTells(t *testing.T) {
	s := startNode(t, launched(t), "testdata/node_holds.js")
	o := openedNode(t, s.process)
	s.ask(t, "finalize=10")
	nodeLive(t, o)
	empty := nodeLive(t, o)
	s.ask(t, "finalize=100")
	assert.Eventually(t, func() bool { return nodeLive(t, o).Bytes < empty.Bytes+1<<20 }, 20*time.Second, 100*time.Millisecond,
		"a finalizer drops 3.2 MB of Buffers")
}

func TestNodeConsoleIsNotKept(t *testing.T) {
	s := startNode(t, launched(t), "testdata/node_holds.js")
	o := openedNode(t, s.process)
	s.ask(t, "log=10")
	nodeLive(t, o)
	empty := nodeLive(t, o)
	s.ask(t, "log=500")
	assert.Eventually(t, func() bool { return nodeLive(t, o).Bytes < empty.Bytes+1<<20 }, 20*time.Second, 100*time.Millisecond,
		"the objects logged hold 5 MB until they are written")
}

func TestNodeInspectorIsClosedAgain(t *testing.T) {
	for name, environment := range map[string][]string{"launched": launched(t), "attached": nil} {
		t.Run(name, func(t *testing.T) {
			s := startNode(t, environment, "testdata/node_holds.js")
			own, err := listenersOf(s.PID)
			require.NoError(t, err)
			for range 2 { // it can be opened once more
				o := openedNode(t, s.process)
				at := o.at
				assert.Contains(t, o.said(), at.String())
				nodeLive(t, o)
				require.NoError(t, o.close(t.Context()))
				_, err = net.Dial("tcp", at.String())
				require.Error(t, err)
				s.ask(t, "") // it goes on
			}
			now, err := listenersOf(s.PID)
			require.NoError(t, err)
			assert.Subset(t, own, now)
		})
	}
}

// Whenever a run is interrupted while it opens a server, no inspector stays open.
func TestNodeInspectorOfARunThatIsInterrupted(t *testing.T) {
	s := startNode(t, nil, "testdata/node_holds.js")
	own, err := listenersOf(s.PID)
	require.NoError(t, err)
	began := time.Now()
	o := openedNode(t, s.process)
	whole := time.Since(began)
	require.NoError(t, o.close(t.Context()))
	const moments = 10
	for n := range moments {
		ctx, cancel := context.WithTimeout(t.Context(), whole*time.Duration(n+1)/moments)
		tree, err := open(ctx, func() ([]int, error) { return []int{s.PID}, nil }, Options{Kind: Node}, []runtime{node()})
		cancel()
		if err == nil {
			require.NoError(t, tree.Close(t.Context()))
		}
		s.ask(t, "")
		now, err := listenersOf(s.PID)
		require.NoError(t, err)
		assert.Subset(t, own, now)
	}
}

func TestNodeInspectorOfTheUserStaysOpen(t *testing.T) {
	port := freePort(t)
	s := startNode(t, nil, "--inspect="+port, "testdata/node_holds.js")
	o := openedNode(t, s.process)
	assert.Equal(t, "127.0.0.1:"+port, o.at.String())
	nodeLive(t, o)
	require.NoError(t, o.close(t.Context()))
	nodeLive(t, o)
}

func TestNodePortOfTheInspectorIsTaken(t *testing.T) {
	t.Parallel() // it mostly waits
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = taken.Close() })
	_, port, err := net.SplitHostPort(taken.Addr().String())
	require.NoError(t, err)
	s := startNode(t, []string{"NODE_OPTIONS=--inspect-port=" + port}, "testdata/node_holds.js")
	_, err = openNode(t.Context(), s.process)
	require.ErrorContains(t, err, "no inspector at 127.0.0.1:"+port)
	require.ErrorContains(t, err, "does another program listen there")
	assert.False(t, isNotYet(err), "SIGUSR1 is sent once")
	s.ask(t, "")

	require.NoError(t, taken.Close())
	nodeLive(t, openedNode(t, s.process))
}

func TestNodeWithoutGetBuiltinModule(t *testing.T) {
	for _, script := range []string{"testdata/node_before_20_16.mjs", "testdata/node_before_20_16.js"} {
		s := startNode(t, launched(t), script)
		o := openedNode(t, s.process)
		first := nodeLive(t, o)
		assert.True(t, o.commandLine)
		for range 5 {
			nodeLive(t, o)
		}
		assert.InDelta(t, first.Bytes, nodeLive(t, o).Bytes, 24<<10, "it does not keep what is evaluated")
		require.NoError(t, o.close(t.Context()))
	}
}

func TestNodeWorkerThreads(t *testing.T) {
	s := startNode(t, launched(t), "testdata/node_workers.mjs")
	o := openedNode(t, s.process)
	for _, query := range []string{"worker=0&keep=100", "worker=1&keep=100", "worker=1&buffers=2"} {
		s.ask(t, query)
	}
	nodeLive(t, o)
	empty := nodeLive(t, o)
	s.ask(t, "worker=0&keep=20000")
	objects := nodeLive(t, o)
	assert.InDelta(t, 80*20000, objects.Bytes-empty.Bytes, 24*20000)
	s.ask(t, "worker=1&buffers=200")
	buffers := nodeLive(t, o)
	assert.InDelta(t, 200*(32<<10), buffers.Bytes-objects.Bytes, 1<<19)
	s.ask(t, "worker=1&end")
	ended := nodeLive(t, o)
	assert.Greater(t, buffers.Bytes-ended.Bytes, int64(200*(32<<10)), "its heap and its Buffers are gone")
	require.NoError(t, o.close(t.Context()))
}

func TestNodeClusterHasAHeapForEachWorker(t *testing.T) {
	for name, environment := range map[string][]string{"launched": launched(t), "attached": nil} {
		t.Run(name, func(t *testing.T) {
			s := startNode(t, environment, "testdata/node_cluster.js")
			words := strings.Fields(s.line)
			require.Len(t, words, 3)
			url := "http://127.0.0.1:" + words[0] + "/?"
			for _, pid := range append([]string{fmt.Sprint(s.PID)}, words[1:]...) {
				number, err := strconv.Atoi(pid)
				require.NoError(t, err)
				nodeLive(t, openedNode(t, nodeProcessOf(t, number)))
			}
			answered := getText(t, url+"end")
			first, err := strconv.Atoi(answered)
			require.NoError(t, err)
			require.Eventually(t, func() bool { return hasEnded(first) }, 10*time.Second, 10*time.Millisecond)

			replaced := 0
			require.Eventually(t, func() bool {
				replaced, err = strconv.Atoi(getText(t, url))
				return err == nil && replaced != first && !slices.Contains(words[1:], fmt.Sprint(replaced))
			}, 20*time.Second, 50*time.Millisecond, "another worker is forked")
			nodeLive(t, openedNode(t, nodeProcessOf(t, replaced)))
		})
	}
}

func TestNodeThatEndsDoesNotWaitForUs(t *testing.T) {
	s := startNode(t, launched(t), "testdata/node_holds.js")
	o := openedNode(t, s.process)
	nodeLive(t, o)
	go func() { _, _ = http.Get("http://127.0.0.1:" + s.line + "/?exit") }()
	require.NoError(t, s.command.Wait())
	_, err := o.live(t.Context())
	require.ErrorIs(t, err, memory.ErrGone)
	require.NoError(t, o.close(t.Context()))
}

// A program that has no handler of Node's is ended by SIGUSR1, so that none must be sent.
func TestNodeSignalIsNotSentToOthers(t *testing.T) {
	t.Parallel() // it mostly waits
	t.Run("another program", func(t *testing.T) {
		p := nodeProcessOf(t, child(t))
		assert.False(t, runsNode(p))
		_, err := openNode(t.Context(), p)
		require.ErrorContains(t, err, "SIGUSR1 was not sent: its program has no Node.js in it")
		assert.False(t, hasEnded(p.PID))
	})
	t.Run("no handler", func(t *testing.T) {
		// Node resets the handler for a program that has listened to the signal and does so no more.
		s := startNode(t, nil, "-e", "const f = () => {}; process.on('SIGUSR1', f); process.off('SIGUSR1', f); setInterval(f, 1e6); console.log('ready')")
		require.False(t, s.handles(int(syscall.SIGUSR1)))
		_, err := openNode(t.Context(), s.process)
		require.ErrorContains(t, err, "SIGUSR1 was not sent: Node.js does not handle it")
		assert.True(t, isNotYet(err), "it may have just started")
		assert.False(t, hasEnded(s.PID))
	})
}

func TestNodeInAnotherNetworkNamespace(t *testing.T) {
	unshare, err := exec.LookPath("unshare")
	if err != nil || os.Geteuid() != 0 {
		t.Skip("needs root and unshare")
	}
	command := exec.Command(unshare, "--net", "sh", "-c", "ip link set lo up && exec "+needNode(t)+" testdata/node_holds.js")
	output, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	t.Cleanup(func() { _ = command.Process.Kill(); _ = command.Wait() })
	if _, err := bufio.NewReader(output).ReadString('\n'); err != nil {
		t.Skip("a network namespace cannot be made here")
	}
	p := nodeProcessOf(t, command.Process.Pid)
	o := openedNode(t, p)
	nodeLive(t, o)
	require.NoError(t, o.close(t.Context()))
	own, err := os.Readlink("/proc/self/ns/net")
	require.NoError(t, err)
	threads, err := filepath.Glob("/proc/self/task/*/ns/net")
	require.NoError(t, err)
	for _, thread := range threads {
		if namespace, err := os.Readlink(thread); err == nil {
			assert.Equal(t, own, namespace, "no thread stays in the other namespace")
		}
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	return port
}

func getText(t *testing.T, url string) string {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get(url)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return string(text)
}
