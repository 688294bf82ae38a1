package live

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"leaklab/loader/kernel"
	"leaklab/loader/memory"
)

const (
	tracedTimeout = 30 * time.Second
	tracedTries   = 60 // to find a thread that waits outside malloc
	tracedRetry   = 50 * time.Millisecond
)

// traced is a process in which gdb calls functions.
type traced struct {
	process
	shared  *sharedDebugger
	gdb     *debugger     // while the process is attached
	stopped time.Duration // of the reading
	folder  string        // of the run
}

// attached stops the process, selects a thread that waits outside malloc, does what it is asked to, and detaches.
func (t *traced) attached(ctx context.Context, do func(context.Context) error) error {
	return t.shared.use(t.folder, func(gdb *debugger) error {
		t.gdb = gdb
		return t.retry(ctx, do)
	})
}

func (t *traced) retry(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, tracedTimeout)
	defer cancel()
	for range tracedTries {
		found, err := t.try(ctx, do)
		if err != nil && hasEnded(t.PID) {
			return fmt.Errorf("process %d: %w", t.PID, memory.ErrGone)
		}
		if found || err != nil {
			return err
		}
		if err := pause(ctx, tracedRetry); err != nil {
			return err
		}
	}
	return notYet{errors.New("each thread was busy, or inside malloc")}
}

// try does so once. It returns false if no thread was found.
func (t *traced) try(ctx context.Context, do func(context.Context) error) (found bool, err error) {
	start := time.Now()
	defer func() { t.stopped += time.Since(start) }()
	threads, err := t.gdb.attach(ctx, t.PID)
	if err != nil {
		return false, errors.Join(err, t.detach(ctx))
	}
	thread := waiting(t.PID, threads)
	if thread == 0 {
		return false, t.detach(ctx)
	}
	if _, err = t.gdb.do(ctx, fmt.Sprintf("thread %d", thread)); err == nil {
		err = do(ctx)
	}
	return true, errors.Join(err, t.detach(ctx))
}

// detach lets the process go on, also after the context was cancelled.
func (t *traced) detach(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), gdbGrace)
	defer cancel()
	_, err := t.gdb.do(ctx, "detach")
	return err
}

// poke writes into the memory of the process.
func (t *traced) poke(address int64, text string) error {
	mem, err := os.OpenFile(kernel.Path(t.PID, "mem"), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer mem.Close()
	_, err = mem.WriteAt([]byte(text), address)
	return err
}

// waits are system calls in which a thread waits, and that malloc does not make.
var waits = append([]int{
	unix.SYS_EPOLL_PWAIT, unix.SYS_EPOLL_PWAIT2, unix.SYS_PPOLL, unix.SYS_PSELECT6, unix.SYS_ACCEPT, unix.SYS_ACCEPT4,
	unix.SYS_NANOSLEEP, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_RT_SIGTIMEDWAIT, unix.SYS_RT_SIGSUSPEND, unix.SYS_WAIT4,
	unix.SYS_WAITID, unix.SYS_RECVFROM, unix.SYS_RECVMSG, unix.SYS_RECVMMSG, unix.SYS_IO_URING_ENTER,
}, oldWaits...)

// waiting chooses a thread for calls, by gdb's number, while all are stopped: one that waits in the kernel and not inside
// malloc, so that it holds no lock of an arena. Other threads may hold one: they run during a call, and release it. The
// first thread comes first, and none is of the allocator. It returns 0 if there is none.
func waiting(pid int, threads map[int]int) int {
	ids := make([]int, 0, len(threads))
	for id := range threads {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/syscall", pid, id))
		comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/comm", pid, id))
		if err != nil || strings.TrimSpace(string(comm)) == jemallocThread {
			continue
		}
		target := func(descriptor uint64) string {
			name, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", pid, descriptor))
			return name
		}
		if isWait(string(text), target) {
			return threads[id]
		}
	}
	return 0
}

// isWait judges a line of /proc/PID/task/TID/syscall: the number, six arguments in hexadecimal, stack and program
// counter. Of futex only FUTEX_WAIT_BITSET counts, by which glibc waits for conditions, semaphores and threads; the locks
// of arenas take FUTEX_WAIT. Of read only that of sockets, pipes and terminals counts: malloc reads a file in /proc.
func isWait(line string, target func(descriptor uint64) string) bool {
	fields := strings.Fields(line)
	if len(fields) != 9 {
		return false // it runs, or was not in a system call
	}
	number, err := strconv.Atoi(fields[0])
	if err != nil {
		return false
	}
	argument := func(n int) uint64 {
		value, err := strconv.ParseUint(fields[1+n], 0, 64)
		if err != nil {
			return math.MaxUint64
		}
		return value
	}
	const commands, waitBitset = 0x7f, 9 // FUTEX_CMD_MASK without the flags, FUTEX_WAIT_BITSET
	switch number {
	case unix.SYS_FUTEX:
		return argument(1)&commands == waitBitset
	case unix.SYS_READ:
		name := target(argument(0))
		return strings.HasPrefix(name, "socket:") || strings.HasPrefix(name, "pipe:") || strings.HasPrefix(name, "anon_inode:") ||
			strings.HasPrefix(name, "/dev/pts/") || strings.HasPrefix(name, "/dev/tty")
	default:
		return slices.Contains(waits, number)
	}
}
