package process

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/e2e/internal/lab"
)

func TestRunningServerIsMeasuredByPIDOrItsMetrics(t *testing.T) {
	t.Parallel()
	ports := lab.FreePorts(t, 4)
	demo := lab.StartDemo(t, ports[0], ports[1])
	pid := "SERVER_PID=" + strconv.Itoa(demo.Process.Pid)
	url := "METRICS_URL=http://127.0.0.1:" + ports[1] + "/metrics"

	for name, test := range map[string]struct {
		settings []string
		code     int
		out, err string
	}{
		"process":               {[]string{pid}, 125, "summed over the server's process tree", ""},
		"process first":         {[]string{pid, url}, 125, fmt.Sprintf("Server:  process %d, running for ", demo.Process.Pid), ""},
		"process not visible":   {[]string{url, "SERVER_PID=4194304"}, 125, "Memory:  process_resident_memory_bytes of", ""},
		"no such process":       {[]string{"SERVER_PID=4194304"}, 125, "", `SERVER_PID="4194304": expected the process of the server`},
		"who listens":           {nil, 125, fmt.Sprintf("Server:  process %d, running for ", demo.Process.Pid), ""},
		"no process listens":    {[]string{"PORT=" + ports[3]}, 125, "", "loader: waiting for a server that listens on 127.0.0.1:" + ports[3] + "\n"},
		"not in time":           {[]string{"PORT=" + ports[3]}, 125, "", "the server is not ready after 300ms: no process listens there\n"},
		"elsewhere":             {[]string{"HOST=192.0.2.1", "ALLOW_REMOTE=true"}, 2, "", `HOST="192.0.2.1": expected an address of this machine, whose memory can be read; or a METRICS_URL`},
		"this machine, metrics": {[]string{url}, 125, fmt.Sprintf("Server:  process %d, running for ", demo.Process.Pid), ""},
		"other demo":            {[]string{pid, url, "LEAK=heap"}, 2, "", `LEAK="heap": the server is running with LEAK=none`},
	} {
		t.Run(name, func(t *testing.T) {
			loader := exec.Command(lab.Loader, "attach")
			loader.Env = append(os.Environ(), "PORT="+ports[0], "METRICS_PORT="+ports[2], "RESULTS="+t.TempDir(), "TRIES=1", "REQUESTS=100", "SETTLE=0s", "RELEASE=0", "START_TIMEOUT=300ms")
			loader.Env = append(loader.Env, test.settings...)
			var stdout, stderr bytes.Buffer
			loader.Stdout, loader.Stderr = &stdout, &stderr
			_ = loader.Run()
			assert.Equal(t, test.code, loader.ProcessState.ExitCode(), stderr.String())
			assert.Contains(t, stdout.String(), test.out)
			assert.Contains(t, stderr.String(), test.err)
		})
	}
	require.NoError(t, demo.Process.Signal(syscall.SIGTERM), "the loader does not stop what it did not start")
	require.NoError(t, demo.Wait(), "SIGTERM drains, and the exit code is 0")
}

// A shell that starts the server, and a server that starts and ends children, are measured with them.
func TestTreesAreMeasuredWhole(t *testing.T) {
	t.Parallel()
	ports := lab.FreePorts(t, 1)
	script := "METRICS_PORT=" + ports[0] + " " + lab.Server + ` & while sleep 0.1; do :; done`
	r := lab.Start(t, []string{"TRIES=5", "DURATION=300ms", "LEAK=none"}, "sh", "-c", script)
	r.ExitCode()
	assert.Contains(t, r.Out.String(), "what they share is counted once")
	for _, row := range r.Rows(t) {
		assert.Contains(t, []string{"2", "3"}, row[lab.ColumnProcesses])
		assert.Greater(t, lab.Number(t, row, lab.ColumnEnd), float64(4<<20), "the demo server's memory is there: a shell has less, and of pages that other demo servers share a part counts")
	}
	shell := r.ServerPID(t)
	lab.AssertNoServerLeft(t, shell)
}
