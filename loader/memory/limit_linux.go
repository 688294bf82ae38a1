package memory

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// LimitOf returns the limit of the cgroup that the process is in, or of the nearest one above that has a limit,
// or else the memory of the machine.
func LimitOf(pid int) Limit {
	machine := machineLimit()
	if limit, found := cgroupLimit(pid); found && (machine.Bytes == 0 || limit < machine.Bytes) {
		return Limit{Bytes: limit, Of: "its cgroup"}
	}
	return machine
}

// cgroupLimit looks for the limit in the process's own view of the file system, which in a container shows its
// own cgroup as the root, in both versions of cgroups.
func cgroupLimit(pid int) (int64, bool) {
	paths, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return 0, false
	}
	root := fmt.Sprintf("/proc/%d/root/sys/fs/cgroup", pid)
	smallest, found := int64(0), false
	for _, file := range limitFiles(paths) {
		limit, ok := readLimit(filepath.Join(root, file))
		if ok && (!found || limit < smallest) {
			smallest, found = limit, true
		}
	}
	return smallest, found
}

// limitFiles returns where the limits of the cgroups of /proc/PID/cgroup, and of those above, may stand, below
// /sys/fs/cgroup.
func limitFiles(cgroups []byte) []string {
	var files []string
	lines := bufio.NewScanner(bytes.NewReader(cgroups))
	for lines.Scan() {
		// hierarchy:controllers:path; version 2 has no controllers.
		fields := strings.SplitN(lines.Text(), ":", 3)
		if len(fields) != 3 {
			continue
		}
		folder, file := "", "memory.max"
		if fields[1] != "" {
			folder, file = "memory", "memory.limit_in_bytes"
		}
		if fields[1] != "" && fields[1] != "memory" {
			continue
		}
		for path := filepath.Clean("/" + fields[2]); ; path = filepath.Dir(path) {
			files = append(files, filepath.Join(folder, path, file))
			if path == "/" {
				break
			}
		}
	}
	return files
}

func readLimit(path string) (int64, bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64) // "max" stands for none
	return limit, err == nil && limit > 0
}
