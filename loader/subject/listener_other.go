//go:build !linux

package subject

import (
	"context"
	"net"
	"slices"

	psnet "github.com/shirou/gopsutil/v4/net"
)

// listeners returns the processes with a socket that listens on port at a wanted address, in ascending order.
func listeners(ctx context.Context, port int, wanted func(net.IP) bool) ([]int, error) {
	sockets, err := psnet.ConnectionsWithContext(ctx, "tcp")
	if err != nil {
		return nil, err
	}
	var holders []int
	found := false
	for _, socket := range sockets {
		bound := net.ParseIP(socket.Laddr.IP)
		if bound == nil { // "*" and the like
			bound = net.IPv6unspecified
		}
		if socket.Status != "LISTEN" || int(socket.Laddr.Port) != port || !wanted(bound) {
			continue
		}
		found = true
		if pid := int(socket.Pid); pid > 0 && !slices.Contains(holders, pid) {
			holders = append(holders, pid)
		}
	}
	switch {
	case !found:
		return nil, ErrNoListener
	case len(holders) == 0:
		return nil, unseen()
	}
	slices.Sort(holders)
	return holders, nil
}
