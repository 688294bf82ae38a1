package subject

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCheckForwarder(t *testing.T) {
	sleep, err := exec.LookPath("sleep")
	require.NoError(t, err)
	program, err := os.ReadFile(sleep)
	require.NoError(t, err)
	for name, want := range map[string]string{
		"docker-proxy": "set SERVER_PID=$(docker inspect", "kubectl": "read its memory there with HOST and METRICS_URL", "ssh": "run the lab on the machine",
		"rootlesskit": "set SERVER_PID=$(docker inspect", "socat": "set SERVER_PID to the server's process",
		"server": "",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			require.NoError(t, os.WriteFile(path, program, 0o700))
			cmd := exec.Command(path, "1000")
			require.NoError(t, cmd.Start())
			defer func() {
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
			}()
			err := CheckForwarder(cmd.Process.Pid)
			if want == "" {
				require.NoError(t, err)
				return
			}
			assert.ErrorContains(t, err, fmt.Sprintf("process %d, %q, only passes connections on", cmd.Process.Pid, path+" 1000"))
			assert.ErrorContains(t, err, want)
		})
	}
}

func TestCheckCommand(t *testing.T) {
	for _, test := range []struct {
		command []string
		want    string // in the error; none if it is empty
	}{
		{[]string{"docker", "run", "-p", "3030:80", "nginx"}, `COMMAND="docker": expected a server that is started in the foreground, but docker has another process start it; set SERVER_PID=`},
		{[]string{"/usr/bin/podman", "run", "nginx"}, `COMMAND="podman"`},
		{[]string{"sudo", "-n", "env", "A=1", "nice", "-n", "19", "docker", "compose", "up"}, "compose/image.yml"},
		{[]string{"kubectl", "run", "x"}, "attach to it"},
		{[]string{"systemctl", "start", "nginx"}, "loader attach"},
		{[]string{"kubectl", "-n", "default", "proxy", "--port=3030"}, ""},
		{[]string{"podman", "system", "service", "tcp:127.0.0.1:3030"}, ""},
		{[]string{"sudo", "-u", "docker", "./server"}, ""},
		{[]string{"sudo", "-nu", "docker", "./server"}, ""},
		{[]string{"sudo", "-udocker", "./server"}, ""},
		{[]string{"sudo", "--user", "docker", "env", "-u", "podman", "./server"}, ""},
		{[]string{"sudo", "-u", "root", "docker", "run", "nginx"}, `COMMAND="docker"`},
		{[]string{"sudo", "-uroot", "docker", "run", "nginx"}, `COMMAND="docker"`},
		{[]string{"./gradlew", "bootRun"}, ""}, // an own process, if it is set so in gradle.properties
		{[]string{"./server", "docker"}, ""},
		{[]string{"env", "NAME=docker", "./server"}, ""},
		{[]string{"sh", "-c", "docker run nginx"}, ""},
		{nil, ""},
	} {
		err := CheckCommand("COMMAND", test.command)
		if test.want == "" {
			assert.NoError(t, err, "%q", test.command)
		} else {
			assert.ErrorContains(t, err, test.want, "%q", test.command)
		}
	}
}
