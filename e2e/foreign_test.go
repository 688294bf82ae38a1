package e2e

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The servers that these tests measure are what Debian packages, without a line added to them. Where they are not
// installed, the tests are skipped, unless they are required to run.

// need returns the path of a program outside of this repository.
func need(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	switch {
	case err == nil:
		return path
	case os.Getenv("LEAKLAB_REQUIRE_SERVERS") != "":
		require.NoError(t, err)
	default:
		t.Skipf("%s is not installed", program)
	}
	return ""
}

// twelve are the settings of a run that can be judged: 12 iterations of 1 s.
func twelve(more ...string) []string {
	return append([]string{"TRIES=12", "DURATION=1s", "WORKERS=50", "SETTLE=200ms", "REQUEST_PATH=/"}, more...)
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
	path := filepath.Join(folder, "nginx.conf")
	require.NoError(t, os.WriteFile(path, []byte(conf), 0o600))
	return []string{need(t, "nginx"), "-p", folder, "-c", path}
}

func assertPortFree(t *testing.T, port string) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", "127.0.0.1:"+port, time.Second)
	if err == nil {
		_ = conn.Close()
	}
	assert.Error(t, err, "something still listens on %s", port)
}

func TestNginxIsNoLeakFromDebian(t *testing.T) {
	port := freePorts(t, 1)[0]
	command := nginxCommand(t, port, "daemon off;")

	t.Run("launched", func(t *testing.T) {
		r := start(t, twelve("PORT="+port), command...)
		assert.Equal(t, 0, r.exitCode(), "%s%s", &r.out, &r.err)
		assert.Contains(t, r.out.String(), "Verdict: no leak\n")
		assert.Contains(t, r.out.String(), "(now 3 processes; what they share is counted once)")
		for _, row := range r.rows(t) {
			assert.Equal(t, "3", row[columnProcesses], "the master and its two workers")
			assert.Zero(t, number(t, row, columnErrors))
		}
		assertNoServerLeft(t, r.serverPID(t))
		assertPortFree(t, port)
	})

	t.Run("attached", func(t *testing.T) {
		nginx := exec.Command(command[0], command[1:]...)
		require.NoError(t, nginx.Start())
		t.Cleanup(func() { _ = nginx.Process.Signal(syscall.SIGTERM); _ = nginx.Wait() })
		r := attach(t, twelve("PORT="+port))
		assert.Equal(t, 0, r.exitCode(), "%s%s", &r.out, &r.err)
		assert.Contains(t, r.out.String(), "Verdict: no leak\n")
		assert.Equal(t, nginx.Process.Pid, r.serverPID(t), "the master, though its workers listen too")
		for _, row := range r.rows(t) {
			assert.Equal(t, "3", row[columnProcesses])
		}
		require.NoError(t, syscall.Kill(nginx.Process.Pid, 0), "it was not started by the loader, and goes on")
	})
}

// attach runs the loader itself; without arguments it is for a server that runs already.
func attach(t *testing.T, settings []string, arguments ...string) *run {
	t.Helper()
	r := &run{Cmd: exec.Command("../.build/loader", arguments...), results: filepath.Join(t.TempDir(), "results"), metrics: freePorts(t, 1)[0]}
	r.Env = append(append(os.Environ(), "METRICS_PORT="+r.metrics, "RESULTS="+r.results, "RELEASE=0"), settings...)
	r.Stdout, r.Stderr = &r.out, &r.err
	require.NoError(t, r.Start())
	t.Cleanup(func() { _ = r.Process.Kill() })
	return r
}

func TestServerThatGoesIntoTheBackgroundFromDebian(t *testing.T) {
	port := freePorts(t, 1)[0]
	r := start(t, []string{"PORT=" + port}, nginxCommand(t, port, "daemon on;")...)
	assert.Equal(t, 125, r.exitCode())
	assert.Contains(t, r.err.String(), "the server ended by itself with exit code 0")
	assert.Regexp(t, `it has left process \d+ in the background, which is stopped now; start it in the foreground instead`, r.err.String())
	assertPortFree(t, port)
}

// Python answers a hundredth of the requests that others do, so that the floor of the readings decides what can be
// seen: 50 bytes a request here.
func TestThreadedPythonFromDebian(t *testing.T) {
	python := need(t, "/usr/bin/python3")
	for _, test := range []struct {
		kept string // bytes a request
		code int
	}{{"0", 0}, {"200", 1}} {
		t.Run("keeps "+test.kept+" bytes", func(t *testing.T) {
			settings := twelve("DURATION=2s", "WORKERS=8", "TOLERANCE=50", "KEEP="+test.kept)
			r := start(t, settings, python, "testdata/threaded.py")
			assert.Equal(t, test.code, r.exitCode(), "%s%s", &r.out, &r.err)
			rows := r.rows(t)
			require.Len(t, rows, 12)
			size := float64(len(test.kept)-1) * 100
			assert.Greater(t, leakedBytes(t, rows, 0), requestsIn(t, rows)*size)
			assertNoServerLeft(t, r.serverPID(t))
		})
	}
}

