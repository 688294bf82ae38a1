package load

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// timer ends the wait of a poller at a given time. It is a timerfd(2) that fires once.
type timer struct {
	fd    int
	armed time.Time // when it fires; zero once it has
}

func newTimer() (*timer, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("timerfd_create", err)
	}
	return &timer{fd: fd}, nil
}

// expired records that the timer has fired, and takes that back from its descriptor.
func (t *timer) expired() {
	var times [8]byte
	_, _ = unix.Read(t.fd, times[:])
	t.armed = time.Time{}
}

// arm has the timer fire at the given time, unless it fires earlier anyway.
func (t *timer) arm(at time.Time) {
	if t.armed.IsZero() || at.Before(t.armed) {
		t.armed = at
		wait := unix.NsecToTimespec(max(1, int64(time.Until(at))))
		_ = unix.TimerfdSettime(t.fd, 0, &unix.ItimerSpec{Value: wait}, nil)
	}
}

func (t *timer) close() { _ = unix.Close(t.fd) }
