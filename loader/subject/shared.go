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

// FindShared returns the main process of host's container, which shares the PID namespace of this process, as the server's
// container does in the lab. Candidates are processes that entered the namespace from outside, except process 1, which
// holds the namespace, and this one. The result is the oldest whose network has an IPv4 address of host, or else the
// oldest: health checks and other loaders are younger. It fails if there is no candidate.
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
		if created, err := p.CreateTime(); err == nil { // otherwise it has ended
			candidates = append(candidates, candidate{int(pid), created})
		}
	}
	if len(candidates) == 0 {
		return 0, errors.New("no other container shares the PID namespace of this program")
	}
	slices.SortFunc(candidates, func(a, b candidate) int { return cmp.Compare(a.since, b.since) })
	addresses, _ := net.DefaultResolver.LookupHost(ctx, host) // without them the oldest is used
	for _, c := range candidates {
		for _, local := range localAddresses(c.pid) {
			if slices.Contains(addresses, local) {
				return c.pid, nil
			}
		}
	}
	return candidates[0].pid, nil
}

// localAddresses returns the IPv4 addresses of a process's network namespace, by the kernel's routing table
// (/proc/PID/net/fib_trie); none if that is not readable.
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
