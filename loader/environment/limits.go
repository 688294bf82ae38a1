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

// lower takes over the limits of one group that are lower.
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

// noLimit is what version 1 shows for none: nearly the largest number, rounded down to a page.
const noLimit = 1 << 62

// lowest takes over a limit if it is one, and lower; "max" stands for none.
func lowest(limit *int64, words []string) {
	if len(words) != 1 {
		return
	}
	value, err := strconv.ParseInt(words[0], 10, 64)
	if err == nil && value > 0 && value < noLimit && (*limit == 0 || value < *limit) {
		*limit = value
	}
}

// lowerCPUs takes over a limit of quota in each period, both in microseconds.
func (l *Limits) lowerCPUs(quota, period string) {
	q, errQuota := strconv.ParseFloat(quota, 64) // "max" and -1 stand for none
	p, errPeriod := strconv.ParseFloat(period, 64)
	if errQuota == nil && errPeriod == nil && q > 0 && p > 0 && (l.CPUs == 0 || q/p < l.CPUs) {
		l.CPUs = q / p
	}
}
