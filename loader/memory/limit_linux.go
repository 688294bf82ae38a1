package memory

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"leaklab/loader/cgroup"
)

// LimitOf returns the lowest memory limit of the process's cgroup and those above it, or the memory of the machine if that
// is lower.
func LimitOf(pid int) Limit {
	machine := machineLimit()
	if limit, found := cgroupLimit(pid); found && (machine.Bytes == 0 || limit < machine.Bytes) {
		return Limit{Bytes: limit, Of: "its cgroup"}
	}
	return machine
}

func cgroupLimit(pid int) (int64, bool) {
	smallest, found := int64(0), false
	for _, group := range accounts(cgroup.Of(pid)) {
		limit, ok := readLimit(filepath.Join(group.folder, group.limitFile))
		if ok && (!found || limit < smallest) {
			smallest, found = limit, true
		}
	}
	return smallest, found
}

func readLimit(path string) (int64, bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64) // "max" means no limit
	return limit, err == nil && limit > 0
}
