package memory

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// cgroup is where a control group that accounts for memory shows itself.
type cgroup struct {
	folder    string
	limitFile string
	keys      cgroupKeys
}

// cgroupKeys are the names that memory.stat has for what Cgroup holds.
type cgroupKeys struct{ anonymous, file, socket string }

// cgroupsOf returns the control groups that the process is in, the nearest first, as the process's own view of
// the file system shows them; in a container that has the container's group as the root. Some may not exist.
func cgroupsOf(pid int) []cgroup {
	paths, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return nil
	}
	groups := parseCgroups(paths)
	for i := range groups {
		groups[i].folder = filepath.Join(fmt.Sprintf("/proc/%d/root/sys/fs/cgroup", pid), groups[i].folder)
	}
	return groups
}

// parseCgroups reads /proc/PID/cgroup, of either version. Folders are below /sys/fs/cgroup.
func parseCgroups(text []byte) []cgroup {
	var groups []cgroup
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		// hierarchy:controllers:path; version 2 has no controllers.
		fields := strings.SplitN(lines.Text(), ":", 3)
		if len(fields) != 3 {
			continue
		}
		var top string
		var group cgroup
		switch fields[1] {
		case "":
			group = cgroup{limitFile: "memory.max", keys: cgroupKeys{"anon", "file", "sock"}}
		case "memory":
			top = "memory"
			group = cgroup{limitFile: "memory.limit_in_bytes", keys: cgroupKeys{"total_rss", "total_cache", ""}}
		default:
			continue
		}
		for path := filepath.Clean("/" + fields[2]); ; path = filepath.Dir(path) {
			group.folder = filepath.Join(top, path)
			groups = append(groups, group)
			if path == "/" {
				break
			}
		}
	}
	return groups
}

// OwnCgroup returns what completes a reading with the memory of the control group that holds the process root,
// its descendants and nobody else, as that of a container does. It adds nothing while there is no such group; a
// health check that is run in a container is a stranger there, for a moment.
func OwnCgroup(root int) func(context.Context, *Reading) {
	var own *cgroup
	return func(_ context.Context, reading *Reading) {
		if own == nil {
			own = findOwn(root)
		}
		if own == nil {
			return
		}
		if memory, err := own.read(); err == nil {
			reading.Cgroup = &memory
		}
	}
}

func findOwn(root int) *cgroup {
	for _, group := range cgroupsOf(root) {
		if members, err := os.ReadFile(filepath.Join(group.folder, "cgroup.procs")); err == nil && onlyOf(root, members) {
			return &group
		}
	}
	return nil
}

// onlyOf says whether the members, a PID a line, are root and descendants of it.
func onlyOf(root int, members []byte) bool {
	descendants, err := (&tree{root: root}).descendants()
	if err != nil {
		return false
	}
	family := make(map[string]bool, len(descendants))
	for _, pid := range descendants {
		family[strconv.Itoa(pid)] = true
	}
	pids := strings.Fields(string(members))
	for _, pid := range pids {
		if !family[pid] {
			return false
		}
	}
	return len(pids) > 0
}

func (c cgroup) read() (Cgroup, error) {
	text, err := os.ReadFile(filepath.Join(c.folder, "memory.stat"))
	if err != nil {
		return Cgroup{}, err
	}
	return c.keys.parse(string(text)), nil
}

// parse reads memory.stat, which has a name and a number of bytes a line.
func (k cgroupKeys) parse(text string) Cgroup {
	values := make(map[string]int64)
	for line := range strings.Lines(text) {
		if name, value, found := strings.Cut(strings.TrimSpace(line), " "); found {
			values[name], _ = strconv.ParseInt(value, 10, 64)
		}
	}
	return Cgroup{Anonymous: values[k.anonymous], File: values[k.file], Socket: values[k.socket]}
}
