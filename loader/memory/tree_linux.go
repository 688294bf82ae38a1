package memory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"syscall"

	"github.com/prometheus/procfs"
)

// TreeSource names what OfTree reads.
const TreeSource = "/proc, summed over the server's process tree"

// OfTree returns a Reader for the process root and all its descendants. Nothing is asked of the processes:
// the figures are those that the kernel shows in /proc/PID/status (VmRSS and its parts).
func OfTree(root int) Reader {
	t := &tree{root: root}
	return func(context.Context) (Reading, error) { return t.read() }
}

// tree finds the descendants of a process. It remembers every process's parent, since asking all processes of
// a machine for it, ten times a second, would take a share of a core.
type tree struct {
	root int

	mu      sync.Mutex
	parents map[int]int
}

func (t *tree) read() (Reading, error) {
	fs, err := procfs.NewFS(procfs.DefaultMountPoint)
	if err != nil {
		return Reading{}, err
	}
	pids, err := t.descendants()
	if err != nil {
		return Reading{}, err
	}
	sum := Reading{Parts: &Parts{}}
	for _, pid := range pids {
		if err := sum.add(fs, pid); err != nil && !isGone(err) {
			return Reading{}, fmt.Errorf("memory of process %d: %w", pid, err)
		}
	}
	if sum.Total == 0 { // a zombie has no memory either
		return Reading{}, fmt.Errorf("process %d: %w", t.root, ErrGone)
	}
	return sum, nil
}

func (r *Reading) add(fs procfs.FS, pid int) error {
	process, err := fs.Proc(pid)
	if err != nil {
		return err
	}
	status, err := process.NewStatus()
	if err != nil {
		return err
	}
	r.Total += int64(status.VmRSS)
	r.Parts.Anonymous += int64(status.RssAnon)
	r.Parts.File += int64(status.RssFile)
	r.Parts.Shared += int64(status.RssShmem)
	r.Processes++
	return nil
}

func isGone(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH)
}

// descendants returns root and every process below it, or ErrGone.
func (t *tree) descendants() ([]int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
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
				continue // it ended since it was listed
			}
		}
		t.parents[pid] = parent
		children[parent] = append(children[parent], pid)
	}
	tree := []int{t.root}
	for i := 0; i < len(tree); i++ {
		tree = append(tree, children[tree[i]]...)
	}
	return tree, nil
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

// parentOf reads the parent's PID from /proc/PID/stat: PID (command) state parent ...; the command may itself
// hold blanks and parentheses.
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
