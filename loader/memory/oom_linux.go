package memory

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"leaklab/loader/cgroup"
)

// WatchOOM watches a process until it ends or ctx does. Call the function that it returns after the process has ended.
// It is true if the OOM killer has killed a process of its control group since. It is false where that cannot be seen.
func WatchOOM(ctx context.Context, pid int) func() bool {
	events := openOOMEvents(cgroup.Of(pid))
	if events == nil {
		return func() bool { return false }
	}
	before := oomKills(events)
	ended, err := unix.PidfdOpen(pid, 0)
	if err != nil { // an old kernel
		_ = events.Close()
		return func() bool { return false }
	}
	after, looked := uint64(0), make(chan struct{})
	go func() {
		defer close(looked)
		defer events.Close()
		defer unix.Close(ended)
		for ctx.Err() == nil {
			const patience = 1000 // ms between checks of ctx
			if n, _ := unix.Poll([]unix.PollFd{{Fd: int32(ended), Events: unix.POLLIN}}, patience); n > 0 {
				break
			}
		}
		after = oomKills(events) // at once: the group is removed soon after its last process
	}()
	return func() bool {
		select {
		case <-looked:
			return after > before
		case <-time.After(time.Second): // a zombie with threads that still run
			return false
		}
	}
}

// openOOMEvents opens the file with the count of kills of the nearest group that accounts for memory; nil if there is none.
func openOOMEvents(groups []cgroup.Group) *os.File {
	for _, group := range groups {
		name := "memory.events"
		if group.Controllers != nil {
			if !group.Has("memory") {
				continue
			}
			name = "memory.oom_control"
		}
		if file, err := os.Open(filepath.Join(group.Folder, name)); err == nil {
			return file
		}
	}
	return nil
}

// oomKills reads the line "oom_kill N" of either version; 0 if there is none.
func oomKills(events io.ReaderAt) uint64 {
	text := make([]byte, 4096)
	n, _ := events.ReadAt(text, 0)
	for line := range strings.Lines(string(text[:n])) {
		if count, found := strings.CutPrefix(line, "oom_kill "); found {
			kills, _ := strconv.ParseUint(strings.TrimSpace(count), 10, 64)
			return kills
		}
	}
	return 0
}
