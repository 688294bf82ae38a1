package subject

import (
	"context"
	"net"
	"os"
	"slices"

	"github.com/prometheus/procfs"

	"leaklab/loader/kernel"
)

// listeners returns the processes with a socket that listens on port at a wanted address, in ascending order.
func listeners(_ context.Context, port int, wanted func(net.IP) bool) ([]int, error) {
	listening, err := kernel.Listeners(os.Getpid())
	if err != nil {
		return nil, err
	}
	sockets := make(map[string]bool)
	for _, socket := range listening {
		if socket.Port == port && wanted(socket.Host) {
			sockets[socket.Name()] = true
		}
	}
	if len(sockets) == 0 {
		return nil, ErrNoListener
	}
	processes, err := procfs.AllProcs()
	if err != nil {
		return nil, err
	}
	var holders []int
	for _, p := range processes {
		open, _ := kernel.Descriptors(p.PID) // a process that is not visible, or has ended, has none here
		if slices.ContainsFunc(open, func(name string) bool { return sockets[name] }) {
			holders = append(holders, p.PID)
		}
	}
	if len(holders) == 0 {
		return nil, unseen()
	}
	slices.Sort(holders)
	return holders, nil
}
