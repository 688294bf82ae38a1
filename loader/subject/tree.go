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

// StopTree ends a process and its descendants: SIGTERM, and SIGKILL after 5 s. It fails when one cannot be signalled.
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

// stopAll ends the processes that still run. gopsutil compares creation times, so that another process that has taken over
// the PID is safe.
func stopAll(processes []*process.Process) error {
	running := func(p *process.Process) bool {
		ok, err := p.IsRunning()
		status, _ := p.Status()
		return err == nil && ok && !slices.Contains(status, process.Zombie)
	}
	deadline := time.Now().Add(stopLimit)
	signal := syscall.SIGTERM
	for {
		processes = slices.DeleteFunc(processes, func(p *process.Process) bool { return !running(p) })
		if len(processes) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			signal = syscall.SIGKILL
		}
		if signal != 0 {
			for _, p := range processes {
				if err := p.SendSignal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) && !errors.Is(err, syscall.ESRCH) {
					return fmt.Errorf("cannot stop process %d: %w", p.Pid, err)
				}
			}
		}
		signal = 0
		time.Sleep(10 * time.Millisecond)
	}
}
