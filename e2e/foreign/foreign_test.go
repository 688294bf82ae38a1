package foreign

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/e2e/internal/lab"
)

// The servers that these tests measure are what Debian packages, without a line added to them. Where they are not
// installed, the tests are skipped, unless they are required to run.

// judged are the settings of a run that can be judged: iterations of that many requests, with a tolerance in bytes per
// request that these can show. Of the long tests it is 12 iterations of 1 s, with the default tolerance.
func judged(requests, tolerance int, more ...string) (settings []string, iterations int) {
	if lab.Long() {
		return append([]string{"TRIES=12", "DURATION=1s", "WORKERS=50", "SETTLE=200ms", "REQUEST_PATH=/"}, more...), 12
	}
	return append([]string{"TRIES=7", fmt.Sprint("REQUESTS=", requests), fmt.Sprint("TOLERANCE=", tolerance), "WORKERS=20", "SETTLE=100ms", "REQUEST_PATH=/"}, more...), 7
}

// nginxConf makes a folder for an nginx with two workers on port, and returns its command line.
func nginxCommand(t *testing.T, port string, directives string) []string {
	t.Helper()
	folder := t.TempDir()
	require.NoError(t, os.Chmod(folder, 0o755))
	conf := fmt.Sprintf(`%s
worker_processes 2;
pid %s/pid;
error_log stderr;
events { worker_connections 1024; }
http {
	access_log off;
	client_body_temp_path %[2]s/body;
	proxy_temp_path %[2]s/proxy;
	fastcgi_temp_path %[2]s/fastcgi;
	uwsgi_temp_path %[2]s/uwsgi;
	scgi_temp_path %[2]s/scgi;
	keepalive_requests 100000000;
	server {
		listen 127.0.0.1:%s;
		location / { return 200 "Hello, warp!"; }
	}
}
`, directives, folder, port)
	return []string{lab.Need(t, "nginx"), "-p", folder, "-c", written(t, folder, "nginx.conf", conf)}
}

func TestNginxIsNoLeakFromDebian(t *testing.T) {
	lab.Quiet(t)
	port := lab.FreePorts(t, 1)[0]
	command := nginxCommand(t, port, "daemon off;")
	settings, _ := judged(5000, 64, "PORT="+port)

	t.Run("launched", func(t *testing.T) {
		r := lab.Start(t, settings, command...)
		assert.Equal(t, 0, r.ExitCode(), "%s%s", &r.Out, &r.Err)
		lab.AssertVerdict(t, "no leak", r.Out.String())
		assert.Contains(t, r.Out.String(), "(now 3 processes; what they share is counted once)")
		for _, row := range r.Rows(t) {
			assert.Equal(t, "3", row[lab.ColumnProcesses], "the master and its two workers")
			assert.Zero(t, lab.Number(t, row, lab.ColumnErrors))
		}
		lab.AssertNoServerLeft(t, r.ServerPID(t))
		lab.AssertPortFree(t, port)
	})

	t.Run("attached", func(t *testing.T) {
		nginx := exec.Command(command[0], command[1:]...)
		require.NoError(t, nginx.Start())
		t.Cleanup(func() { _ = nginx.Process.Signal(syscall.SIGTERM); _ = nginx.Wait() })
		r := lab.Attach(t, settings)
		assert.Equal(t, 0, r.ExitCode(), "%s%s", &r.Out, &r.Err)
		lab.AssertVerdict(t, "no leak", r.Out.String())
		assert.Equal(t, nginx.Process.Pid, r.ServerPID(t), "the master, though its workers listen too")
		for _, row := range r.Rows(t) {
			assert.Equal(t, "3", row[lab.ColumnProcesses])
		}
		require.NoError(t, syscall.Kill(nginx.Process.Pid, 0), "it was not started by the loader, and goes on")
	})
}

func TestServerThatGoesIntoTheBackgroundFromDebian(t *testing.T) {
	t.Parallel()
	port := lab.FreePorts(t, 1)[0]
	r := lab.Start(t, []string{"PORT=" + port}, nginxCommand(t, port, "daemon on;")...)
	assert.Equal(t, 125, r.ExitCode())
	assert.Contains(t, r.Err.String(), "the server ended by itself with exit code 0")
	assert.Regexp(t, `it has left process \d+ in the background, which is stopped now; start it in the foreground instead`, r.Err.String())
	lab.AssertPortFree(t, port)
}

