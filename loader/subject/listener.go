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

// ErrNobodyListens says that no process of this machine listens at the address.
var ErrNobodyListens = errors.New("nobody listens there")

// FindListener returns the process of this machine that accepts connections at address (host:port; without a host, at
// any address of the machine): of several that share the socket, as a master and its workers do, the one that the
// others come from. The error wraps ErrNobodyListens if there is none, and says what to do if it cannot be told.
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
		// What starts services may hold their sockets as well (socket activation).
		tops = slices.DeleteFunc(tops, func(pid int) bool { return pid == 1 })
	}
	if len(tops) != 1 {
		return 0, fmt.Errorf("processes %s all listen there; name the one that is meant, or that started them, in SERVER_PID",
			strings.Trim(fmt.Sprint(tops), "[]"))
	}
	if name := nameOf(tops[0]); name == "docker-proxy" {
		return 0, fmt.Errorf("it is published by Docker, and process %d only passes it on; take the server's own, SERVER_PID=$(docker inspect -f '{{.State.Pid}}' CONTAINER), or the lab's SERVER_IMAGE", tops[0])
	}
	return tops[0], nil
}

// ListenerName says who accepts connections at address, as FindListener knows it, for an error message.
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

// withoutDescendants leaves out what descends from another of the processes, except from process 1, from which
// all do. It keeps the order.
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

// parentOf is the process's parent, 0 if that cannot be told.
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

// CommandLine is what the process was started with; "" if that cannot be told.
func CommandLine(pid int) string {
	p, err := process.NewProcess(int32(pid))
	if err != nil {
		return ""
	}
	line, _ := p.Cmdline()
	return strings.TrimSpace(line)
}

// IsLocal says whether host, a name or an address, is this machine.
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

// unseen is the error when something listens, but not which process.
func unseen() error {
	return fmt.Errorf("something listens there, but user %d may not see which process; run this as the server's user or as root, or name the process in SERVER_PID", os.Getuid())
}
