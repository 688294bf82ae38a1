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

// StopTree ends a process and its descendants: SIGTERM, and SIGKILL after 5 s. It fails when one cannot be signalled, or
// has not ended 5 s after SIGKILL.
func StopTree(pid int) error {
	root, err := process.NewProcess(int32(pid))
	if errors.Is(err, process.ErrorProcessNotRunning) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot stop process %d: %w", pid, err)
	}
	return stopAll(append([]*process.Process{root}, descendants(pid)...))
}

// descendants returns all processes below pid. Those that end during the call may be missing.
func descendants(pid int) []*process.Process {
	p, err := process.NewProcess(int32(pid))
	if err != nil {
		return nil
	}
	var all []*process.Process
	children, _ := p.Children()
	for _, child := range children {
		all = append(append(all, child), descendants(int(child.Pid))...)
	}
	return all
}

// running is true if the process has not ended. gopsutil compares creation times, so that another process that has taken
// over the PID does not count. A zombie with other threads runs: its first thread alone has ended.
func running(p *process.Process) bool {
	if ok, err := p.IsRunning(); err != nil || !ok {
		return false
	}
	if states, _ := p.Status(); !slices.Contains(states, process.Zombie) {
		return true
	}
	threads, _ := p.NumThreads()
	return threads > 1
}

// stopAll ends the processes that still run. It fails as StopTree does.
func stopAll(processes []*process.Process) error {
	for _, signals := range [][]syscall.Signal{{syscall.SIGTERM, syscall.SIGCONT}, {syscall.SIGKILL}} { // a stopped one would not handle SIGTERM
		deadline := time.Now().Add(stopLimit)
		for asked := false; time.Now().Before(deadline); asked = true {
			processes = slices.DeleteFunc(processes, func(p *process.Process) bool { return !running(p) })
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
func signalAll(p *process.Process, signals []syscall.Signal) error {
	for _, signal := range signals {
		if err := p.SendSignal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("cannot stop process %d: %w", p.Pid, err)
		}
	}
	return nil
}
