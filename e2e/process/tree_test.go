package process

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/e2e/internal/lab"
)

// keeping are the settings of a run that shows within a second that the faulty server keeps 64 KiB of each request.
func keeping(more ...string) []string {
	return append([]string{"TRIES=12", "REQUESTS=200", "WORKERS=1", "GOGC=off", "KEEP=65536"}, more...)
}

// A wrapper that puts the server into the background, and then sleeps, is not what is judged.
func TestServerThatPutsItselfIntoTheBackground(t *testing.T) {
	lab.Quiet(t)
	port := lab.FreePorts(t, 1)[0]
	r := lab.Start(t, keeping("PORT="+port), "sh", "-c", "(setsid "+lab.Faulty+" >/dev/null 2>&1 &); exec sleep 1000")
	assert.Equal(t, 1, r.ExitCode(), "%s%s", &r.Out, &r.Err)
	for _, row := range r.Rows(t) {
		assert.Equal(t, "2", row[lab.ColumnProcesses], "the sleep and the server")
	}
	lab.AssertPortFree(t, port)
}

func TestCommandsThatStartTheServerElsewhereAreRefused(t *testing.T) {
	t.Parallel()
	for _, command := range [][]string{{"docker", "run", "nginx"}, {"env", "A=1", "podman", "run", "nginx"}} {
		r := lab.Start(t, nil, command...)
		assert.Equal(t, 2, r.ExitCode(), command)
		assert.Contains(t, r.Err.String(), "expected a server that is started in the foreground", command)
		assert.NoDirExists(t, r.Results)
	}
}

func TestAnotherProcessThanTheServersIsNamed(t *testing.T) {
	t.Parallel()
	ports := lab.FreePorts(t, 2)
	lab.StartDemo(t, ports[0], ports[1])
	other := exec.Command("sleep", "1000")
	require.NoError(t, other.Start())
	t.Cleanup(func() { _ = other.Process.Kill(); _ = other.Wait() })
	r := lab.Attach(t, []string{"PORT=" + ports[0], "SERVER_PID=" + strconv.Itoa(other.Process.Pid), "TRIES=5", "REQUESTS=2000", "SETTLE=50ms"})
	assert.Equal(t, 125, r.ExitCode(), "%s", &r.Out)
	assert.Regexp(t, `^loader: iteration 1 of 5: the measured processes used \S+ of processor time while 2000 requests were answered, so another process answers them; name it in SERVER_PID\n`, r.Err.String())
}

// Restarts are seen though memory does not fall: the server keeps nothing, or starts anew in the same process.
func TestRestartsAreSeen(t *testing.T) {
	for name, test := range map[string]struct{ fault, command string }{
		"by a supervisor":              {"crash", "while :; do " + lab.Faulty + "; done"},
		"in the same process":          {"reexec", "exec " + lab.Faulty},
		"without randomised addresses": {"reexec", "exec setarch -R " + lab.Faulty},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if strings.Contains(test.command, "setarch") && exec.Command("setarch", "-R", "true").Run() != nil {
				t.Skip("setarch -R does not work here")
			}
			once := filepath.Join(t.TempDir(), "once")
			r := lab.Start(t, []string{"TRIES=12", "REQUESTS=200", "WORKERS=1", "FAULT=" + test.fault, "FAULT_AFTER=1100", "FAULT_ONCE=" + once}, "sh", "-c", test.command)
			r.ExitCode()
			assert.Empty(t, r.Err.String())
			assert.Contains(t, r.Content(t, "server.log"), "fault: "+test.fault)
			assert.Regexp(t, `The server restarted before iteration 7: only what came after is judged\.`, lab.Words(r.Out.String()))
		})
	}
}

func TestReplacedWorkersAreCounted(t *testing.T) {
	t.Parallel()
	r := lab.Start(t, keeping("MASTER=yes", "FAULT=crash", "FAULT_AFTER=500"), lab.Faulty)
	assert.NotEqual(t, 0, r.ExitCode(), "the leak is hidden")
	assert.Empty(t, r.Err.String())
	assert.Regexp(t, `\d workers? (was|were) replaced while the growth was judged: what a worker had kept went with it, which hides a leak\.`, lab.Words(r.Out.String()))
	assert.NotContains(t, r.Out.String(), "restarted")
}

