package live

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"net"
	"os"
	goruntime "runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"leaklab/loader/kernel"
	"leaklab/loader/memory"
)

// findInspector returns where the inspector of a process listens, and opens it by SIGUSR1 if it does not.
func findInspector(ctx context.Context, p process) (tcpAddress, nodeFound, error) {
	want, opened := inspectorAddress(nodeArguments(p))
	starts, cancel := context.WithTimeout(ctx, nodeStarts)
	defer cancel()
	for {
		sockets, err := listenersOf(p.PID)
		if err != nil {
			return tcpAddress{}, nodeFound{}, err
		}
		for _, l := range sockets {
			switch {
			case markedInspector(l.at.host):
				by := "SIGUSR1" // and moved, as that of a sibling may be
				if markedInspector(want.host) {
					by = nodeOptions
				}
				return l.at, nodeFound{text: "its inspector was opened by " + by, ours: true}, nil
			case opened && l.at.same(want):
				return l.at, nodeFound{text: "its inspector is open by its options"}, nil
			case l.at.same(want) && clusterWorker(p):
				return l.at, nodeFound{text: "its inspector was opened by SIGUSR1", ours: true, move: true}, nil
			}
		}
		if opened && want.port == 0 && !markedInspector(want.host) {
			return tcpAddress{}, nodeFound{}, errors.New("its inspector listens at a port that is not known: expected --inspect=PORT instead of port 0")
		}
		// A process that has just started has neither opened what its options tell, nor a handler.
		if opened || !p.handles(int(syscall.SIGUSR1)) {
			if pause(starts, nodePoll) == nil {
				continue
			}
		}
		at, err := openBySignal(ctx, p, want, sockets)
		return at, nodeFound{text: "its inspector was opened by SIGUSR1", ours: true, move: !markedInspector(at.host)}, err
	}
}

// nodeStarts is how long a process may take from its start until it can be asked.
const nodeStarts = 2 * time.Second

// nodeArguments returns what the environment and the command line of a process tell Node, the strongest last.
func nodeArguments(p process) []string {
	all := strings.Fields(p.environment(nodeOptions))
	arguments := p.arguments()
	withValue := []string{"-r", "--require", "--import", "--inspect-port", "--debug-port", "-C", "--conditions", "--loader"}
	for i := 1; i < len(arguments); i++ {
		if !strings.HasPrefix(arguments[i], "-") && !slices.Contains(withValue, arguments[i-1]) {
			break // the script: what follows is for it
		}
		all = append(all, arguments[i])
	}
	return all
}

// openBySignal sends SIGUSR1 to a process in which Node handles it, and returns where it listens afterwards. No other
// port of the process is asked for an inspector than one that appeared on the signal.
func openBySignal(ctx context.Context, p process, want tcpAddress, before []listener) (tcpAddress, error) {
	target, err := os.FindProcess(p.PID) // holds the process, so that the signal reaches no other
	if err != nil {
		return tcpAddress{}, err
	}
	defer target.Release()
	if !p.same() {
		return tcpAddress{}, fmt.Errorf("process %d: %w", p.PID, memory.ErrGone)
	}
	if !exportsNode(p) {
		return tcpAddress{}, errors.New("SIGUSR1 was not sent: its program has no Node.js in it")
	}
	if !p.handles(int(syscall.SIGUSR1)) {
		return tcpAddress{}, notYet{errors.New("SIGUSR1 was not sent: Node.js does not handle it, since it has just started or has --disable-sigusr1")}
	}
	if err := inNetworkOf(p.PID, func() error { return nil }); err != nil {
		return tcpAddress{}, fmt.Errorf("SIGUSR1 was not sent: %w", err)
	}
	if ctx.Err() != nil {
		return tcpAddress{}, context.Cause(ctx)
	}
	if err := target.Signal(syscall.SIGUSR1); err != nil {
		return tcpAddress{}, fmt.Errorf("SIGUSR1: %w", err)
	}
	// From here it is found though the run is interrupted, so that it can be closed.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), inspectorCloses)
	defer cancel()
	for {
		now, err := listenersOf(p.PID)
		if err != nil {
			return tcpAddress{}, err
		}
		if at, found := inspectorAppeared(before, now, want.host); found {
			return at, nil
		}
		if moved := moveSibling(ctx, p, want); moved {
			if err := target.Signal(syscall.SIGUSR1); err != nil {
				return tcpAddress{}, fmt.Errorf("SIGUSR1: %w", err)
			}
		}
		if err := pause(ctx, nodePoll); err == nil {
			continue
		}
		why := "does another program listen there, does the server handle SIGUSR1 itself, or has it opened an inspector already?"
		if hasEnded(p.PID) {
			why = "the process has ended"
		}
		return tcpAddress{}, fmt.Errorf("no inspector at %s within %s of SIGUSR1: %s", want, inspectorCloses, why)
	}
}

