package subject

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/procfs"
	"github.com/shirou/gopsutil/v4/process"
	"golang.org/x/sys/unix"

	"leaklab/loader/kernel"
)

// AdoptsOrphans is true if Follow can tell what the server has put into the background.
const AdoptsOrphans = true

// adoptOrphans makes this program the parent of processes that a server orphans, such as one that puts itself into the
// background, in place of process 1 (PR_SET_CHILD_SUBREAPER). On kernels before 3.4 it does nothing.
func adoptOrphans() {
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
}

// ancestry returns the child of this program that pid descends from, which is pid itself if it is a child; 0 if it does
// not descend from this program.
func ancestry(pid int) int {
	own := os.Getpid()
	for pid > 1 {
		parent := parentOf(pid)
		if parent == own {
			return pid
		}
		pid = parent
	}
	return 0
}

// ownChildren returns the children of this program. They are in /proc/PID/task/TID/children; where the kernel has no such
// files (CONFIG_PROC_CHILDREN) all processes are looked at.
func ownChildren() []int {
	files, _ := filepath.Glob(filepath.Join(procfs.DefaultMountPoint, "self/task/*/children"))
	var children []int
	for _, file := range files {
		text, _ := os.ReadFile(file) // the thread may have ended
		for _, word := range strings.Fields(string(text)) {
			if pid, err := strconv.Atoi(word); err == nil {
				children = append(children, pid)
			}
		}
	}
	if len(files) > 0 {
		return children
	}
	own := process.Process{Pid: int32(os.Getpid())}
	all, _ := own.Children()
	for _, child := range all {
		children = append(children, int(child.Pid))
	}
	return children
}

// hasLeftSession is true if a process is in another session than this program (setsid).
func hasLeftSession(pid int) bool {
	session, err := unix.Getsid(pid)
	own, ownErr := unix.Getsid(0)
	return err == nil && ownErr == nil && session != own
}

// startOf is when a process started, in clock ticks since the boot. It fails if the process has ended.
func startOf(pid int) (uint64, error) { return kernel.StartOf(pid) }

// reapInterval is the time between looks for orphans that have ended.
const reapInterval = 2 * time.Second

// reapOrphans waits for adopted orphans that have ended, which would stay as zombies, until done is closed. What this
// program has started is waited for at once, so that a child that is still a zombie at the next look is an orphan.
func reapOrphans(done <-chan struct{}) {
	var before map[int]bool
	for ticks := time.NewTicker(reapInterval); ; {
		select {
		case <-done:
			ticks.Stop()
			return
		case <-ticks.C:
		}
		ended := zombies()
		for pid := range ended {
			if before[pid] {
				_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil)
			}
		}
		before = ended
	}
}

// reapGroup waits for the adopted orphans of a process group that have ended. Its leader has to have been waited for.
func reapGroup(leader int) {
	for {
		if pid, err := unix.Wait4(-leader, nil, unix.WNOHANG, nil); err != nil || pid == 0 {
			return
		}
	}
}

// zombies returns the children of this program that have ended and were not waited for.
func zombies() map[int]bool {
	var first unix.Siginfo // Signo stays 0 if there is none
	err := unix.Waitid(unix.P_ALL, 0, &first, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	if err != nil || first.Signo == 0 {
		return nil
	}
	processes, err := procfs.AllProcs()
	if err != nil {
		return nil
	}
	own, found := os.Getpid(), make(map[int]bool)
	for _, p := range processes {
		if stat, err := p.Stat(); err == nil && stat.PPID == own && stat.State == "Z" {
			found[p.PID] = true
		}
	}
	return found
}