// published runs a command in a network of its own, in which 127.0.0.1:$PORT is that port of 10.7.7.2, as a container publishes
// it.
const published = `set -e
ip link set lo up
ip link add outside type veth peer name inside
ip addr add 10.7.7.1/24 dev outside
ip link set outside up
echo 1 >/proc/sys/net/ipv4/conf/all/route_localnet
iptables -t nat -A OUTPUT -p tcp -d 127.0.0.1 --dport "$PORT" -j DNAT --to-destination 10.7.7.2
iptables -t nat -A POSTROUTING -o outside -j MASQUERADE
exec "$@"`

// contained starts the faulty server at 10.7.7.2, in another network namespace.
const contained = `unshare -n sh -c 'until ip addr add 10.7.7.2/24 dev inside 2>/dev/null; do sleep 0.01; done
ip link set inside up
HOST=10.7.7.2 exec "$0"' "$0" &
trap "kill $!" TERM
while ip link show inside >/dev/null 2>&1; do ip link set inside netns $!; sleep 0.01; done
wait`

// A server that answers from another network namespace is measured if it descends from the command. Else it is not known
// which one it is.
func TestAServerInAnotherNetworkNamespace(t *testing.T) {
	t.Parallel()
	port := "PORT=" + lab.FreePorts(t, 1)[0]
	inNamespace := func(more ...string) []string {
		return append([]string{"unshare", "-rn", "sh", "-c", published, "sh"}, more...)
	}
	try := exec.Command("unshare", inNamespace("true")[1:]...)
	try.Env = append(os.Environ(), port)
	if output, err := try.CombinedOutput(); err != nil {
		t.Skipf("no network of its own can be made here: %v: %s", err, output)
	}
	settings := []string{port, "TRIES=1", "REQUESTS=100", "SETTLE=50ms"}
	r := lab.StartProgram(t, settings, inNamespace(lab.Loader, "--", "sh", "-c", contained, lab.Faulty)...)
	assert.Equal(t, 125, r.ExitCode(), "one iteration tells nothing")
	assert.Empty(t, r.Err.String())
	assert.Len(t, r.Rows(t), 1)

	attach := `sh -c "$1" "$2" & server=$!
"$3" attach; code=$?
kill $server
exit $code`
	r = lab.StartProgram(t, append(settings, "START_TIMEOUT=10s"), inNamespace("sh", "-c", attach, "sh", contained, lab.Faulty, lab.Loader)...)
	assert.Equal(t, 125, r.ExitCode())
	assert.Contains(t, r.Err.String(), "answers, but no process listens on it in the network namespace of the loader, "+
		"as with a port that a container publishes; set SERVER_PID to the server's process")
}

// A program by the name of a forwarder is measured only if it is named.
func TestAForwarderIsRefusedUnlessItIsNamed(t *testing.T) {
	t.Parallel()
	port := lab.FreePorts(t, 1)[0]
	forwarder := filepath.Join(t.TempDir(), "docker-proxy")
	program, err := os.ReadFile(lab.Faulty)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(forwarder, program, 0o700))
	server := exec.Command(forwarder)
	server.Env = append(os.Environ(), "HOST=127.0.0.1", "PORT="+port)
	require.NoError(t, server.Start())
	t.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })

	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}, time.Minute, 10*time.Millisecond)

	settings := []string{"PORT=" + port, "TRIES=1", "REQUESTS=10", "SETTLE=50ms"}
	r := lab.Attach(t, settings)
	r.ExitCode()
	assert.Regexp(t, `^loader: PORT="\d+": expected a server on 127\.0\.0\.1:\d+: process \d+, "\S*docker-proxy", only passes connections on; set SERVER_PID=`, r.Err.String())

	r = lab.Attach(t, append(settings, "SERVER_PID="+strconv.Itoa(server.Process.Pid)))
	r.ExitCode()
	assert.Len(t, r.Rows(t), 1)
}
