package load

import (
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// wakeup ends the wait of a poller from another goroutine. It is an eventfd(2).
type wakeup struct {
	mu sync.Mutex // guards fd: a goroutine may signal a loop that has just ended
	fd int        // -1 once it is closed
}

func newWakeup() (*wakeup, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("eventfd", err)
	}
	return &wakeup{fd: fd}, nil
}

// signal ends the current wait, or else the next one. It does nothing once the wakeup is closed.
func (w *wakeup) signal() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fd >= 0 {
		_, _ = unix.Write(w.fd, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	}
}

// reset takes back all signals so far. Only the goroutine that waits may call it.
func (w *wakeup) reset() {
	var count [8]byte
	_, _ = unix.Read(w.fd, count[:])
}

func (w *wakeup) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	_ = unix.Close(w.fd)
	w.fd = -1
}
