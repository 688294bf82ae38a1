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
	name := nameOf(pid)
	remedy, forwards := forwarders[name]
	if !forwards || serves(name, strings.Fields(CommandLine(pid))) {
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
}

// servers are subcommands of managers and forwarders that are servers themselves.
var servers = map[string]string{"kubectl": "proxy", "podman": "system service"}

// serves is true if a program is a server itself by the words of its command line.
func serves(name string, words []string) bool {
	subcommand, some := servers[name]
	return some && strings.Contains(" "+strings.Join(words, " ")+" ", " "+subcommand+" ")
}

// prefixes are programs that run the command after them, with their options that take a value.
var prefixes = map[string][]string{
	"env": {"-u", "--unset", "-C", "--chdir"},
	"sudo": {"-u", "--user", "-g", "--group", "-h", "--host", "-p", "--prompt", "-C", "--close-from", "-D", "--chdir", "-R", "--chroot",
		"-T", "--command-timeout", "-r", "--role", "-t", "--type"},
	"doas": {"-u", "-C"}, "nice": {"-n", "--adjustment"}, "nohup": nil, "setsid": nil, "time": {"-f", "--format", "-o", "--output"},
	"stdbuf": {"-i", "--input", "-o", "--output", "-e", "--error"}, "exec": {"-a"}, "command": nil,
}

// takesNext is true if the value of an option is the next word. In -nu the last letter may take one; in -udocker it is there.
func takesNext(word string, options []string) bool {
	if strings.HasPrefix(word, "--") {
		return slices.Contains(options, word)
	}
	for n, letter := range word {
		if n > 0 && slices.Contains(options, "-"+string(letter)) {
			return n == len(word)-1
		}
	}
	return false
}

// CheckCommand fails if command has a server started by a process that does not descend from it, such as the daemon of
// docker run. The error names the setting, that program, and the remedy. What a shell script starts is not looked at.
func CheckCommand(setting string, command []string) error {
	var options []string // of the last prefix
	for n := 0; n < len(command); n++ {
		word := command[n]
		name := filepath.Base(word)
		remedy, manages := managers[name]
		own, prefix := prefixes[name]
		switch {
		case prefix:
			options = own
			continue
		case strings.HasPrefix(word, "-"):
			if takesNext(word, options) {
				n++
			}
			continue
		case strings.Contains(word, "="):
			continue
		case !manages, serves(name, command[n+1:]):
			return nil
		}
		return fmt.Errorf("%s=%q: expected a server that is started in the foreground, but %s has another process start it; %s", setting, name, name, remedy)
	}
	return nil
}
