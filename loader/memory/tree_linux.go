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
	"time"

	"github.com/prometheus/procfs"

	"leaklab/loader/kernel"
)

// TreeSource describes what OfTree reads.
const TreeSource = "/proc, summed over the server's process tree"

// OfTree returns a Reader for the process root and all its descendants. The figures are the kernel's, so that the
// processes do no work.
//
// A complete reading is exact on every kernel: it is taken from /proc/PID/smaps_rollup and smaps, which walk the page
// tables. It counts anonymous and shared pages of the tree once each (Pss_Anon, Pss_Shmem), and a mapped file by the
// process that has most of it in RAM. So it does not change when other programs map the same files, nor when a first
// child appears. A heap in a file in memory, as ZGC has it, is anonymous memory. Other readings add to the last exact one
// what /proc/PID/status says has changed since: it takes a fraction of the time, but lags on many kernels. When processes
// have come or gone, a reading is exact as well.
//
// Where smaps_rollup is not readable, or has no parts (before Linux 5.9), all readings are the sums of what status
// tells: VmRSS and its parts. What several processes share counts for each of them then. The first reading decides. Of a
// process that comes later and may not be looked at, status tells anonymous and shared memory.
//
// The functions adopted return children of this program that belong to the server as well, with their descendants.
func OfTree(root int, adopted ...func() []int) Reader {
	t := &tree{root: root, adopted: adopted}
	return func(ctx context.Context) (Reading, error) {
		return lookAgain(ctx, root, func() (Reading, error) { return t.read(ctx) })
	}
}

// Processes returns a function that lists the processes that OfTree reads. Its error wraps ErrGone when root has ended.
func Processes(root int, adopted ...func() []int) func() ([]int, error) {
	t := &tree{root: root, adopted: adopted}
	return func() ([]int, error) {
		return lookAgain(context.Background(), root, func() ([]int, error) {
			t.mu.Lock()
			defer t.mu.Unlock()
			return t.descendants()
		})
	}
}

const (
	lookAgainAfter = 10 * time.Millisecond
	lookAgainLimit = 500 * time.Millisecond
)

// lookAgain calls look again while it returns ErrGone, although the kernel tells that the process runs. Once in many runs
// one reading did not find a process that ran on, and what is gone ends a run. A process may also be about to end: the last
// look begins after half a second at most.
func lookAgain[T any](ctx context.Context, pid int, look func() (T, error)) (T, error) {
	for until := time.Now().Add(lookAgainLimit); ; {
		seen, err := look()
		if !errors.Is(err, ErrGone) || time.Now().Add(lookAgainAfter).After(until) || !kernel.Runs(pid) {
			return seen, err
		}
		select {
		case <-ctx.Done():
			return seen, err
		case <-time.After(lookAgainAfter):
		}
	}
}

// tree finds the descendants of a process. It caches the parent of every process: reading all of them ten times a second
// would cost noticeable CPU time.
type tree struct {
	root    int
	adopted []func() []int // children of this program that belong to the server

	mu        sync.Mutex
	parents   map[int]int
	last      reference
	forbidden bool // smaps_rollup was not readable at first; it stays so, for readings to be comparable
}

// reference is an exact reading that others are relative to. It has no processes before the first.
type reference struct {
	pids  []int
	exact Parts
	heaps int64 // of exact.Shared, what is a runtime's heap
	quick Parts // what status told then
}

// read takes a reading, which is exact if a complete one is asked for.
func (t *tree) read(ctx context.Context) (Reading, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	pids, err := t.descendants()
	if err != nil {
		return Reading{}, err
	}
	if !t.forbidden && (isComplete(ctx) || !slices.Equal(t.last.pids, pids)) {
		sum, err := t.readExact(pids, isComplete(ctx))
		if !errors.Is(err, os.ErrPermission) {
			return t.alive(sum, err)
		}
		t.forbidden = true
	}
	sum, err := t.readQuick(pids)
	return t.alive(sum, err)
}

// alive returns the sum, or ErrGone if no process has memory: a zombie has none.
func (t *tree) alive(sum Reading, err error) (Reading, error) {
	if err == nil && (sum.Processes == 0 || sum.Total == 0) {
		err = fmt.Errorf("process %d: %w", t.root, ErrGone)
	}
	return sum, err
}

// readQuick reads status of all processes, and relates it to the last exact reading.
func (t *tree) readQuick(pids []int) (Reading, error) {
	var quick quickSum
	sum, err := sumOf(pids, func(process shown) error {
		if !process.hasMemory() {
			return syscall.ESRCH
		}
		quick.add(process)
		return nil
	})
	if err != nil {
		return Reading{}, err
	}
	parts := quick.each
	if !t.forbidden && sum.Processes > 0 {
		parts = t.last.exact.plus(quick.once().minus(t.last.quick)).withHeaps(t.last.heaps)
	}
	return sum.of(parts, !t.forbidden), nil
}

