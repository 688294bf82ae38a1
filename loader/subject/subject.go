// Package subject finds, starts, watches and stops the server under test. It knows nothing about load or memory.
package subject

import (
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"
)

// stopLimit is the time between SIGTERM and SIGKILL.
const stopLimit = 5 * time.Second

// Process is a server that Launch started.
type Process struct {
	PID         int
	started     uint64 // in the unit of startOf
	environment variables
	command     *exec.Cmd
	guard       *guard
	exited      chan struct{} // closed when the process has ended and status is set
	status      error
	stopped     chan struct{} // closed by Stop

	mu      sync.Mutex
	orphans []known // children of this program that belong to the server
}

// launched are the servers that Stop was not called for. Orphans become children of this program, not of one of them.
var launched struct {
	mu      sync.Mutex
	servers []*Process
}

// Launch starts command with the given environment (as in exec.Cmd) in a new process group, so that Ctrl-C reaches only the
// loader. Its stdout and stderr go to output. If the loader ends without calling Stop, for any reason, the whole group is
// ended. Launch fails when the command or its guard cannot be started.
func Launch(command []string, environment []string, output io.Writer) (*Process, error) {
	guard, err := startGuard()
	if err != nil {
		return nil, err
	}
	adoptOrphans()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = environment
	cmd.Stdout = output
	cmd.Stderr = output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		guard.dismiss()
		return nil, fmt.Errorf("cannot start the server: %w", err)
	}
	if err := guard.watch(cmd.Process.Pid); err != nil {
		_ = killGroup(cmd.Process.Pid, syscall.SIGKILL)
		guard.dismiss()
		return nil, errors.Join(err, cmd.Wait())
	}
	p := &Process{
		PID: cmd.Process.Pid, environment: variablesOf(cmd.Environ()), command: cmd, guard: guard,
		exited: make(chan struct{}), stopped: make(chan struct{}),
	}
	p.started, _ = startOf(p.PID) // 0 if it has just ended
	launched.mu.Lock()
	launched.servers = append(launched.servers, p)
	launched.mu.Unlock()
	go func() {
		p.status = cmd.Wait()
		close(p.exited)
	}()
	go reapOrphans(p.stopped)
	return p, nil
}

// Follow takes the process pid for a part of the server if it descends from this program, though not from the server's
// first process: the server has put it into the background. Stop ends its whole tree, and so does the guard if the loader
// ends before. The result is false if it does not descend from this program, as it is on systems other than Linux. It fails
// if the guard cannot be reached.
func (p *Process) Follow(pid int) (followed bool, err error) {
	top := ancestry(pid)
	if top == 0 || top == p.PID {
		return top != 0, nil
	}
	return p.follow(top)
}

