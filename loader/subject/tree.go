package subject

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/shirou/gopsutil/v4/process"
)

// known is a process, and when it started, which tells it from a later process with the same PID.
type known struct {
	*process.Process
	started uint64 // in the unit of startOf
}

// knownOf fails if the process has ended.
func knownOf(pid int) (known, error) {
	p, err := process.NewProcess(int32(pid))
	if err != nil {
		return known{}, err
	}
	started, err := startOf(pid)
	return known{p, started}, err
}

// is is true if both are the same process.
func (k known) is(other known) bool { return k.Pid == other.Pid && k.started == other.started }

// StopTree ends a process and its descendants: SIGTERM, and SIGKILL after 5 s. It fails when one cannot be signalled, or
// has not ended 5 s after SIGKILL.
func StopTree(pid int) error {
	root, err := knownOf(pid)
	if errors.Is(err, process.ErrorProcessNotRunning) || errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot stop process %d: %w", pid, err)
	}
	return stopAll(append([]known{root}, descendants(pid)...))
}

// descendants returns all processes below pid. Those that end during the call may be missing.
func descendants(pid int) []known {
	p, err := process.NewProcess(int32(pid))
	if err != nil {
		return nil
	}
	var all []known
	children, _ := p.Children()
	for _, child := range children {
		if child, err := knownOf(int(child.Pid)); err == nil {
			all = append(append(all, child), descendants(int(child.Pid))...)
		}
	}
	return all
}

// running is true if the process has not ended; another one that has taken over the PID does not count. A zombie with
// other threads runs: its first thread alone has ended. gopsutil's IsRunning compares times of day, which change with the
// clock of the machine.
func running(p known) bool {
	if started, err := startOf(int(p.Pid)); err != nil || started != p.started {
		return false
	}
	if states, _ := p.Status(); !slices.Contains(states, process.Zombie) {
		return true
	}
	threads, _ := p.NumThreads()
	return threads > 1
}

// stopAll ends the processes that still run. It fails as StopTree does.
func stopAll(processes []known) error {
	for _, signals := range [][]syscall.Signal{{syscall.SIGTERM, syscall.SIGCONT}, {syscall.SIGKILL}} { // a stopped one would not handle SIGTERM
		deadline := time.Now().Add(stopLimit)
		for asked := false; time.Now().Before(deadline); asked = true {
			processes = slices.DeleteFunc(processes, func(p known) bool { return !running(p) })
			if len(processes) == 0 {
				return nil
			}
			if asked {
				time.Sleep(10 * time.Millisecond)
				continue
			}
			for _, p := range processes {
				if err := signalAll(p, signals); err != nil {
					return err
				}
			}
		}
	}
	return stuckError(int(processes[0].Pid))
}

// signalAll sends the signals to a process. One that has ended meanwhile is no error.
func signalAll(p known, signals []syscall.Signal) error {
	for _, signal := range signals {
		if err := p.SendSignal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("cannot stop process %d: %w", p.Pid, err)
		}
	}
	return nil
}
