package memory

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"leaklab/loader/cgroup"
)

// account is where a control group accounts for memory.
type account struct {
	folder    string
	limitFile string
	keys      accountKeys
}

// accountKeys are the names that memory.stat has for what Cgroup holds.
type accountKeys struct{ anonymous, file, socket string }

// accounts returns those of the groups that account for memory, in the same order.
func accounts(groups []cgroup.Group) []account {
	var all []account
	for _, group := range groups {
		switch {
		case group.Controllers == nil:
			all = append(all, account{group.Folder, "memory.max", accountKeys{"anon", "file", "sock"}})
		case group.Has("memory"):
			all = append(all, account{group.Folder, "memory.limit_in_bytes", accountKeys{"total_rss", "total_cache", ""}})
		}
	}
	return all
}

// OwnCgroup returns what completes a reading with the memory of the control group that holds the process root,
// its descendants and nobody else, as that of a container does. It adds nothing while there is no such group; a
// health check that is run in a container is a stranger there, for a moment.
func OwnCgroup(root int) func(context.Context, *Reading) {
	var own *account
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

func findOwn(root int) *account {
	for _, group := range accounts(cgroup.Of(root)) {
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

func (a account) read() (Cgroup, error) {
	text, err := os.ReadFile(filepath.Join(a.folder, "memory.stat"))
	if err != nil {
		return Cgroup{}, err
	}
	return a.keys.parse(string(text)), nil
}

// parse reads memory.stat, which has a name and a number of bytes a line.
func (k accountKeys) parse(text string) Cgroup {
	values := make(map[string]int64)
	for line := range strings.Lines(text) {
		if name, value, found := strings.Cut(strings.TrimSpace(line), " "); found {
			values[name], _ = strconv.ParseInt(value, 10, 64)
		}
	}
	return Cgroup{Anonymous: values[k.anonymous], File: values[k.file], Socket: values[k.socket]}
}
