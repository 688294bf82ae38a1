package subject

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Remedies for a server that is not where its connections or its command are.
const (
	ofContainer = "set SERVER_PID=$(docker inspect -f '{{.State.Pid}}' CONTAINER), or let the lab run the image with SERVER_IMAGE (compose/image.yml)"
	ofMachine   = "run the lab on the machine of the server, or read its memory there with HOST and METRICS_URL"
	ofProcess   = "set SERVER_PID to the server's process"
)

// forwarders are programs that listen for a server elsewhere, by name, with the remedy.
var forwarders = map[string]string{
	"docker-proxy": ofContainer, "rootlesskit": ofContainer, "rootlessport": ofContainer, "containers-rootlessport": ofContainer,
	"slirp4netns": ofContainer, "pasta": ofContainer, "pasta.avx2": ofContainer, "gvproxy": ofContainer, "vpnkit": ofContainer,
	"com.docker.backend": ofContainer,
	"ssh":                ofMachine, "sshd": ofMachine, "sshd-session": ofMachine, "kubectl": ofMachine,
	"socat": ofProcess,
}

// CheckForwarder fails if the process pid only passes connections on to a server elsewhere, as docker-proxy, ssh -L and
// kubectl port-forward do. The error names it, and the remedy.
func CheckForwarder(pid int) error {
	remedy, forwards := forwarders[nameOf(pid)]
	if !forwards {
		return nil
	}
	return fmt.Errorf("process %d, %q, only passes connections on; %s (SERVER_PID=%d measures what listens)",
		pid, shortCommandLine(pid), remedy, pid)
}

// managers are programs that have a server started by another process, by name, with the remedy.
var managers = map[string]string{
	"docker": ofContainer, "docker-compose": ofContainer, "podman": ofContainer, "podman-compose": ofContainer, "nerdctl": ofContainer,
	"kubectl":   "attach to it on the machine of its pod (loader attach), or " + ofMachine,
	"systemctl": "start it so, and measure it with loader attach",
	"gradle":    inDaemon, "gradlew": inDaemon,
}

const inDaemon = "add --no-daemon, or start the program itself"

// prefixes are programs that run the command after them.
var prefixes = []string{"env", "sudo", "doas", "nice", "nohup", "setsid", "time", "stdbuf", "exec", "command"}

// CheckCommand fails if command has a server started by a process that does not descend from it, such as the daemon of
// docker run. The error names the setting, that program, and the remedy. What a shell script starts is not looked at.
func CheckCommand(setting string, command []string) error {
	for n, word := range command {
		name := filepath.Base(word)
		remedy, manages := managers[name]
		switch {
		case slices.Contains(prefixes, name), strings.HasPrefix(word, "-"), strings.Contains(word, "="), strings.Trim(word, "0123456789") == "":
			continue
		case !manages, remedy == inDaemon && slices.Contains(command[n:], "--no-daemon"):
			return nil
		}
		return fmt.Errorf("%s=%q: expected a server that is started in the foreground, but %s has another process start it; %s", setting, name, name, remedy)
	}
	return nil
}
