// Package cgroup finds the control groups of a process, of version 1 and 2 (cgroups(7)). It knows nothing of what they
// limit or account for.
package cgroup

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Group is a control group of a process, or one above it. Its folder may not exist.
type Group struct {
	// Controllers are those of the hierarchy in version 1; nil in version 2, which has one hierarchy for all.
	Controllers []string
	Folder      string // where its files are
}

// Has is true if the group belongs to a version 1 hierarchy with the given controller.
func (g Group) Has(controller string) bool { return slices.Contains(g.Controllers, controller) }

// Of returns the groups of a process, the nearest of each hierarchy first. Folders are below the process's root directory,
// so in a container the container's group is the root. It returns none if they are not readable.
func Of(pid int) []Group {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return nil
	}
	return Parse(fmt.Sprintf("/proc/%d/root/sys/fs/cgroup", pid), string(text))
}

// Parse returns the groups in text, with the format of /proc/PID/cgroup, for hierarchies below the folder mounted. It skips
// lines in another format.
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
