package live

import (
	"net"
	"slices"
	"strconv"

	"leaklab/loader/kernel"
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

// listenersOf returns the TCP sockets of a process that listen.
func listenersOf(pid int) ([]listener, error) {
	own, err := kernel.Descriptors(pid)
	if err != nil {
		return nil, err
	}
	all, err := kernel.Listeners(pid)
	if err != nil {
		return nil, err
	}
	var sockets []listener
	for _, socket := range all {
		if slices.Contains(own, socket.Name()) {
			sockets = append(sockets, listener{tcpAddress{socket.Host, socket.Port}, socket.Inode})
		}
	}
	return sockets, nil
}
