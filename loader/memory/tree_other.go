//go:build !linux

package memory

import (
	"context"
	"errors"
	"fmt"

	"github.com/shirou/gopsutil/v4/process"
)

// TreeSource describes what OfTree reads.
const TreeSource = "the system's process table, summed over the server's process tree"

// OfTree returns a Reader for the process root and all its descendants. No orphans are adopted here.
func OfTree(root int, _ ...func() []int) Reader {
	return func(ctx context.Context) (Reading, error) {
		var sum Reading
		if err := sum.addTree(ctx, int32(root)); err != nil {
			return Reading{}, err
		}
		if sum.Total == 0 {
			return Reading{}, fmt.Errorf("process %d: %w", root, ErrGone)
		}
		return sum, nil
	}
}

// AnonymousOf fails: only Linux tells it.
func AnonymousOf(int) (int64, error) {
	return 0, errors.New("only Linux tells the anonymous memory of a process")
}

// Processes returns a function that lists the process root and its descendants. Its error wraps ErrGone when root has
// ended.
func Processes(root int, _ ...func() []int) func() ([]int, error) {
	return func() ([]int, error) { return family(context.Background(), int32(root)) }
}

func family(ctx context.Context, pid int32) ([]int, error) {
	p, err := process.NewProcessWithContext(ctx, pid)
	if err != nil {
		return nil, fmt.Errorf("process %d: %w", pid, ErrGone)
	}
	all := []int{int(pid)}
	children, _ := p.ChildrenWithContext(ctx)
	for _, child := range children {
		below, _ := family(ctx, child.Pid) // those that have ended since are left out
		all = append(all, below...)
	}
	return all, nil
}

func (r *Reading) addTree(ctx context.Context, pid int32) error {
	p, err := process.NewProcessWithContext(ctx, pid)
	if errors.Is(err, process.ErrorProcessNotRunning) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("process %d: %w", pid, err)
	}
	info, err := p.MemoryInfoWithContext(ctx)
	if err != nil {
		return fmt.Errorf("memory of process %d: %w", pid, err)
	}
	r.Total += int64(info.RSS)
	r.Processes++
	if threads, err := p.NumThreadsWithContext(ctx); err == nil {
		r.Threads += int(threads)
	}
	children, err := p.ChildrenWithContext(ctx)
	if err != nil && !errors.Is(err, process.ErrorNoChildren) {
		return fmt.Errorf("children of process %d: %w", pid, err)
	}
	for _, child := range children {
		if err := r.addTree(ctx, child.Pid); err != nil {
			return err
		}
	}
	return nil
}

// LimitOf returns the memory of the machine.
func LimitOf(int) Limit { return machineLimit() }

// WatchOOM returns a function that is always false: OOM kills are not visible here.
func WatchOOM(context.Context, int) func() bool { return func() bool { return false } }
