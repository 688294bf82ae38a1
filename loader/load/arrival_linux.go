package load

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// receiver reads from sockets together with the kernel's timestamp of arrival. A loader that is busy, or delays its next
// poll, reads a response later than it arrived. That time does not count as the server's latency.
type receiver struct {
	message unix.Msghdr
	into    unix.Iovec
	control struct {
		unix.Cmsghdr
		stamp struct{ seconds, nanoseconds int64 } // CLOCK_REALTIME
	}
}

// stampArrivals has the kernel timestamp what arrives on the socket from now on, if it can.
func stampArrivals(fd int) {
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS_NEW, 1)
}

// receive is recvmsg(2) without waiting and, like write, without notice to Go's scheduler. arrived is when the last byte
// that it returns arrived; known is false without a timestamp.
func (r *receiver) receive(fd int, b []byte) (n int, arrived time.Time, known bool, err error) {
	r.into.Base = unsafe.SliceData(b)
	r.into.SetLen(len(b))
	r.message.Iov = &r.into
	r.message.SetIovlen(1)
	r.message.Control = (*byte)(unsafe.Pointer(&r.control))
	r.message.SetControllen(int(unsafe.Sizeof(r.control)))
	got, _, failed := unix.RawSyscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&r.message)), 0)
	if failed != 0 {
		return 0, arrived, false, failed
	}
	if int(r.message.Controllen) == int(unsafe.Sizeof(r.control)) && r.control.Level == unix.SOL_SOCKET && r.control.Type == unix.SO_TIMESTAMPNS_NEW {
		arrived, known = time.Unix(r.control.stamp.seconds, r.control.stamp.nanoseconds), true
	}
	return int(got), arrived, known, nil
}
