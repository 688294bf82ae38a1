package live

import (
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// peerOf returns the number of the process that listens at the other end of a Unix socket.
func peerOf(connection net.Conn) (int, error) {
	socket, ok := connection.(*net.UnixConn)
	if !ok {
		return 0, fmt.Errorf("%T is no Unix socket", connection)
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return 0, err
	}
	var credentials *unix.Ucred
	var failed error
	err = raw.Control(func(fd uintptr) {
		credentials, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return 0, err
	}
	return int(credentials.Pid), nil
}
