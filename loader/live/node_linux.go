package live

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// findInspector returns where the inspector of a process listens, and opens it by SIGUSR1 if it does not.
func findInspector(ctx context.Context, p process) (nodeAddress, nodeFound, error) {
	want, opened := inspectorAddress(nodeArguments(p.PID))
	sockets, err := nodeListening(p.PID)
	if err != nil {
		return nodeAddress{}, nodeFound{}, err
	}
	for _, l := range sockets {
		switch {
		case markedInspector(l.at.host):
			return l.at, nodeFound{text: "its inspector was opened by " + nodeOptions, ours: true}, nil
		case opened && l.at.same(want):
			return l.at, nodeFound{text: "its inspector is open by its options"}, nil
		}
	}
	if opened && want.port == 0 && !markedInspector(want.host) {
		return nodeAddress{}, nodeFound{}, errors.New("its inspector listens at a port that is not known: expected --inspect=PORT instead of port 0")
	}
	at, err := openBySignal(ctx, p, want, sockets)
	return at, nodeFound{text: "its inspector was opened by SIGUSR1", ours: true, move: !markedInspector(at.host)}, err
}

// nodeArguments returns what the command line and the environment of a process tell Node, the strongest last.
func nodeArguments(pid int) []string {
	environment, _ := os.ReadFile(nodeProc(pid, "environ"))
	var all []string
	for variable := range bytes.SplitSeq(environment, []byte{0}) {
		if value, ok := bytes.CutPrefix(variable, []byte(nodeOptions+"=")); ok {
			all = strings.Fields(string(value))
		}
	}
	line, _ := os.ReadFile(nodeProc(pid, "cmdline"))
	arguments := strings.Split(string(line), "\x00")
	for i, argument := range arguments[min(1, len(arguments)):] {
		takesValue := i > 0 && slices.Contains([]string{"-r", "--require", "--import", "--inspect-port", "--debug-port", "-C", "--conditions", "--loader"}, arguments[i])
		if !strings.HasPrefix(argument, "-") && !takesValue {
			break // the script: what follows is for it
		}
		all = append(all, argument)
	}
	return all
}

func nodeProc(pid int, file string) string { return filepath.Join("/proc", strconv.Itoa(pid), file) }

// openBySignal sends SIGUSR1 to a process in which Node handles it, and returns where it listens afterwards. No other
// port of the process is asked for an inspector than one that appeared on the signal.
func openBySignal(ctx context.Context, p process, want nodeAddress, before []nodeListener) (nodeAddress, error) {
	if !exportsNode(p) {
		return nodeAddress{}, errors.New("SIGUSR1 was not sent: its program has no Node.js in it")
	}
	handled, err := nodeHandles(p.PID, syscall.SIGUSR1)
	if err != nil {
		return nodeAddress{}, err
	}
	if !handled {
		return nodeAddress{}, errors.New("SIGUSR1 was not sent: Node.js does not handle it, since it has just started or has --disable-sigusr1")
	}
	if err := syscall.Kill(p.PID, syscall.SIGUSR1); err != nil {
		return nodeAddress{}, fmt.Errorf("SIGUSR1: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, inspectorCloses)
	defer cancel()
	for {
		now, err := nodeListening(p.PID)
		if err != nil {
			return nodeAddress{}, err
		}
		if at, found := inspectorAppeared(before, now, want.host); found {
			return at, nil
		}
		if err := nodeWaits(ctx); err == nil {
			continue
		}
		why := "does another program listen there, does the server handle SIGUSR1 itself, or has it opened an inspector already?"
		if !nodeRunning(p.PID) {
			why = "the process has ended"
		}
		return nodeAddress{}, fmt.Errorf("no inspector at %s within %s of SIGUSR1: %s", want, inspectorCloses, why)
	}
}

// exportsNode tells if the program of a process has Node.js in it: Node exports its functions for add-ons to link with.
func exportsNode(p process) bool {
	if slices.ContainsFunc(p.Mapped, isNodeLibrary) {
		return true
	}
	program, err := elf.Open(nodeProc(p.PID, "exe"))
	if err != nil {
		return false
	}
	defer func() { _ = program.Close() }()
	symbols, err := program.DynamicSymbols()
	return err == nil && slices.ContainsFunc(symbols, func(s elf.Symbol) bool { return s.Name == "node_module_register" })
}

// nodeHandles tells if a process has a handler for a signal.
func nodeHandles(pid int, signal syscall.Signal) (bool, error) {
	status, err := os.ReadFile(nodeProc(pid, "status"))
	if err != nil {
		return false, err
	}
	for line := range strings.Lines(string(status)) {
		if mask, ok := strings.CutPrefix(line, "SigCgt:"); ok {
			caught, err := strconv.ParseUint(strings.TrimSpace(mask), 16, 64)
			return caught&(1<<(signal-1)) != 0, err
		}
	}
	return false, fmt.Errorf("%s has no SigCgt", nodeProc(pid, "status"))
}

// nodeRunning tells if a process is there and has not ended.
func nodeRunning(pid int) bool {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return false
	}
	stat, err := p.Stat()
	return err == nil && stat.State != "Z" && stat.State != "X"
}

// nodeListening returns the TCP sockets of a process that listen.
func nodeListening(pid int) ([]nodeListener, error) {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return nil, err
	}
	targets, err := p.FileDescriptorTargets()
	if err != nil {
		return nil, err
	}
	own := make(map[string]bool)
	for _, target := range targets {
		own[target] = true
	}
	network, err := procfs.NewFS(nodeProc(pid, "")) // has the files of its network namespace
	if err != nil {
		return nil, err
	}
	var sockets []nodeListener
	//lint:ignore SA1019 a socket of netlink would be in another network namespace
	for _, read := range []func() (procfs.NetTCP, error){network.NetTCP, network.NetTCP6} {
		lines, err := read() // one of the two may be missing
		if err != nil {
			continue
		}
		for _, line := range lines {
			if line.St == listenState && own[fmt.Sprintf("socket:[%d]", line.Inode)] {
				sockets = append(sockets, nodeListener{nodeAddress{line.LocalAddr, int(line.LocalPort)}, line.Inode})
			}
		}
	}
	return sockets, nil
}

// listenState is that of a listening socket in /proc/net/tcp.
const listenState = 0x0A

// dialInNamespace returns a function that dials in the network namespace of a process.
func dialInNamespace(pid int) inspectorDialer {
	return func(ctx context.Context, network, at string) (net.Conn, error) {
		var plain net.Dialer
		own, err := os.Readlink("/proc/self/ns/net")
		if err != nil {
			return nil, err
		}
		others, err := os.Readlink(nodeProc(pid, "ns/net"))
		if err != nil {
			return nil, err
		}
		if own == others {
			return plain.DialContext(ctx, network, at)
		}
		type result struct {
			net.Conn
			error
		}
		done := make(chan result, 1)
		go func() {
			// The thread stays locked, so that it ends with the goroutine, and no other one gets into the namespace.
			goruntime.LockOSThread()
			connection, err := dialEntered(ctx, pid, network, at)
			done <- result{connection, err}
		}()
		r := <-done
		return r.Conn, r.error
	}
}

// dialEntered enters the network namespace of a process with the thread that it runs on, and dials.
func dialEntered(ctx context.Context, pid int, network, at string) (net.Conn, error) {
	namespace, err := os.Open(nodeProc(pid, "ns/net"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = namespace.Close() }()
	if err := unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNET); err != nil {
		return nil, fmt.Errorf("entering the network namespace of process %d, which needs root: %w", pid, err)
	}
	var plain net.Dialer
	return plain.DialContext(ctx, network, at)
}
