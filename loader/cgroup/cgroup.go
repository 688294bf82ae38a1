// Package cgroup finds the control groups that a process is in, of either version. It knows nothing of what they limit
// or account for.
package cgroup

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Group is a control group that a process is in, or one above it. It may not exist.
type Group struct {
	// Controllers are those of a hierarchy of version 1; nil in version 2, which has one hierarchy for all.
	Controllers []string
	Folder      string // where its files are
}

// Has says whether the group is of a hierarchy of version 1 that has the controller.
func (g Group) Has(controller string) bool { return slices.Contains(g.Controllers, controller) }

// Of returns the groups of a process, the nearest of each hierarchy first, as the process's own view of the file system
// shows them; in a container that has the container's group as the root. None if they may not be seen.
func Of(pid int) []Group {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return nil
	}
	return Parse(fmt.Sprintf("/proc/%d/root/sys/fs/cgroup", pid), string(text))
}

// Parse returns the groups of text, which has the format of /proc/PID/cgroup, below the folder where control groups are
// mounted. Lines in another format are left out.
func Parse(mounted, text string) []Group {
	var groups []Group
	for line := range strings.Lines(text) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3) // hierarchy:controllers:path
		if len(fields) != 3 {
			continue
		}
		var controllers []string
		if fields[1] != "" {
			controllers = strings.Split(fields[1], ",")
		}
		for path := filepath.Clean("/" + fields[2]); ; path = filepath.Dir(path) {
			groups = append(groups, Group{controllers, filepath.Join(mounted, fields[1], path)})
			if path == "/" {
				break
			}
		}
	}
	return groups
}
