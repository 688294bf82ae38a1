package subject

import (
	"slices"
	"syscall"

	"github.com/shirou/gopsutil/v4/process"
)

// FilesLimit is the limit of open files of the process (RLIMIT_NOFILE), sockets included; 0 if unknown.
func FilesLimit(pid int) int {
	p, err := process.NewProcess(int32(pid))
	if err != nil {
		return 0
	}
	limits, _ := p.Rlimit() // known on Linux only
	for _, limit := range limits {
		if limit.Resource == syscall.RLIMIT_NOFILE {
			return int(limit.Soft)
		}
	}
	return 0
}

// IsStopped is true if the process is stopped, by SIGSTOP or a similar signal.
func IsStopped(pid int) bool {
	p, err := process.NewProcess(int32(pid))
	if err != nil {
		return false
	}
	states, _ := p.Status()
	return slices.Contains(states, process.Stop)
}
