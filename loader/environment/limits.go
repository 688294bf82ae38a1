package environment

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// limitsOf reads the limits of the control groups that the process is in, as its own view of the file system shows
// them; in a container that has the container's group as the root.
func limitsOf(pid int) Limits {
	groups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return Limits{}
	}
	return readLimits(fmt.Sprintf("/proc/%d/root/sys/fs/cgroup", pid), string(groups))
}

// readLimits reads the limits of groups, in the format of /proc/PID/cgroup of either version, from the folder where
// control groups are mounted.
func readLimits(mounted, groups string) Limits {
	var limits Limits
	for line := range strings.Lines(groups) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3) // hierarchy:controllers:path
		if len(fields) != 3 {
			continue
		}
		for folder := range above(filepath.Clean("/" + fields[2])) {
			limits.lower(mounted, fields[1], folder)
		}
	}
	return limits
}

// above yields a path and all above it, up to the root.
func above(path string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for yield(path) && path != "/" {
			path = filepath.Dir(path)
		}
	}
}

// lower takes over the limits of one group that are lower. Version 2 has no controllers in its name.
func (l *Limits) lower(mounted, controllers, folder string) {
	read := func(top, file string) []string {
		text, err := os.ReadFile(filepath.Join(mounted, top, folder, file))
		if err != nil {
			return nil
		}
		return strings.Fields(string(text))
	}
	if controllers == "" {
		lowest(&l.MemoryBytes, read("", "memory.max"))
		lowest(&l.Processes, read("", "pids.max"))
		if cpu := read("", "cpu.max"); len(cpu) == 2 {
			l.lowerCPUs(cpu[0], cpu[1])
		}
		return
	}
	names := strings.Split(controllers, ",")
	if slices.Contains(names, "memory") {
		lowest(&l.MemoryBytes, read(controllers, "memory.limit_in_bytes"))
	}
	if slices.Contains(names, "pids") {
		lowest(&l.Processes, read(controllers, "pids.max"))
	}
	if slices.Contains(names, "cpu") {
		quota, period := read(controllers, "cpu.cfs_quota_us"), read(controllers, "cpu.cfs_period_us")
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
