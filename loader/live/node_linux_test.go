package live

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
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
	exe, err := os.Readlink(nodeProc(pid, "exe"))
	require.NoError(t, err)
	return process{PID: pid, Inside: pid, Root: nodeProc(pid, "root"), Exe: exe}
}

// launched is the environment that a server is launched with.
func launched(t *testing.T) []string {
	t.Helper()
	environment, err := launchNode(nil, Options{})
	require.NoError(t, err)
	return environment
}

func openedNode(t *testing.T, p process) opened {
	t.Helper()
	require.True(t, runsNode(p))
	o, err := openNode(t.Context(), p, Options{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = o.close(context.Background()) })
	return o
}

func nodeLive(t *testing.T, o opened) memory.Live {
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

func TestNodeExperiment(t *testing.T) {
	for _, env := range [][]string{launched(t), nil} {
		s := startNode(t, env, "testdata/node_holds.js")
		time.Sleep(100 * time.Millisecond)
		start := time.Now()
		o := openedNode(t, s.process)
		fmt.Println(o.said(), time.Since(start))
		last := int64(0)
		for range 8 {
			l := nodeLive(t, o)
			fmt.Printf("%+v %d\n", l, l.Bytes-last)
			last = l.Bytes
		}
		for _, q := range []string{"keep=10000", "buffers=1000", "log=2000", "finalize", "drop", "", "buffers=1000", "drop"} {
			s.ask(t, q)
			l := nodeLive(t, o)
			fmt.Printf("%s %+v %d\n", q, l, l.Bytes-last)
			last = l.Bytes
		}
		start = time.Now()
		require.NoError(t, o.close(t.Context()))
		fmt.Println("closed", time.Since(start))
		s.ask(t, "")
		require.NoError(t, s.command.Process.Signal(syscall.SIGTERM))
	}
}
