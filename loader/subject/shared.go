package subject

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/shirou/gopsutil/v4/process"
)

// FindShared returns the process of host's container, which shares the PID namespace of this one, as the server's does in
// the lab. Of those that were put there from outside, apart from process 1, which is there to hold the namespace, and
// from this one, it is the oldest whose network has an IPv4 address of host: a health check comes and goes, and another
// loader has come later. If there is none with such an address, it is the oldest.
func FindShared(ctx context.Context, host string) (int, error) {
	pids, err := process.Pids()
	if err != nil {
		return 0, err
	}
	type candidate struct {
		pid   int
		since int64
	}
	var candidates []candidate
	for _, pid := range pids {
		p, err := process.NewProcess(pid)
		if err != nil || pid == 1 || int(pid) == os.Getpid() || parentOf(int(pid)) != 0 {
			continue
		}
		if created, err := p.CreateTime(); err == nil { // else it has ended
			candidates = append(candidates, candidate{int(pid), created})
		}
	}
	if len(candidates) == 0 {
		return 0, errors.New("nobody shares the PID namespace of this program")
	}
	slices.SortFunc(candidates, func(a, b candidate) int { return cmp.Compare(a.since, b.since) })
	addresses, _ := net.DefaultResolver.LookupHost(ctx, host) // without them the oldest has to do
	for _, c := range candidates {
		for _, local := range localAddresses(c.pid) {
			if slices.Contains(addresses, local) {
				return c.pid, nil
			}
		}
	}
	return candidates[0].pid, nil
}

// localAddresses returns the IPv4 addresses of a process's network namespace, as the kernel's routes tell them; none where
// there is no such table.
func localAddresses(pid int) []string {
	file, err := os.Open("/proc/" + strconv.Itoa(pid) + "/net/fib_trie")
	if err != nil {
		return nil
	}
	defer file.Close()
	var local []string
	address := ""
	for lines := bufio.NewScanner(file); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		switch {
		case strings.HasPrefix(line, "|-- "):
			address = strings.TrimPrefix(line, "|-- ")
		case line == "/32 host LOCAL":
			local = append(local, address)
		}
	}
	return local
}