// follow is Follow for a child of this program. The result is false if it has just ended.
func (p *Process) follow(child int) (followed bool, err error) {
	orphan, err := knownOf(child)
	if err != nil {
		return false, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if slices.ContainsFunc(p.orphans, orphan.is) {
		return true, nil
	}
	p.orphans = append(p.orphans, orphan)
	return true, p.guard.watchOrphan(child, orphan.started)
}

// Adopt follows all processes that the server has put into the background: children of this program that are in the
// server's process group, or in another session than this program, which starts none itself. While several servers run,
// those in another session are told apart by the variables that only one of the servers was given. It fails as Follow does.
func (p *Process) Adopt() error {
	var failed error
	for _, child := range ownChildren() {
		if p.hasOrphaned(child) {
			_, err := p.follow(child)
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

// hasOrphaned is true if a child of this program comes from the server. A child that was there before does not.
func (p *Process) hasOrphaned(child int) bool {
	if child == p.PID {
		return false
	}
	if group, err := syscall.Getpgid(child); err != nil || group == p.PID {
		return err == nil
	}
	started, err := startOf(child)
	return err == nil && started >= p.started && hasLeftSession(child) && p.isOnlyOrigin(child)
}

// isOnlyOrigin is true if no other server runs that may have started the child.
func (p *Process) isOnlyOrigin(child int) bool {
	launched.mu.Lock()
	others := slices.DeleteFunc(slices.Clone(launched.servers), func(server *Process) bool { return server == p })
	launched.mu.Unlock()
	if len(others) == 0 {
		return true
	}
	inherited := environmentOf(child)
	return !slices.ContainsFunc(others, func(other *Process) bool {
		return !inherited.share(p.environment, other.environment) || inherited.share(other.environment, p.environment)
	})
}

// Orphans are the children of this program that Adopt or Follow have found, and that have not ended.
func (p *Process) Orphans() []int {
	_ = p.Adopt() // without a guard they are measured and stopped all the same
	p.mu.Lock()
	defer p.mu.Unlock()
	p.orphans = slices.DeleteFunc(p.orphans, func(orphan known) bool { return !running(orphan) })
	var pids []int
	for _, orphan := range p.orphans {
		pids = append(pids, int(orphan.Pid))
	}
	return pids
}

// Exited is closed when the server has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// EndedError is how a server ended: by a signal, or by itself with an exit code.
type EndedError struct {
	Signal syscall.Signal // 0 if it ended by itself
	Code   int
}

func (e *EndedError) Error() string {
	if e.Signal != 0 {
		return fmt.Sprintf("the server was killed by %s (%s)", signalName(e.Signal), e.Signal)
	}
	return fmt.Sprintf("the server ended by itself with exit code %d", e.Code)
}

// How is how it ended, in a word or two: killed (SIGKILL), or exit code 3.
func (e *EndedError) How() string {
	if e.Signal != 0 {
		return fmt.Sprintf("killed (%s)", signalName(e.Signal))
	}
	return fmt.Sprintf("exit code %d", e.Code)
}

// Err describes how the server ended, as an EndedError. It may be called only after Exited is closed.
func (p *Process) Err() error {
	state := p.command.ProcessState
	if p.status == nil {
		return &EndedError{}
	}
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return &EndedError{Signal: status.Signal()}
	}
	return &EndedError{Code: state.ExitCode()}
}

// Stop ends the server and everything it started: SIGTERM, and SIGKILL after 5 s. It returns when no process of the
// server's group is left, nor any descendant that had left the group, nor any that Adopt or Follow have found. It fails when a
// process cannot be signalled, or has not ended 5 s after SIGKILL, as one that is frozen. The others are ended even then.
func (p *Process) Stop() error {
	launched.mu.Lock()
	launched.servers = slices.DeleteFunc(launched.servers, func(server *Process) bool { return server == p })
	launched.mu.Unlock()
	orphans := p.Orphans()
	p.mu.Lock()
	select {
	case <-p.stopped:
	default:
		close(p.stopped)
	}
	p.mu.Unlock()
	defer p.guard.dismiss()
	strays := slices.DeleteFunc(descendants(p.PID), func(child known) bool {
		group, err := syscall.Getpgid(int(child.Pid))
		return err != nil || group == p.PID
	})
	for _, pid := range orphans {
		if orphan, err := knownOf(pid); err == nil {
			strays = append(append(strays, orphan), descendants(pid)...)
		}
	}
	// The group first: a master may want to end its workers itself.
	err := killGroup(p.PID, syscall.SIGTERM)
	_ = killGroup(p.PID, syscall.SIGCONT) // a stopped process would not handle it
	stopped := make(chan error, 1)
	go func() { stopped <- stopAll(strays) }()
	if err != nil && !errors.Is(err, syscall.ESRCH) {
		return errors.Join(fmt.Errorf("cannot stop the server, process %d: %w", p.PID, err), <-stopped)
	}
	return errors.Join(p.awaitGroup(), <-stopped)
}

// awaitGroup waits until no process of the server's group is left, and kills the group after 5 s. It waits for 5 s more then.
func (p *Process) awaitGroup() error {
	if p.groupEndsInTime() {
		return nil
	}
	if err := killGroup(p.PID, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("cannot kill the server, process %d: %w", p.PID, err)
	}
	if !p.groupEndsInTime() {
		return stuckError(p.PID)
	}
	return nil
}

// groupEndsInTime waits until no process of the server's group is left. It is false if that takes more than 5 s.
func (p *Process) groupEndsInTime() bool {
	for deadline := time.Now().Add(stopLimit); !p.groupEnded(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

// stuckError is the error of a process that SIGKILL does not end.
func stuckError(pid int) error {
	return fmt.Errorf("process %d has not ended %s after SIGKILL: it is frozen, traced, or stuck in the kernel", pid, stopLimit)
}

func (p *Process) groupEnded() bool {
	select {
	case <-p.exited:
		reapGroup(p.PID)
		return errors.Is(killGroup(p.PID, 0), syscall.ESRCH)
	default:
		return false
	}
}

// killGroup is a variable for the tests: a process that may not be signalled is another user's.
var killGroup = func(leader int, signal syscall.Signal) error {
	return syscall.Kill(-leader, signal)
}

func signalName(signal syscall.Signal) string {
	names := map[syscall.Signal]string{
		syscall.SIGKILL: "SIGKILL", syscall.SIGTERM: "SIGTERM", syscall.SIGSEGV: "SIGSEGV",
		syscall.SIGABRT: "SIGABRT", syscall.SIGINT: "SIGINT", syscall.SIGBUS: "SIGBUS",
	}
	if name, known := names[signal]; known {
		return name
	}
	return fmt.Sprintf("signal %d", int(signal))
}
