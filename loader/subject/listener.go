package subject

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/shirou/gopsutil/v4/process"
)

// ErrNoListener is the error when no process of this machine listens at the address.
var ErrNoListener = errors.New("no process listens there")

// Holders returns the processes of this machine with a socket that listens at address (host:port; without a host, at any
// address of the machine), in ascending order. Only sockets of this program's network namespace are seen. The error wraps
// ErrNoListener if nothing listens there. It names the remedy if the process that does is not visible.
func Holders(ctx context.Context, address string) ([]int, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	var wanted []net.IP
	if host != "" {
		if wanted, err = net.DefaultResolver.LookupIP(ctx, "ip", host); err != nil {
			return nil, err
		}
	}
	portNumber, err := net.DefaultResolver.LookupPort(ctx, "tcp", port)
	if err != nil {
		return nil, err
	}
	return listeners(ctx, portNumber, func(bound net.IP) bool {
		return host == "" || bound.IsUnspecified() || slices.ContainsFunc(wanted, bound.Equal)
	})
}

// FindListener returns the process that listens at address, as Holders does. If several share the socket, as a master and
// its workers do, it returns their common ancestor. Of a worker whose master does not listen it returns the master. The
// error names the remedy if the process is ambiguous.
func FindListener(ctx context.Context, address string) (pid int, err error) {
	holders, err := Holders(ctx, address)
	if err != nil {
		return 0, err
	}
	var masters []int
	for _, pid := range withoutDescendants(holders, parentOf) {
		if pid = master(pid); !slices.Contains(masters, pid) {
			masters = append(masters, pid)
		}
	}
	tops := withoutDescendants(masters, parentOf)
	if len(tops) > 1 {
		// A service manager may hold the sockets of its services as well (socket activation).
		tops = slices.DeleteFunc(tops, func(pid int) bool { return pid == 1 })
	}
	if len(tops) != 1 {
		return 0, fmt.Errorf("processes %s all listen there; set SERVER_PID to the server's, or to their common parent",
			strings.Trim(fmt.Sprint(tops), "[]"))
	}
	return tops[0], nil
}

// master returns the process that pid is a worker of: the highest ancestor that runs the same program in the same process
// group, as do those in between. It is pid itself if there is none. A supervisor starts each program in a new group.
func master(pid int) int {
	for program, group := programOf(pid), groupOf(pid); program != ""; {
		parent := parentOf(pid)
		if parent <= 1 || parent == os.Getpid() || programOf(parent) != program || groupOf(parent) != group {
			break
		}
		pid = parent
	}
	return pid
}

// programOf is the path of the program that a process runs; "" if unknown.
func programOf(pid int) string {
	p, err := process.NewProcess(int32(pid))
	if err != nil {
		return ""
	}
	path, _ := p.Exe()
	return path
}

// groupOf is the process group of a process; 0 if unknown.
func groupOf(pid int) int {
	group, _ := syscall.Getpgid(pid)
	return group
}

// ListenerName describes the process that FindListener finds at address, for an error message.
func ListenerName(ctx context.Context, address string) string {
	pid, err := FindListener(ctx, address)
	if err != nil {
		return "another program"
	}
	return Describe(pid)
}

// Describe is a process and its command line, for an error message.
func Describe(pid int) string {
	return fmt.Sprintf("process %d, %q,", pid, shortCommandLine(pid))
}

// shortCommandLine is the first 200 bytes of a process's command line.
func shortCommandLine(pid int) string {
	const most = 200
	command := CommandLine(pid)
	if len(command) > most {
		command = command[:most] + "..."
	}
	return command
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