// Python answers a hundredth of the requests that others do, so that the floor of the readings decides what can be
// seen: 50 bytes a request in the long run.
func TestThreadedPythonFromDebian(t *testing.T) {
	lab.Quiet(t)
	python := lab.Need(t, "/usr/bin/python3")
	keeps := 4096
	if lab.Long() {
		keeps = 200
	}
	for _, test := range []struct{ keeps, code int }{{0, 0}, {keeps, 1}} {
		t.Run(fmt.Sprintf("keeps %d bytes", test.keeps), func(t *testing.T) {
			settings, iterations := judged(400, 1024, "WORKERS=8", fmt.Sprint("KEEP=", test.keeps))
			if lab.Long() {
				settings = append(settings, "DURATION=2s", "TOLERANCE=50")
			}
			r := lab.Start(t, settings, python, "../testdata/threaded.py")
			assert.Equal(t, test.code, r.ExitCode(), "%s%s", &r.Out, &r.Err)
			rows := r.Rows(t)
			require.Len(t, rows, iterations)
			assert.Greater(t, lab.LeakedBytes(t, rows, 0), lab.Sum(t, rows, lab.ColumnRequests)*float64(test.keeps))
			lab.AssertNoServerLeft(t, r.ServerPID(t))
		})
	}
}

func TestHyperFromDebian(t *testing.T) {
	lab.OnlyLong(t)
	lab.Quiet(t)
	cargo := lab.NeedCrates(t)
	folder := filepath.Join(t.TempDir(), "hyper")
	require.NoError(t, os.CopyFS(folder, os.DirFS("../testdata/hyper")))
	build := exec.Command(cargo, "build", "--offline", "--release", "--quiet")
	build.Dir = folder
	build.Env = append(os.Environ(), "CARGO_TARGET_DIR="+filepath.Join(folder, "target"))
	output, err := build.CombinedOutput()
	require.NoError(t, err, string(output))

	server := filepath.Join(folder, "target", "release", "hyper-server")
	settings, iterations := judged(0, 0)
	clean := lab.Start(t, settings, server)
	assert.NotEqual(t, 1, clean.ExitCode(), "%s%s", &clean.Out, &clean.Err)
	assert.Len(t, clean.Rows(t), iterations)

	leaking := lab.Start(t, append(settings, "KEEP=200"), server)
	assert.Equal(t, 1, leaking.ExitCode(), "%s%s", &leaking.Out, &leaking.Err)
	// With gdb malloc says what is kept, and without it the kernel.
	assert.Regexp(t, "live memory grows by more than the tolerance|Nearly all of it is anonymous memory: heap or stacks", lab.Words(leaking.Out.String()))
	rows := leaking.Rows(t)
	assert.InDelta(t, 208, lab.LeakedBytes(t, rows, 0)/lab.Sum(t, rows, lab.ColumnRequests), 25, "200 bytes and what malloc adds")
}

func TestNginxWithEveryShapeFromDebian(t *testing.T) {
	t.Parallel()
	port, shapes := lab.FreePorts(t, 1)[0], lab.Shapes(t)
	r := lab.Start(t, []string{"PORT=" + port, "TRIES=1", "REQUESTS=200", "REQUEST_PATH=/", "SHAPE=" + strings.Join(shapes, ",")},
		nginxCommand(t, port, "daemon off;")...)
	assert.Equal(t, 125, r.ExitCode())
	folders, err := filepath.Glob(filepath.Join(r.Results, "*"))
	require.NoError(t, err)
	require.Len(t, folders, len(shapes), "%s", &r.Err)
	for _, folder := range folders {
		rows := lab.RowsIn(t, folder)
		require.Len(t, rows, 1)
		assert.Zero(t, lab.Number(t, rows[0], lab.ColumnErrors), folder)
		assert.GreaterOrEqual(t, lab.Number(t, rows[0], lab.ColumnRequests), 200.0)
	}
	log, err := os.ReadFile(filepath.Join(folders[0], "server.log"))
	require.NoError(t, err)
	assert.NotContains(t, string(log), "[emerg]")
}