// clusterWorker tells if a process is a worker that Node's cluster module has started. The primary sends SIGUSR1 to its
// workers each time when its own inspector opens, so that one of them may listen already.
func clusterWorker(p process) bool { return p.environment("NODE_UNIQUE_ID") != "" }

// moveSibling looks for another worker of the same cluster that listens where the inspector of p should, and moves it away.
func moveSibling(ctx context.Context, p process, want tcpAddress) (moved bool) {
	if !clusterWorker(p) {
		return false
	}
	self, err := procfs.NewProc(p.PID)
	if err != nil {
		return false
	}
	stat, err := self.Stat()
	if err != nil {
		return false
	}
	all, err := procfs.AllProcs()
	if err != nil {
		return false
	}
	for _, other := range all {
		if its, err := other.Stat(); err != nil || its.PPID != stat.PPID || other.PID == p.PID || !clusterWorker(process{PID: other.PID}) {
			continue
		}
		sockets, _ := listenersOf(other.PID)
		if !slices.ContainsFunc(sockets, func(l listener) bool { return l.at.same(want) }) {
			continue
		}
		sibling, err := look(other.PID)
		if err != nil {
			return false
		}
		return newNodeProcess(sibling, want).move(ctx) == nil // it is found there when its turn comes
	}
	return false
}

// exportsNode tells if the program of a process has Node.js in it: Node exports its functions for add-ons to link with.
func exportsNode(p process) bool {
	if p.maps("libnode.so") {
		return true
	}
	program, err := elf.Open(kernel.Path(p.PID, "exe"))
	if err != nil {
		return false
	}
	defer func() { _ = program.Close() }()
	symbols, err := program.DynamicSymbols()
	return err == nil && slices.ContainsFunc(symbols, func(s elf.Symbol) bool { return s.Name == "node_module_register" })
}

// dialInNamespace returns a function that dials in the network namespace of a process.
func dialInNamespace(pid int) inspectorDialer {
	return func(ctx context.Context, network, at string) (net.Conn, error) {
		var connection net.Conn
		err := inNetworkOf(pid, func() (err error) {
			connection, err = new(net.Dialer).DialContext(ctx, network, at)
			return err
		})
		return connection, err
	}
}

// inNetworkOf calls do on a thread that is in the network namespace of a process.
func inNetworkOf(pid int, do func() error) error {
	own, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	others, err := os.Readlink(kernel.Path(pid, "ns/net"))
	if err != nil {
		return err
	}
	if own == others {
		return do()
	}
	done := make(chan error, 1)
	go func() { done <- entered(pid, do) }()
	return <-done
}

// entered calls do in the network namespace of a process, which its thread enters and leaves. A thread that cannot leave
// ends with the goroutine, which must have been started for this.
func entered(pid int, do func() error) error {
	goruntime.LockOSThread()
	own, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	defer func() { _ = own.Close() }()
	others, err := os.Open(kernel.Path(pid, "ns/net"))
	if err != nil {
		return err
	}
	defer func() { _ = others.Close() }()
	if err := unix.Setns(int(others.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("entering the network namespace of process %d, which needs root: %w", pid, err)
	}
	defer func() {
		if unix.Setns(int(own.Fd()), unix.CLONE_NEWNET) == nil {
			goruntime.UnlockOSThread()
		}
	}()
	return do()
}
