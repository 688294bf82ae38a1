package load

import (
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The numbers of the loop's own descriptors in epoll; those of connections count from 0.
const (
	wakeupNumber = -1
	timerNumber  = -2
)

// poller waits for many connections, a wakeup and a timer at once, by epoll(7).
//
// The Go runtime cannot wait for many descriptors in one goroutine, and a thread that blocks in epoll_wait keeps the
// runtime's monitor thread busy. So the poller nests one epoll in another: the runtime's network poller waits for the
// outer one, and the inner one is read without blocking.
type poller struct {
	inner  int      // epoll of the connections, the wakeup and the timer
	outer  int      // epoll of the wakeup, the timer and, while it is armed, inner
	file   *os.File // outer, registered with the runtime's network poller
	ready  syscall.RawConn
	armed  bool // something to receive may wake the runtime's network poller
	events [128]unix.EpollEvent
}

// newPoller returns a poller for a wakeup and a timer, which the caller closes.
func newPoller(w *wakeup, t *timer) (*poller, error) {
	p := &poller{inner: -1, outer: -1}
	err := p.open(w.fd, t.fd)
	if err == nil {
		p.file = os.NewFile(uintptr(p.outer), "epoll")
		err = p.file.SetReadDeadline(time.Time{}) // fails if the runtime cannot poll it
	}
	if err == nil {
		p.ready, err = p.file.SyscallConn()
	}
	if err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *poller) open(wakeup, timer int) error {
	var err error
	if p.inner, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err == nil {
		p.outer, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	}
	if err == nil {
		err = unix.SetNonblock(p.outer, true)
		for _, epoll := range []int{p.inner, p.outer} {
			err = errors.Join(err, watch(epoll, wakeup, wakeupNumber, unix.EPOLLIN), watch(epoll, timer, timerNumber, unix.EPOLLIN))
		}
		err = errors.Join(err, watch(p.outer, p.inner, 0, 0))
	}
	return os.NewSyscallError("epoll", err)
}

// watch adds fd to epoll, which reports its events under the given number.
func watch(epoll, fd int, number int32, events uint32) error {
	return unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: number})
}

// add has poll report when something arrives on fd, under a number from 0.
func (p *poller) add(fd int, number int32) error { return watch(p.inner, fd, number, unix.EPOLLIN) }

// change has poll report other events of fd.
func (p *poller) change(fd int, number int32, events uint32) {
	_ = unix.EpollCtl(p.inner, unix.EPOLL_CTL_MOD, fd, &unix.EpollEvent{Events: events, Fd: number})
}

func (p *poller) remove(fd int) { _ = unix.EpollCtl(p.inner, unix.EPOLL_CTL_DEL, fd, nil) }

// poll returns the events that are pending, without waiting. They are valid until the next call.
func (p *poller) poll() []unix.EpollEvent {
	n, _ := unix.EpollWait(p.inner, p.events[:], 0)
	return p.events[:max(0, n)]
}

// wait returns at the next wakeup, when the timer fires, or when there is something to receive.
func (p *poller) wait() {
	// Armed once: what arrives while the loop is awake causes no further wake-up.
	_ = unix.EpollCtl(p.outer, unix.EPOLL_CTL_MOD, p.inner, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLONESHOT})
	p.armed = true
	err := p.ready.Read(func(fd uintptr) bool {
		var event [1]unix.EpollEvent
		n, _ := unix.EpollWait(int(fd), event[:], 0)
		return n != 0
	})
	if err != nil {
		panic(err) // only the goroutine that waits closes it
	}
}

// rest keeps what arrives from waking the runtime's network poller, until the next wait.
func (p *poller) rest() {
	if p.armed {
		_ = unix.EpollCtl(p.outer, unix.EPOLL_CTL_MOD, p.inner, &unix.EpollEvent{})
		p.armed = false
	}
}

func (p *poller) close() {
	if p.file != nil {
		_ = p.file.Close()
	} else if p.outer >= 0 {
		_ = unix.Close(p.outer)
	}
	if p.inner >= 0 {
		_ = unix.Close(p.inner)
	}
}
