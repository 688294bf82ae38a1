package docker

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/e2e/internal/lab"
)

// How long a test waits for what comes by itself, on a machine that is busy with other things.
const (
	endLimit  = 10 * time.Minute // the end of a run, or of a container
	lateLimit = 30 * time.Second // what Prometheus, or Docker, is a little late with
)

// requireDocker skips the test if the long ones are not to run, and where there is no Docker. If LEAKLAB_REQUIRE_DOCKER is
// set, it fails there.
func requireDocker(t *testing.T) {
	t.Helper()
	lab.OnlyLong(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, probe := range [][]string{{"info"}, {"compose", "version"}} {
		if output, err := exec.CommandContext(ctx, "docker", probe...).CombinedOutput(); err != nil {
			message := fmt.Sprintf("needs Docker with Compose: docker %s: %v: %s", strings.Join(probe, " "), err, bytes.TrimSpace(output))
			if os.Getenv("LEAKLAB_REQUIRE_DOCKER") != "" {
				t.Fatal(message)
			}
			t.Skip(message)
		}
	}
}

// composeLab is the real docker-compose.yml as a separate project, on other ports.
type composeLab struct {
	t           *testing.T
	project     string
	environment []string
	results     string
	server      string // published addresses, host:port
	prometheus  string
	grafana     string
}

func newComposeLab(t *testing.T, settings ...string) *composeLab {
	t.Helper()
	requireDocker(t)
	ports := lab.FreePorts(t, 3)
	l := &composeLab{
		t:          t,
		project:    fmt.Sprintf("leaklab-e2e-%d", os.Getpid()),
		results:    filepath.Join(t.TempDir(), "results"), // missing: Docker makes it
		server:     "127.0.0.1:" + ports[0],
		prometheus: "127.0.0.1:" + ports[1],
		grafana:    "127.0.0.1:" + ports[2],
	}
	l.environment = append(os.Environ(), "HOST=127.0.0.1", "PORT="+ports[0], "PROMETHEUS_PORT="+ports[1], "GRAFANA_PORT="+ports[2],
		"RESULTS="+l.results, "WORKERS=20", "SETTLE=200ms", "RELEASE=1s")
	l.environment = append(l.environment, settings...)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(l.compose(nil, "logs", "--no-color", "--tail=200"))
		}
		l.compose(nil, "down", "--volumes", "--remove-orphans", "--rmi=local", "--timeout=2")
	})
	return l
}

// compose runs docker compose and returns what it prints.
func (l *composeLab) compose(settings []string, args ...string) (string, error) {
	l.t.Helper()
	cmd := exec.Command("docker", append([]string{"compose", "--project-directory", lab.Root, "-p", l.project}, args...)...)
	cmd.Env = append(l.environment, settings...)
	output, err := cmd.CombinedOutput()
	return string(output), err
}

func (l *composeLab) mustCompose(settings []string, args ...string) string {
	l.t.Helper()
	output, err := l.compose(settings, args...)
	require.NoError(l.t, err, "docker compose %s:\n%s", strings.Join(args, " "), output)
	return output
}

func (l *composeLab) up(settings ...string) {
	l.t.Helper()
	l.mustCompose(settings, "up", "--detach", "--build", "--quiet-pull")
}

// container is what docker inspect says of a service's container.
type container struct {
	State struct {
		Status   string
		ExitCode int
	}
	Config struct {
		User string
		Env  []string
	}
	HostConfig struct {
		NetworkMode     string
		ReadonlyRootfs  bool
		Privileged      bool
		CapAdd, CapDrop []string
		SecurityOpt     []string
		Memory          int64
		PidsLimit       int64
		PortBindings    map[string][]struct{ HostIP, HostPort string }
	}
}

func (l *composeLab) inspect(service string) container {
	l.t.Helper()
	id := strings.TrimSpace(l.mustCompose(nil, "ps", "--all", "--quiet", service))
	output, err := exec.Command("docker", "inspect", id).Output()
	require.NoError(l.t, err)
	var containers []container
	require.NoError(l.t, json.Unmarshal(output, &containers))
	require.Len(l.t, containers, 1)
	return containers[0]
}

// awaitLoader waits until the loader has exited and returns its exit code.
func (l *composeLab) awaitLoader() int {
	l.t.Helper()
	var c container
	require.Eventually(l.t, func() bool {
		c = l.inspect("loader")
		return c.State.Status == "exited"
	}, endLimit, 200*time.Millisecond, "the loader exits")
	return c.State.ExitCode
}

// eventually waits until get returns want, for lateLimit at most, and then compares them.
func (l *composeLab) eventually(want any, get func() any, what string, values ...any) {
	l.t.Helper()
	got := get()
	for begin := time.Now(); !assert.ObjectsAreEqual(want, got) && time.Since(begin) < lateLimit; got = get() {
		time.Sleep(200 * time.Millisecond)
	}
	assert.Equal(l.t, want, got, append([]any{what}, values...)...)
}

// newestRows returns iterations.csv of the newest run, and checks how many runs there are.
func (l *composeLab) newestRows(runs int) [][]string {
	l.t.Helper()
	return lab.RowsIn(l.t, lab.Newest(l.t, l.results, runs))
}

// newestReport returns run.json of the newest run, and checks how many runs there are.
func (l *composeLab) newestReport(runs int) lab.RunFile {
	l.t.Helper()
	return lab.ReadRunFile(l.t, lab.Newest(l.t, l.results, runs))
}

// runs returns the names of the runs so far, the oldest first.
func (l *composeLab) runs() []string {
	l.t.Helper()
	folders, err := filepath.Glob(filepath.Join(l.results, "*"))
	require.NoError(l.t, err)
	for n := range folders {
		folders[n] = filepath.Base(folders[n])
	}
	return folders
}
