package memory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"github.com/prometheus/procfs"
)

// TreeSource names what OfTree reads.
const TreeSource = "/proc, summed over the server's process tree"

// OfTree returns a Reader for the process root and all its descendants. Nothing is asked of the processes:
// the figures are those that the kernel shows in /proc/PID/status (VmRSS and its parts).
func OfTree(root int) Reader {
	return func(context.Context) (Reading, error) {
		fs, err := procfs.NewFS(procfs.DefaultMountPoint)
		if err != nil {
			return Reading{}, err
		}
		pids, err := descendants(root)
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
			return Reading{}, fmt.Errorf("process %d: %w", root, ErrGone)
		}
		return sum, nil
	}
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
func descendants(root int) ([]int, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	children := make(map[int][]int, len(stats))
	alive := false
	for _, path := range stats {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		parent, err := parentOf(path)
		if err != nil {
			continue // it ended since it was listed
		}
		alive = alive || pid == root
		children[parent] = append(children[parent], pid)
	}
	if !alive {
		return nil, fmt.Errorf("process %d: %w", root, ErrGone)
	}
	tree := []int{root}
	for i := 0; i < len(tree); i++ {
		tree = append(tree, children[tree[i]]...)
	}
	slices.Sort(tree)
	return tree, nil
}

// parentOf reads the parent's PID from /proc/PID/stat. Of its 52 fields only the fourth is wanted, for every
// process of the machine, ten times a second: parsing them all would cost ten times as much.
func parentOf(path string) (int, error) {
	stat, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	// PID (command) state parent ...; the command may itself hold blanks and parentheses.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 {
		return 0, fmt.Errorf("%s: no parent in %q", path, stat)
	}
	return strconv.Atoi(string(fields[1]))
}
