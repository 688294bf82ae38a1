package subject

import (
	"context"
	"fmt"
	"net"
	"slices"

	"github.com/prometheus/procfs"
)

// stateListen is the state of a listening socket in /proc/net/tcp.
const stateListen = 0x0A

// listeners returns the processes with a socket that listens on port at a wanted address, in ascending order.
func listeners(_ context.Context, port int, wanted func(net.IP) bool) ([]int, error) {
	fs, err := procfs.NewFS(procfs.DefaultMountPoint)
	if err != nil {
		return nil, err
	}
	sockets := make(map[string]bool)
	//lint:ignore SA1019 a file that is read once needs no netlink socket
	for _, read := range []func() (procfs.NetTCP, error){fs.NetTCP, fs.NetTCP6} {
		lines, err := read() // one of the two may be missing
		if err != nil {
			continue
		}
		for _, line := range lines {
			if line.St == stateListen && int(line.LocalPort) == port && wanted(line.LocalAddr) {
				sockets[fmt.Sprintf("socket:[%d]", line.Inode)] = true
			}
		}
	}
	if len(sockets) == 0 {
		return nil, ErrNoListener
	}
	processes, err := fs.AllProcs()
	if err != nil {
		return nil, err
	}
	var holders []int
	for _, p := range processes {
		if slices.ContainsFunc(descriptors(fs, p), func(target string) bool { return sockets[target] }) {
			holders = append(holders, p.PID)
		}
	}
	if len(holders) == 0 {
		return nil, unseen()
	}
	slices.Sort(holders)
	return holders, nil
}

// descriptors are what the descriptors of a process refer to. A process that is not visible, or has ended, has none here.
// If only its main thread has ended, those of another thread tell.
func descriptors(fs procfs.FS, p procfs.Proc) []string {
	open, err := p.FileDescriptorTargets()
	if err != nil || len(open) > 0 {
		return open
	}
	threads, _ := fs.AllThreads(p.PID)
	for _, thread := range threads {
		if open, err := thread.FileDescriptorTargets(); err == nil && len(open) > 0 {
			return open
		}
	}
	return nil
}