func TestHyperFromDebian(t *testing.T) {
	if _, err := os.Stat("/usr/share/cargo/registry"); err != nil && os.Getenv("LEAKLAB_REQUIRE_SERVERS") == "" {
		t.Skip("librust-hyper-dev is not installed")
	}
	cargo := need(t, "cargo")
	folder := filepath.Join(t.TempDir(), "hyper")
	require.NoError(t, os.CopyFS(folder, os.DirFS("testdata/hyper")))
	build := exec.Command(cargo, "build", "--offline", "--release", "--quiet")
	build.Dir = folder
	build.Env = append(os.Environ(), "CARGO_TARGET_DIR="+filepath.Join(folder, "target"))
	output, err := build.CombinedOutput()
	require.NoError(t, err, string(output))

	server := filepath.Join(folder, "target", "release", "hyper-server")
	clean := start(t, twelve(), server)
	assert.NotEqual(t, 1, clean.exitCode(), "%s%s", &clean.out, &clean.err)
	assert.Len(t, clean.rows(t), 12)

	leaking := start(t, twelve("KEEP=200"), server)
	assert.Equal(t, 1, leaking.exitCode(), "%s%s", &leaking.out, &leaking.err)
	assert.Contains(t, strings.Join(strings.Fields(leaking.out.String()), " "), "Nearly all of it is anonymous memory: heap or stacks")
	rows := leaking.rows(t)
	assert.InDelta(t, 208, leakedBytes(t, rows, 0)/requestsIn(t, rows), 25, "200 bytes and what malloc adds")
}

// The recipes of docs/servers.md, as they stand there but for the port, which may be in use.
func TestRecipesOfTheReadmeFromDebian(t *testing.T) {
	readme, err := os.ReadFile("../docs/servers.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(readme), "\n## Any other server\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	var recipes []string
	for _, block := range strings.Split(section, "\n\n") {
		if strings.HasPrefix(block, "    ") && strings.Contains(block, "./test-me.sh") {
			recipes = append(recipes, block)
		}
	}
	require.Len(t, recipes, 4)
	for _, recipe := range recipes {
		program := regexp.MustCompile(`./test-me.sh (\w+)`).FindStringSubmatch(recipe)[1]
		t.Run(program, func(t *testing.T) {
			need(t, map[string]string{"sh": "cargo"}[program]+strings.TrimPrefix(program, "sh"))
			ports := freePorts(t, 2)
			results := filepath.Join(t.TempDir(), "results")
			script := exec.Command("sh", "-ec", strings.ReplaceAll(recipe, "3030", ports[0]))
			script.Dir = ".."
			script.Env = append(os.Environ(), "PORT="+ports[0], "METRICS_PORT="+ports[1], "RESULTS="+results, "TRIES=2", "DURATION=300ms", "RELEASE=0")
			output, _ := script.CombinedOutput()
			assert.Equal(t, 125, script.ProcessState.ExitCode(), "%s\n%s", recipe, output)
			folders, err := filepath.Glob(filepath.Join(results, "*"))
			require.NoError(t, err)
			require.Len(t, folders, 1, string(output))
			rows := rowsIn(t, folders[0])
			require.Len(t, rows, 2, string(output))
			for _, row := range rows {
				assert.Positive(t, number(t, row, columnRequests))
				assert.Zero(t, number(t, row, columnErrors), string(output))
			}
			assertPortFree(t, ports[0])
		})
	}
}

// A shell that starts the server, and a server that starts and ends children, are measured with them.
func TestTreesAreMeasuredWhole(t *testing.T) {
	ports := freePorts(t, 1)
	script := "METRICS_PORT=" + ports[0] + " " + server + ` & while sleep 0.1; do :; done`
	r := start(t, []string{"TRIES=5", "DURATION=300ms", "LEAK=none"}, "sh", "-c", script)
	r.exitCode()
	assert.Contains(t, r.out.String(), "what they share is counted once")
	for _, row := range r.rows(t) {
		assert.Contains(t, []string{"2", "3"}, row[columnProcesses])
		assert.Greater(t, number(t, row, columnEnd), float64(8<<20), "the demo server's memory is there")
	}
	shell := r.serverPID(t)
	assertNoServerLeft(t, shell)
}

// Descriptors that are never closed are named, though they take no memory of the process.
func TestOpenFilesAreNamed(t *testing.T) {
	python := need(t, "python3")
	script := `
import http.server, os
kept = []
class Hello(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        kept.append(os.open("/dev/null", os.O_RDONLY))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Hello).serve_forever()
`
	r := start(t, []string{"TRIES=6", "REQUESTS=100", "WORKERS=2", "REQUEST_PATH=/"}, python, "-c", script)
	r.exitCode()
	text := strings.Join(strings.Fields(r.out.String()), " ")
	assert.Contains(t, text, "Open files and connections grow by 1,000 per 1,000 requests: they are not closed.", "%s", &r.err)

	// The recorded run is judged the same.
	tables, err := filepath.Glob(filepath.Join(r.results, "*", "iterations.csv"))
	require.NoError(t, err)
	require.Len(t, tables, 1)
	again := exec.Command("../.build/loader", "verdict", tables[0])
	var out bytes.Buffer
	again.Stdout = &out
	_ = again.Run()
	assert.Equal(t, r.ProcessState.ExitCode(), again.ProcessState.ExitCode())
	assert.Contains(t, strings.Join(strings.Fields(out.String()), " "), "Open files and connections grow by 1,000 per 1,000 requests")
}

func TestGivenBackIsReadAfterARest(t *testing.T) {
	r := start(t, []string{"TRIES=5", "REQUESTS=20000", "LEAK=heap", "RELEASE=1s"})
	begin := time.Now()
	r.exitCode()
	assert.GreaterOrEqual(t, time.Since(begin), time.Second)
	assert.Contains(t, r.out.String(), "1s of rest in the end")
	assert.Contains(t, strings.Join(strings.Fields(r.out.String()), " "), "in 1 s of rest")
}
