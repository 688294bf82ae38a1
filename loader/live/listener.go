package live

import (
	"fmt"
	"net"
	"slices"
	"strconv"

	"github.com/prometheus/procfs"
)

// tcpAddress is where a socket listens. Port is 0 if it may be any.
type tcpAddress struct {
	host net.IP
	port int
}

func (a tcpAddress) String() string { return net.JoinHostPort(a.host.String(), strconv.Itoa(a.port)) }

// same tells if two addresses are equal.
func (a tcpAddress) same(b tcpAddress) bool { return a.host.Equal(b.host) && a.port == b.port }

// listener is a TCP socket that waits for connections, in the network namespace of its process.
type listener struct {
	at    tcpAddress
	inode uint64
}

// listenState is that of a listening socket in /proc/net/tcp.
const listenState = 0x0A

// listenersOf returns the TCP sockets of a process that listen.
func listenersOf(pid int) ([]listener, error) {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return nil, err
	}
	own, err := p.FileDescriptorTargets()
	if err != nil {
		return nil, err
	}
	network, err := procfs.NewFS(proc(pid, "")) // has the files of its network namespace
	if err != nil {
		return nil, err
	}
	var sockets []listener
	//lint:ignore SA1019 a socket of netlink would be in another network namespace
	for _, read := range []func() (procfs.NetTCP, error){network.NetTCP, network.NetTCP6} {
		lines, err := read() // one of the two may be missing
		if err != nil {
			continue
		}
		for _, line := range lines {
			if line.St == listenState && slices.Contains(own, fmt.Sprintf("socket:[%d]", line.Inode)) {
				sockets = append(sockets, listener{tcpAddress{line.LocalAddr, int(line.LocalPort)}, line.Inode})
			}
		}
	}
	return sockets, nil
}