// readExact reads smaps_rollup and smaps of all processes. It adds Held if the reading is to be complete. Once there has
// been an exact reading, a process that may not be looked at does not make it fail.
func (t *tree) readExact(pids []int, complete bool) (Reading, error) {
	exact := exactSum{all: newMappings(), complete: complete, lenient: t.last.pids != nil}
	sum, err := sumOf(pids, exact.add)
	if err != nil {
		return Reading{}, err
	}
	parts := exact.parts
	parts.File = exact.all.filePages()
	if sum.Processes == 0 { // nothing that a later reading could be relative to
		return sum, nil
	}
	t.last = reference{pids: pids, exact: parts, heaps: exact.all.heapFiles(), quick: exact.quick.once()}
	if complete {
		sum.Held = exact.all.held()
	}
	return sum.of(parts.withHeaps(t.last.heaps), true), nil
}

// exactSum is what smaps_rollup and smaps tell of several processes.
type exactSum struct {
	parts    Parts // but files
	all      *mappings
	quick    quickSum
	complete bool
	lenient  bool // status is enough of a process that may not be looked at, such as a helper of another user
}

// add reads a process.
func (e *exactSum) add(process shown) error {
	own, err := e.parse(process)
	if e.lenient && errors.Is(err, os.ErrPermission) {
		own, err = Parts{Anonymous: int64(process.status.RssAnon), Shared: int64(process.status.RssShmem)}, nil
		e.all.sum.Swapped += int64(process.status.VmSwap)
		e.all.sum.HugeTLB += int64(process.status.HugetlbPages)
	}
	if err != nil {
		return err
	}
	e.quick.add(process)
	e.parts.Anonymous += own.Anonymous
	e.parts.Shared += own.Shared
	return nil
}

// parse reads smaps_rollup, and adds what smaps tells.
func (e *exactSum) parse(process shown) (Parts, error) {
	text, err := process.read("smaps_rollup")
	if err != nil {
		return Parts{}, err
	}
	own, err := parseRollup(text)
	if err != nil {
		return Parts{}, err
	}
	in := mountsOf(process)
	if err := e.all.add(process, in); err != nil {
		return Parts{}, err
	}
	if e.complete {
		e.all.addOpenFiles(process, in)
	}
	return own, nil
}

// quickSum is what status tells of several processes.
type quickSum struct {
	each Parts // summed over the processes
	most Parts // of the process that has most
}

func (q *quickSum) add(process shown) {
	own := Parts{Anonymous: int64(process.status.RssAnon), File: int64(process.status.RssFile), Shared: int64(process.status.RssShmem)}
	q.each = q.each.plus(own)
	q.most.File, q.most.Shared = max(q.most.File, own.File), max(q.most.Shared, own.Shared)
}

// once is the sum as far as it follows what a page that counts once does: workers that map the same file or segment have
// its pages together.
func (q *quickSum) once() Parts {
	return Parts{Anonymous: q.each.Anonymous, File: q.most.File, Shared: q.most.Shared}
}

// plus is the sum of parts.
func (p Parts) plus(other Parts) Parts {
	return Parts{Anonymous: p.Anonymous + other.Anonymous, File: p.File + other.File, Shared: p.Shared + other.Shared}
}

// minus is the difference of parts, which may be negative.
func (p Parts) minus(other Parts) Parts {
	return Parts{Anonymous: p.Anonymous - other.Anonymous, File: p.File - other.File, Shared: p.Shared - other.Shared}
}

// withHeaps counts runtimes' heaps that are files in memory as anonymous memory. They are anything but shared, and have no
// known size that they fill.
func (p Parts) withHeaps(bytes int64) Parts {
	heaps := min(bytes, max(0, p.Shared))
	return Parts{Anonymous: p.Anonymous + heaps, File: p.File, Shared: p.Shared - heaps}
}

// of is the reading with its parts, none of which is below 0, and their sum.
func (r Reading) of(parts Parts, once bool) Reading {
	r.Parts = &Parts{Anonymous: max(0, parts.Anonymous), File: max(0, parts.File), Shared: max(0, parts.Shared)}
	r.Total = r.Parts.Anonymous + r.Parts.File + r.Parts.Shared
	r.Proportional = once
	return r
}

// sumOf calls read with each process that has not ended, and adds up their threads and open files.
func sumOf(pids []int, read func(shown) error) (Reading, error) {
	var sum Reading
	for _, pid := range pids {
		err := visit(pid, func(process shown) error {
			if err := read(process); err != nil {
				return err
			}
			sum.Processes++
			if stat, err := process.Stat(); err == nil {
				sum.Threads += stat.NumThreads
			}
			if open, err := process.FileDescriptorsLen(); err == nil {
				sum.OpenFiles += open
			}
			return nil
		})
		if err != nil && !isGone(err) {
			return Reading{}, fmt.Errorf("memory of process %d: %w", pid, err)
		}
	}
	return sum, nil
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
			stat, err := kernel.ReadStat(pid)
			if err != nil {
				continue // it has ended since
			}
			parent = int(stat.Field(kernel.Parent))
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
