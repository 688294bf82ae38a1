package memory

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/procfs"
)

// tick is the unit of processor times in /proc/PID/stat (USER_HZ).
const tick = time.Second / 100

// members returns a function that adds to a reading which processes there are, and the processor time that they have used.
// It adds nothing if none of them is seen to listen.
func members(root, port int, adopted ...func() []int) func(context.Context, *Reading) {
	processes := Processes(root, adopted...)
	var mu sync.Mutex
	var before []Member
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
	text, _ := os.ReadFile(filepath.Join(procfs.DefaultMountPoint, strconv.Itoa(pid), "status"))
	_, after, _ := strings.Cut(string(text), "\nSigIgn:")
	word, _, _ := strings.Cut(after, "\n")
	mask, err := strconv.ParseUint(strings.TrimSpace(word), 16, 64)
	return err == nil && mask&(1<<(uint(syscall.SIGCHLD)-1)) != 0
}

// memberOf reads a process, and the processor time that it and its ended children have used; 0 if that is unknown.
func memberOf(pid int) (Member, time.Duration, error) {
	m := Member{PID: pid}
	folder := filepath.Join(procfs.DefaultMountPoint, strconv.Itoa(pid))
	text, err := os.ReadFile(filepath.Join(folder, "stat"))
	if err != nil {
		return m, 0, err
	}
	opening, closing := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if opening < 0 || closing < opening {
		return m, 0, fmt.Errorf("%s/stat: no name in %q", folder, text)
	}
	m.Program = string(text[opening+1 : closing])
	if path, err := os.Readlink(filepath.Join(folder, "exe")); err == nil {
		m.Program = path
	}
	fields := bytes.Fields(text[closing+1:])
	field := func(number int) uint64 { // counted from 1, as in proc(5)
		if number-3 >= len(fields) {
			return 0
		}
		value, _ := strconv.ParseUint(string(fields[number-3]), 10, 64) // signed ones are not read
		return value
	}
	m.Started = field(22)
	m.Layout = [3]uint64{field(28), field(47), field(48)} // of the stack, the heap and the arguments
	threads := onProcessor(folder)
	if threads == 0 {
		return m, 0, nil // ticks alone are too coarse for a few requests
	}
	own, ended := time.Duration(field(14)+field(15))*tick, time.Duration(field(16)+field(17))*tick
	m.CPU = max(own, threads)
	return m, m.CPU + ended, nil
}

// onProcessor is how long the threads of a process that still run have run on a processor, to the nanosecond; 0 if
// unknown.
func onProcessor(folder string) time.Duration {
	paths, _ := filepath.Glob(filepath.Join(folder, "task", "*", "schedstat"))
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
		folder := filepath.Join(procfs.DefaultMountPoint, strconv.Itoa(m.PID))
		namespace, _ := os.Readlink(filepath.Join(folder, "ns", "net"))
		if listening[namespace] == nil {
			listening[namespace] = listeningSockets(folder)
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
	p, err := show(pid)
	if err != nil {
		return held
	}
	open, _ := p.FileDescriptorTargets() // those of another user may not be seen
	for _, target := range open {
		if port, listens := listening[target]; listens {
			held[port] = true
		}
	}
	return held
}

// listeningSockets returns the ports of the TCP sockets that listen in a process's network namespace, by their names in
// /proc/PID/fd. Only these are kept: there may be many thousands of connections.
func listeningSockets(folder string) map[string]int {
	const listen = "0A" // TCP_LISTEN
	ports := make(map[string]int)
	for _, name := range []string{"tcp", "tcp6"} {
		file, err := os.Open(filepath.Join(folder, "net", name))
		if err != nil {
			continue
		}
		for lines := bufio.NewScanner(file); lines.Scan(); {
			fields := strings.Fields(lines.Text()) // number, local address, remote address, state, ..., inode
			if len(fields) < 10 || fields[3] != listen {
				continue
			}
			_, hexadecimal, _ := strings.Cut(fields[1], ":")
			if port, err := strconv.ParseUint(hexadecimal, 16, 16); err == nil {
				ports["socket:["+fields[9]+"]"] = int(port)
			}
		}
		_ = file.Close()
	}
	return ports
}
