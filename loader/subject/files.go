package subject

import (
	"slices"
	"syscall"

	"github.com/shirou/gopsutil/v4/process"
)

// FilesLimit is how many files, sockets included, the process may have open; 0 if that cannot be told.
func FilesLimit(pid int) int {
	p, err := process.NewProcess(int32(pid))
	if err != nil {
		return 0
	}
	limits, _ := p.Rlimit() // Linux alone tells
	for _, limit := range limits {
		if limit.Resource == syscall.RLIMIT_NOFILE {
			return int(limit.Soft)
		}
	}
	return 0
}

// IsStopped says whether the process has been stopped, by SIGSTOP or the like.
func IsStopped(pid int) bool {
	p, err := process.NewProcess(int32(pid))
	if err != nil {
		return false
	}
	states, _ := p.Status()
	return slices.Contains(states, process.Stop)
}
