package load

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// receiver reads from sockets and learns from the kernel when what it has read came. A loader that is busy, or waits for
// more answers, reads one later; that is its own time, and not the server's.
type receiver struct {
	message unix.Msghdr
	into    unix.Iovec
	control struct {
		unix.Cmsghdr
		stamp struct{ seconds, nanoseconds int64 } // by the system's clock
	}
}

// stampArrivals has the kernel say when something came over the socket, from now on, if it can.
func stampArrivals(fd int) {
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS_NEW, 1)
}

// receive reads without waiting and, as write does, without telling Go's scheduler. came is when the last byte that was
// read did; false if that is not known.
func (r *receiver) receive(fd int, b []byte) (n int, came time.Time, known bool, err error) {
	r.into.Base = unsafe.SliceData(b)
	r.into.SetLen(len(b))
	r.message.Iov = &r.into
	r.message.SetIovlen(1)
	r.message.Control = (*byte)(unsafe.Pointer(&r.control))
	r.message.SetControllen(int(unsafe.Sizeof(r.control)))
	got, _, failed := unix.RawSyscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&r.message)), 0)
	if failed != 0 {
		return 0, came, false, failed
	}
	if int(r.message.Controllen) == int(unsafe.Sizeof(r.control)) && r.control.Level == unix.SOL_SOCKET && r.control.Type == unix.SO_TIMESTAMPNS_NEW {
		came, known = time.Unix(r.control.stamp.seconds, r.control.stamp.nanoseconds), true
	}
	return int(got), came, known, nil
}
