package load

import (
	"errors"
	"io"
	"net"
	"syscall"
)

// socket is a TCP connection whose Read sends the pending request first and then waits for data. net.Conn.Read tries to
// read before it waits, which is in vain right after a request. Skipping that saves one in five system calls of a request.
type socket struct {
	*net.TCPConn
	raw     syscall.RawConn
	pending []byte // to be sent by the next Read
	ahead   []byte // already read, returned by the next Read
}

// newSocket returns conn as a socket, or unchanged if it has no file descriptor.
func newSocket(conn net.Conn) net.Conn {
	if tcp, ok := conn.(*net.TCPConn); ok {
		if raw, err := tcp.SyscallConn(); err == nil {
			return &socket{TCPConn: tcp, raw: raw}
		}
	}
	return conn
}

// Read sends what is pending, waits, and reads. It fails at the connection's deadline and when the connection is closed.
func (s *socket) Read(b []byte) (n int, err error) {
	if len(s.ahead) > 0 {
		n = copy(b, s.ahead)
		s.ahead = s.ahead[n:]
		return n, nil
	}
	waited := s.raw.Read(func(fd uintptr) bool {
		if len(s.pending) > 0 {
			sent, sendErr := syscall.Write(int(fd), s.pending)
			s.pending = s.pending[max(0, sent):]
			switch {
			case len(s.pending) == 0:
				return false // nothing can have arrived yet
			case sendErr != nil && !again(sendErr):
				err = sendErr
			}
			return true // the rest is sent below
		}
		n, err = syscall.Read(int(fd), b)
		return !again(err)
	})
	switch {
	case waited != nil:
		return 0, waited
	case err != nil:
		return 0, err
	case len(s.pending) > 0: // the kernel's buffer was full
		rest := s.pending
		s.pending = nil
		if _, err := s.TCPConn.Write(rest); err != nil {
			return 0, err
		}
		return s.Read(b)
	case n == 0 && len(b) > 0:
		return 0, io.EOF
	}
	return n, nil
}

// again is true for the error of a call that should be repeated.
func again(err error) bool { return errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EINTR) }
