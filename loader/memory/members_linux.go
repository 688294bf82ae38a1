package memory

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"leaklab/loader/kernel"
)

// tick is the unit of processor times in /proc/PID/stat (USER_HZ).
const tick = time.Second / 100

// members returns a function that adds to a reading which processes there are, and the processor time that they have used.
// It adds nothing if none of them is seen to listen.
func members(root, port int, adopted ...func() []int) func(context.Context, *Reading) {
	processes := Processes(root, adopted...)
	var mu sync.Mutex
	var before []Member
	seen := make(programs)
	lost := 0
	return func(_ context.Context, reading *Reading) {
		mu.Lock()
		defer mu.Unlock()
		pids, err := processes()
		if err != nil {
			return
		}
		var all []Member
		var used time.Duration
		for _, pid := range pids {
			if m, cpu, err := memberOf(pid); err == nil { // otherwise it has ended
				all = append(all, m)
				used += cpu
			}
		}
		lost += ended(before, all)
		if slices.ContainsFunc(all, func(m Member) bool { return ignoresChildren(m.PID) }) {
			lost++
		}
		seen.count(all)
		before = all
		reading.CPU, reading.Lost = used, lost
		if markListeners(all, port) {
			readOwn(all)
			reading.Members = all
		}
	}
}

// ended is how many processes are not there any more.
func ended(before, after []Member) int {
	count := 0
	for _, m := range before {
		if !slices.ContainsFunc(after, func(other Member) bool { return other.PID == m.PID && other.Started == m.Started }) {
			count++
		}
	}
	return count
}

// ignoresChildren is true if a process ignores SIGCHLD: the kernel reaps its children, and adds their times to none.
func ignoresChildren(pid int) bool {
	text, _ := os.ReadFile(kernel.Path(pid, "status"))
	_, after, _ := strings.Cut(string(text), "\nSigIgn:")
	word, _, _ := strings.Cut(after, "\n")
	mask, err := strconv.ParseUint(strings.TrimSpace(word), 16, 64)
	return err == nil && mask&(1<<(uint(syscall.SIGCHLD)-1)) != 0
}

// memberOf reads a process, and the processor time that it and its ended children have used; 0 if that is unknown.
func memberOf(pid int) (Member, time.Duration, error) {
	m := Member{PID: pid}
	stat, err := kernel.ReadStat(pid)
	if err != nil {
		return m, 0, err
	}
	m.Program = stat.Name
	if path, err := os.Readlink(kernel.Path(pid, "exe")); err == nil {
		m.Program = path
	}
	m.Started = stat.Field(kernel.Start)
	m.Layout = [3]uint64{stat.Field(kernel.StackStart), stat.Field(kernel.HeapStart), stat.Field(kernel.ArgumentStart)}
	threads := onProcessor(pid)
	if threads == 0 {
		return m, 0, nil // ticks alone are too coarse for a few requests
	}
	own := time.Duration(stat.Field(kernel.UserTime)+stat.Field(kernel.SystemTime)) * tick
	ended := time.Duration(stat.Field(kernel.ChildrenUserTime)+stat.Field(kernel.ChildrenSystemTime)) * tick
	m.CPU = max(own, threads)
	return m, m.CPU + ended, nil
}

// onProcessor is how long the threads of a process that still run have run on a processor, to the nanosecond; 0 if
// unknown.
func onProcessor(pid int) time.Duration {
	paths, _ := filepath.Glob(kernel.Path(pid, "task", "*", "schedstat"))
	var sum time.Duration
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // the thread has ended
		}
		first, _, _ := strings.Cut(string(text), " ")
		nanoseconds, _ := strconv.ParseInt(first, 10, 64)
		sum += time.Duration(nanoseconds)
	}
	return sum
}

// markListeners sets which processes listen. It is false if none does, as far as that may be seen.
func markListeners(all []Member, port int) bool {
	listening := make(map[string]map[string]int) // by network namespace: ports by socket
	ports := make([]map[int]bool, len(all))      // of each process
	some, wanted := false, false
	for n, m := range all {
		namespace, _ := os.Readlink(kernel.Path(m.PID, "ns", "net"))
		if listening[namespace] == nil {
			listening[namespace] = listeningSockets(m.PID)
		}
		ports[n] = heldPorts(m.PID, listening[namespace])
		some = some || len(ports[n]) > 0
		wanted = wanted || ports[n][port]
	}
	for n := range all {
		all[n].Listens = ports[n][port] || !wanted && len(ports[n]) > 0
	}
	return some
}

// heldPorts are the ports of the listening sockets that a process holds.
func heldPorts(pid int, listening map[string]int) map[int]bool {
	held := make(map[int]bool)
	open, _ := kernel.Descriptors(pid) // those of another user may not be seen
	for _, name := range open {
		if port, listens := listening[name]; listens {
			held[port] = true
		}
	}
	return held
}

// listeningSockets returns the ports of the TCP sockets that listen in a process's network namespace, by their names.
func listeningSockets(pid int) map[string]int {
	ports := make(map[string]int)
	listeners, _ := kernel.Listeners(pid) // none of a process that has ended
	for _, listener := range listeners {
		ports[listener.Name()] = listener.Port
	}
	return ports
}
