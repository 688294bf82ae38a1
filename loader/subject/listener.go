package subject

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/shirou/gopsutil/v4/process"
)

// ErrNoListener is the error when no process of this machine listens at the address.
var ErrNoListener = errors.New("no process listens there")

// FindListener returns the process of this machine that listens at address (host:port; without a host, at any address of
// the machine). If several share the socket, as a master and its workers do, it returns their common ancestor. The error
// wraps ErrNoListener if there is none. If the process is ambiguous or not visible, the error names the remedy.
func FindListener(ctx context.Context, address string) (pid int, err error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return 0, err
	}
	var wanted []net.IP
	if host != "" {
		if wanted, err = net.DefaultResolver.LookupIP(ctx, "ip", host); err != nil {
			return 0, err
		}
	}
	portNumber, err := net.DefaultResolver.LookupPort(ctx, "tcp", port)
	if err != nil {
		return 0, err
	}
	holders, err := listeners(ctx, portNumber, func(bound net.IP) bool {
		return host == "" || bound.IsUnspecified() || slices.ContainsFunc(wanted, bound.Equal)
	})
	if err != nil {
		return 0, err
	}
	tops := withoutDescendants(holders, parentOf)
	if len(tops) > 1 {
		// A service manager may hold the sockets of its services as well (socket activation).
		tops = slices.DeleteFunc(tops, func(pid int) bool { return pid == 1 })
	}
	if len(tops) != 1 {
		return 0, fmt.Errorf("processes %s all listen there; set SERVER_PID to the server's, or to their common parent",
			strings.Trim(fmt.Sprint(tops), "[]"))
	}
	if name := nameOf(tops[0]); name == "docker-proxy" {
		return 0, fmt.Errorf("the port is published by Docker, and process %d only forwards it; set SERVER_PID=$(docker inspect -f '{{.State.Pid}}' CONTAINER), or use the lab's SERVER_IMAGE", tops[0])
	}
	return tops[0], nil
}

// ListenerName describes the process that FindListener finds at address, for an error message.
func ListenerName(ctx context.Context, address string) string {
	pid, err := FindListener(ctx, address)
	if err != nil {
		return "another program"
	}
	const most = 200
	command := CommandLine(pid)
	if len(command) > most {
		command = command[:most] + "..."
	}
	return fmt.Sprintf("process %d, %q,", pid, command)
}

// withoutDescendants returns the processes that descend from none of the others. Process 1 does not count, since all
// descend from it. The order stays.
func withoutDescendants(pids []int, parent func(int) int) []int {
	var tops []int
	for _, pid := range pids {
		above := parent(pid)
		for above > 1 && !slices.Contains(pids, above) {
			above = parent(above)
		}
		if above <= 1 {
			tops = append(tops, pid)
		}
	}
	return tops
}

// parentOf is the process's parent; 0 if unknown.
func parentOf(pid int) int {
	p, err := process.NewProcess(int32(pid))
	if err != nil {
		return 0
	}
	parent, err := p.Ppid()
	if err != nil {
		return 0
	}
	return int(parent)
}

func nameOf(pid int) string {
	p, err := process.NewProcess(int32(pid))
	if err != nil {
		return ""
	}
	name, _ := p.Name()
	return name
}

// CommandLine is the command line of the process; "" if unknown.
func CommandLine(pid int) string {
	p, err := process.NewProcess(int32(pid))
	if err != nil {
		return ""
	}
	line, _ := p.Cmdline()
	return strings.TrimSpace(line)
}

// IsLocal is true if host, a name or an address, is this machine.
func IsLocal(ctx context.Context, host string) bool {
	addresses, err := net.DefaultResolver.LookupIP(ctx, "ip", host)
	if err != nil || len(addresses) == 0 {
		return false
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	return addresses[0].IsLoopback() || slices.ContainsFunc(own, func(a net.Addr) bool {
		network, ok := a.(*net.IPNet)
		return ok && network.IP.Equal(addresses[0])
	})
}

// unseen is the error when the process that listens is not visible.
func unseen() error {
	return fmt.Errorf("a process listens there but is not visible to user %d; run this as the server's user or as root, or set SERVER_PID", os.Getuid())
}
