package memory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"

	"github.com/prometheus/procfs"
)

// TreeSource describes what OfTree reads.
const TreeSource = "/proc, summed over the server's process tree"

// OfTree returns a Reader for the process root and all its descendants. The figures are the kernel's, in /proc/PID/status
// (VmRSS and its parts), so that the processes do no work. From the first reading with several processes, shared pages
// count once, by /proc/PID/smaps_rollup (PSS), where it is readable. The functions adopted return children of this program
// that belong to the server as well, with their descendants.
func OfTree(root int, adopted ...func() []int) Reader {
	t := &tree{root: root, adopted: adopted}
	return func(context.Context) (Reading, error) { return t.read() }
}

// Processes returns a function that lists the processes that OfTree reads. Its error wraps ErrGone when root has ended.
func Processes(root int, adopted ...func() []int) func() ([]int, error) {
	t := &tree{root: root, adopted: adopted}
	return func() ([]int, error) {
		t.mu.Lock()
		defer t.mu.Unlock()
		return t.descendants()
	}
}

// tree finds the descendants of a process. It caches the parent of every process: reading all of them ten times a second
// would cost noticeable CPU time.
type tree struct {
	root    int
	adopted []func() []int // children of this program that belong to the server

	mu           sync.Mutex
	parents      map[int]int
	proportional sharing
}

// sharing is how shared pages count. It never goes back, so that readings stay comparable.
type sharing int

const (
	alone     sharing = iota // one process
	counted                  // once (PSS)
	forbidden                // for each process (RSS), since smaps_rollup is not readable
)

func (t *tree) read() (Reading, error) {
	fs, err := procfs.NewFS(procfs.DefaultMountPoint)
	if err != nil {
		return Reading{}, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	pids, err := t.descendants()
	if err != nil {
		return Reading{}, err
	}
	if t.proportional == alone && len(pids) > 1 {
		t.proportional = counted
	}
	if t.proportional == counted {
		sum, err := sumOf(fs, pids, readProportional)
		if !errors.Is(err, os.ErrPermission) {
			sum.Proportional = true
			return t.alive(sum, err)
		}
		t.proportional = forbidden
	}
	return t.alive(sumOf(fs, pids, readResident))
}

// alive returns the sum, or ErrGone if it is 0: a zombie has no memory either.
func (t *tree) alive(sum Reading, err error) (Reading, error) {
	if err == nil && sum.Total == 0 {
		err = fmt.Errorf("process %d: %w", t.root, ErrGone)
	}
	return sum, err
}

// sumOf adds up the memory of processes, by read, and their threads and open files.
func sumOf(fs procfs.FS, pids []int, read func(procfs.Proc) (Parts, error)) (Reading, error) {
	sum := Reading{Parts: &Parts{}}
	for _, pid := range pids {
		process, err := fs.Proc(pid)
		var parts Parts
		if err == nil {
			parts, err = read(process)
		}
		switch {
		case isGone(err):
			continue
		case err != nil:
			return Reading{}, fmt.Errorf("memory of process %d: %w", pid, err)
		}
		sum.Parts.Anonymous += parts.Anonymous
		sum.Parts.File += parts.File
		sum.Parts.Shared += parts.Shared
		sum.Total += parts.Anonymous + parts.File + parts.Shared
		sum.Processes++
		if stat, err := process.Stat(); err == nil {
			sum.Threads += stat.NumThreads
		}
		if open, err := process.FileDescriptorsLen(); err == nil {
			sum.OpenFiles += open
		}
	}
	return sum, nil
}

func readResident(process procfs.Proc) (Parts, error) {
	status, err := process.NewStatus()
	return Parts{Anonymous: int64(status.RssAnon), File: int64(status.RssFile), Shared: int64(status.RssShmem)}, err
}

// readProportional reads the parts of the process's proportional set size, which /proc has since Linux 5.9.
func readProportional(process procfs.Proc) (Parts, error) {
	text, err := os.ReadFile(fmt.Sprintf("%s/%d/smaps_rollup", procfs.DefaultMountPoint, process.PID))
	if err != nil {
		return Parts{}, err
	}
	return parseRollup(text)
}

// parseRollup reads lines such as "Pss_Anon:  112 kB", in units of 1024 bytes. A process that has just ended, a kernel
// thread or a zombie has no lines.
func parseRollup(text []byte) (Parts, error) {
	var parts Parts
	wanted := map[string]*int64{"Pss_Anon:": &parts.Anonymous, "Pss_File:": &parts.File, "Pss_Shmem:": &parts.Shared}
	found := 0
	for line := range bytes.Lines(text) {
		fields := bytes.Fields(line)
		if len(fields) != 3 || wanted[string(fields[0])] == nil {
			continue
		}
		kibibytes, err := strconv.ParseInt(string(fields[1]), 10, 64)
		if err != nil {
			return Parts{}, fmt.Errorf("smaps_rollup: %q: %w", line, err)
		}
		*wanted[string(fields[0])] = kibibytes << 10
		found++
	}
	if len(text) > 0 && found != len(wanted) {
		// Treated as not readable: kernels before 5.9 have only the sum.
		return Parts{}, fmt.Errorf("smaps_rollup without parts: %w", os.ErrPermission)
	}
	return parts, nil
}

func isGone(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH)
}

