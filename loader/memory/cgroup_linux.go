package memory

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"leaklab/loader/cgroup"
)

// account is a control group that accounts for memory.
type account struct {
	folder    string
	limitFile string
	keys      accountKeys
}

// accountKeys are the names in memory.stat of the fields of Cgroup.
type accountKeys struct{ anonymous, file, shared, socket string }

// accounts returns the groups that account for memory, in the same order.
func accounts(groups []cgroup.Group) []account {
	var all []account
	for _, group := range groups {
		switch {
		case group.Controllers == nil:
			all = append(all, account{group.Folder, "memory.max", accountKeys{"anon", "file", "shmem", "sock"}})
		case group.Has("memory"):
			all = append(all, account{group.Folder, "memory.limit_in_bytes", accountKeys{"total_rss", "total_cache", "total_shmem", ""}})
		}
	}
	return all
}

// ownCgroup returns a function that adds the memory of the server's control group to a reading. That is a group with the
// process root and its descendants only, as a container has. The function adds nothing until there is one: a health check
// in a container is another process there, for a moment.
func ownCgroup(root int) func(context.Context, *Reading) {
	group := ownGroup{find: func() *account { return findOwn(root) }}
	return func(_ context.Context, reading *Reading) { group.complete(reading) }
}

// ownGroup is a server's control group.
type ownGroup struct {
	find    func() *account // nil if there is none
	account *account        // nil until it is found
	begun   bool            // there has been a reading
	counts  bool            // it was read at the first reading: later, what it held before would be a step in held memory
	shared  int64           // as it was last read
}

// complete adds what the group tells to a reading.
func (g *ownGroup) complete(reading *Reading) {
	first := !g.begun
	g.begun = true
	if g.account == nil {
		g.account = g.find()
	}
	if g.account == nil {
		return
	}
	if memory, err := g.account.read(); err == nil {
		reading.Cgroup, g.shared = &memory, memory.Shared
		g.counts = g.counts || first
	}
	if g.counts {
		reading.addUnmapped(g.shared)
	}
}

// addUnmapped takes into account how much shared memory the control group shows, in bytes: files in a tmpfs that no process
// has open are there alone.
func (r *Reading) addUnmapped(shared int64) {
	if r.Held != nil && r.Parts != nil {
		r.Held.Unmapped = max(r.Held.Unmapped, shared-r.Parts.Shared-r.Held.heapFiles)
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

// onlyOf is true if the members, one PID a line, are root and its descendants only.
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

// parse reads memory.stat, with a name and a number of bytes on each line.
func (k accountKeys) parse(text string) Cgroup {
	values := make(map[string]int64)
	for line := range strings.Lines(text) {
		if name, value, found := strings.Cut(strings.TrimSpace(line), " "); found {
			values[name], _ = strconv.ParseInt(value, 10, 64)
		}
	}
	shared := values[k.shared] // which the kernel counts as file, too
	return Cgroup{Anonymous: values[k.anonymous], File: max(0, values[k.file]-shared), Shared: shared, Socket: values[k.socket]}
}
