package lab

import (
	"bytes"
	"encoding/xml"
	"errors"
	"image/png"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Buffer can be read while a process writes to it.
type Buffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

// Run is one run of the lab as a process.
type Run struct {
	*exec.Cmd
	Results string // the folder of RESULTS
	Metrics string // the loader's METRICS_PORT
	Out     Buffer
	Err     Buffer
}

// Demo is a command that starts the demo server with another METRICS_PORT.
func Demo(t testing.TB) []string {
	t.Helper()
	return []string{"env", "METRICS_PORT=" + FreePorts(t, 1)[0], Server}
}

// Start runs the loader with the given settings on the server that command starts, or on the demo server.
func Start(t testing.TB, settings []string, command ...string) *Run {
	t.Helper()
	if command == nil {
		command = Demo(t)
	}
	return StartProgram(t, settings, append([]string{Loader, "--"}, command...)...)
}

// StartLive is Start with the demo server, whose live memory is read: a few requests tell what it keeps from garbage.
func StartLive(t testing.TB, settings ...string) *Run {
	t.Helper()
	port := FreePorts(t, 1)[0]
	return Start(t, append([]string{PprofAt(port)}, settings...), "env", "METRICS_PORT="+port, Server)
}

// PprofAt is the setting that has live memory of a Go server read, which shows its profiles at a port.
func PprofAt(port string) string { return "PPROF_URL=http://127.0.0.1:" + port + "/debug/pprof/" }

// StartScript is Start by way of Script, for tests that are Quiet.
func StartScript(t testing.TB, settings []string, command ...string) *Run {
	t.Helper()
	if command == nil {
		command = Demo(t)
	}
	return StartProgram(t, settings, append([]string{Script}, command...)...)
}

// StartProgram starts a program that is, or becomes, the loader, with settings for a short run on free ports.
func StartProgram(t testing.TB, settings []string, words ...string) *Run {
	t.Helper()
	ports := FreePorts(t, 2)
	r := &Run{Cmd: exec.Command(words[0], words[1:]...), Results: filepath.Join(t.TempDir(), "results"), Metrics: ports[1]}
	r.Env = append(os.Environ(), "HOST=127.0.0.1", "PORT="+ports[0], "METRICS_PORT="+ports[1], "RESULTS="+r.Results, "SETTLE=50ms", "RELEASE=0", "WORKERS=10")
	r.Env = append(r.Env, settings...)
	r.Stdout, r.Stderr = &r.Out, &r.Err
	r.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, r.Cmd.Start())
	t.Cleanup(func() { _ = r.Process.Kill() }) // the lab's guard stops the server
	return r
}

// Attach runs the loader itself; without arguments it is for a server that runs already.
func Attach(t testing.TB, settings []string, arguments ...string) *Run {
	t.Helper()
	if arguments == nil {
		arguments = []string{"attach"}
	}
	r := &Run{Cmd: exec.Command(Loader, arguments...), Results: filepath.Join(t.TempDir(), "results"), Metrics: FreePorts(t, 1)[0]}
	r.Env = append(append(os.Environ(), "METRICS_PORT="+r.Metrics, "RESULTS="+r.Results, "RELEASE=0"), settings...)
	r.Stdout, r.Stderr = &r.Out, &r.Err
	require.NoError(t, r.Cmd.Start())
	t.Cleanup(func() { _ = r.Process.Kill() })
	return r
}

// StartDemo starts the demo server, which does not leak, without a loader.
func StartDemo(t testing.TB, port, metricsPort string) *exec.Cmd {
	t.Helper()
	demo := exec.Command(Server)
	demo.Env = append(os.Environ(), "PORT="+port, "METRICS_PORT="+metricsPort, "LEAK=none")
	require.NoError(t, demo.Start())
	t.Cleanup(func() { _ = demo.Process.Kill(); _ = demo.Wait() })
	return demo
}

// ExitCode waits for the end of the run.
func (r *Run) ExitCode() int {
	_ = r.Wait()
	return r.ProcessState.ExitCode()
}

// AwaitOutput waits until the run has printed text.
func (r *Run) AwaitOutput(t testing.TB, text string) {
	t.Helper()
	r.await(t, text, func() bool { return strings.Contains(r.Out.String(), text) })
}

// AwaitVerdict waits until the run has printed its verdict.
func (r *Run) AwaitVerdict(t testing.TB) {
	t.Helper()
	r.await(t, "a verdict", func() bool { return len(Verdicts(r.Out.String())) > 0 })
}

func (r *Run) await(t testing.TB, what string, printed func() bool) {
	t.Helper()
	require.Eventually(t, printed, 5*time.Minute, 10*time.Millisecond, "%q in the output:\n%s%s", what, &r.Out, &r.Err)
}

// ServerPID is the process of the server, from the settings block.
func (r *Run) ServerPID(t testing.TB) int {
	t.Helper()
	match := regexp.MustCompile(`Server: +process (\d+)`).FindStringSubmatch(r.Out.String())
	require.NotNil(t, match, r.Out.String())
	pid, err := strconv.Atoi(match[1])
	require.NoError(t, err)
	return pid
}

// AssertNoServerLeft waits until no process of the group is left.
func AssertNoServerLeft(t testing.TB, pid int) {
	t.Helper()
	assert.Eventually(t, func() bool { return syscall.Kill(-pid, 0) != nil }, time.Minute, 10*time.Millisecond, "process %d", pid)
}

// Folder is the one that the run has written to.
func (r *Run) Folder(t testing.TB) string {
	t.Helper()
	return Newest(t, r.Results, 1)
}

// Newest is the folder of the newest run in results, which must have been made by that many runs.
func Newest(t testing.TB, results string, runs int) string {
	t.Helper()
	folders, err := filepath.Glob(filepath.Join(results, "*"))
	require.NoError(t, err)
	require.Len(t, folders, runs)
	return folders[runs-1]
}

// Content is a file of the run's folder.
func (r *Run) Content(t testing.TB, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(r.Folder(t), name))
	require.NoError(t, err)
	return string(content)
}

// AssertPictures checks that memory.svg and memory.png can be read from the first byte to the last.
func (r *Run) AssertPictures(t testing.TB) {
	t.Helper()
	vector := xml.NewDecoder(strings.NewReader(r.Content(t, "memory.svg")))
	for {
		_, err := vector.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
	}
	_, err := png.Decode(strings.NewReader(r.Content(t, "memory.png")))
	assert.NoError(t, err)
}

// Exported returns the value of a series that the loader exports now, and whether there is one.
func (r *Run) Exported(t testing.TB, series string) (float64, bool) {
	t.Helper()
	resp, err := http.Get("http://127.0.0.1:" + r.Metrics + "/metrics")
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	_, after, found := strings.Cut("\n"+string(body), "\n"+series+" ")
	if !found {
		return 0, false
	}
	text, _, _ := strings.Cut(after, "\n")
	value, err := strconv.ParseFloat(text, 64)
	require.NoError(t, err)
	return value, true
}
