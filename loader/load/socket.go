package load

import (
	"errors"
	"io"
	"net"
	"syscall"
)

// socket reads from a TCP connection, and sends a request first if one is pending. A connection's own Read asks the
// kernel at once, which after a request has nothing yet; a socket waits first, and saves that call, which is one in
// five of those that a request costs.
type socket struct {
	*net.TCPConn
	raw     syscall.RawConn
	pending []byte // to be sent by the next Read
	ahead   []byte // was read before
}

// newSocket returns conn as a socket, or as it is if it is none of the kernel's.
func newSocket(conn net.Conn) net.Conn {
	if tcp, ok := conn.(*net.TCPConn); ok {
		if raw, err := tcp.SyscallConn(); err == nil {
			return &socket{TCPConn: tcp, raw: raw}
		}
	}
	return conn
}

// Read sends what is pending, waits, and reads. It observes the connection's deadline, and ends when it is closed.
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
				return false // nothing can have come yet
			case sendErr != nil && !again(sendErr):
				err = sendErr
			}
			return true // what is left is sent below
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

// again says whether a call is to be made once more.
func again(err error) bool { return errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EINTR) }
