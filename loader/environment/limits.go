package environment

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"leaklab/loader/cgroup"
)

// limitsOf returns the lowest limits of the groups.
func limitsOf(groups []cgroup.Group) Limits {
	var limits Limits
	for _, group := range groups {
		limits.lower(group)
	}
	return limits
}

// lower adopts the limits of a group that are lower.
func (l *Limits) lower(group cgroup.Group) {
	read := func(file string) []string {
		text, err := os.ReadFile(filepath.Join(group.Folder, file))
		if err != nil {
			return nil
		}
		return strings.Fields(string(text))
	}
	if group.Controllers == nil {
		lowest(&l.MemoryBytes, read("memory.max"))
		lowest(&l.Processes, read("pids.max"))
		if cpu := read("cpu.max"); len(cpu) == 2 {
			l.lowerCPUs(cpu[0], cpu[1])
		}
		return
	}
	if group.Has("memory") {
		lowest(&l.MemoryBytes, read("memory.limit_in_bytes"))
	}
	if group.Has("pids") {
		lowest(&l.Processes, read("pids.max"))
	}
	if group.Has("cpu") {
		quota, period := read("cpu.cfs_quota_us"), read("cpu.cfs_period_us")
		if len(quota) == 1 && len(period) == 1 {
			l.lowerCPUs(quota[0], period[0])
		}
	}
}

// noLimit and more is how version 1 shows that there is no limit: the largest number, rounded down to a page.
const noLimit = 1 << 62

// lowest adopts a limit if it is lower; "max" means no limit.
func lowest(limit *int64, words []string) {
	if len(words) != 1 {
		return
	}
	value, err := strconv.ParseInt(words[0], 10, 64)
	if err == nil && value > 0 && value < noLimit && (*limit == 0 || value < *limit) {
		*limit = value
	}
}

// lowerCPUs adopts a CPU limit of quota per period, both in microseconds.
func (l *Limits) lowerCPUs(quota, period string) {
	q, errQuota := strconv.ParseFloat(quota, 64) // "max" and -1 mean no limit
	p, errPeriod := strconv.ParseFloat(period, 64)
	if errQuota == nil && errPeriod == nil && q > 0 && p > 0 && (l.CPUs == 0 || q/p < l.CPUs) {
		l.CPUs = q / p
	}
}