// descendants returns root and every process below it, or ErrGone.
func (t *tree) descendants() ([]int, error) {
	pids, err := allPIDs()
	if err != nil {
		return nil, err
	}
	known := t.parents
	t.parents = make(map[int]int, len(pids))
	alive := make(map[int]bool, len(pids))
	for _, pid := range pids {
		alive[pid] = true
	}
	if !alive[t.root] {
		return nil, fmt.Errorf("process %d: %w", t.root, ErrGone)
	}
	children := make(map[int][]int)
	for _, pid := range pids {
		parent, seen := known[pid]
		if !seen || !alive[parent] { // new, or adopted since its parent ended
			if parent, err = parentOf(pid); err != nil {
				continue // it has ended since
			}
		}
		t.parents[pid] = parent
		children[parent] = append(children[parent], pid)
	}
	tree := append([]int{t.root}, t.orphans(children[1])...)
	for _, adopted := range t.adopted {
		for _, pid := range adopted() {
			if slices.Contains(children[os.Getpid()], pid) { // it still is: no other process has its PID
				tree = append(tree, pid)
			}
		}
	}
	for i := 0; i < len(tree); i++ {
		tree = append(tree, children[tree[i]]...)
	}
	return tree, nil
}

// orphans returns the children of process 1 that the root has orphaned. If the root entered a PID namespace from outside,
// as a container may join that of another, process 1 adopts its orphans. They stay in the root's control groups.
func (t *tree) orphans(adopted []int) []int {
	if t.root == 1 || t.parents[t.root] != 0 {
		return nil
	}
	groups := controlGroups(t.root)
	return slices.DeleteFunc(slices.Clone(adopted), func(pid int) bool { return groups == "" || controlGroups(pid) != groups })
}

// controlGroups is the content of /proc/PID/cgroup; empty if it cannot be read.
func controlGroups(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	return string(text)
}

func allPIDs() ([]int, error) {
	proc, err := os.Open(procfs.DefaultMountPoint)
	if err != nil {
		return nil, err
	}
	defer proc.Close()
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// parentOf reads the parent's PID from /proc/PID/stat: PID (command) state parent ... The command may contain blanks and
// parentheses.
func parentOf(pid int) (int, error) {
	path := fmt.Sprintf("/proc/%d/stat", pid)
	stat, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 {
		return 0, fmt.Errorf("%s: no parent in %q", path, stat)
	}
	return strconv.Atoi(string(fields[1]))
}
