package load

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The bounds of the batching delay.
const (
	batchingFrom  = 16 // unanswered requests
	batchingShare = 5  // one part in this many of the response time
	longestDelay  = 400 * time.Microsecond
	timerSlack    = 50 * time.Microsecond // a thread sleeps longer than it asks for by this
)

// batch delays the next poll, to receive more responses with each wake-up. Latencies do not include the delay, since the
// kernel stamps arrivals. A server that is not busy gets its next requests later, by half of the delay on average.
func (l *loop) batch() {
	if delay := l.batchingDelay(); delay > 0 {
		sleep(delay - timerSlack)
	}
}

// sleep blocks the thread, without notice to Go's scheduler, for at most timerSlack longer. A signal ends it.
func sleep(asked time.Duration) {
	wait := unix.NsecToTimespec(int64(asked))
	_, _, _ = unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&wait)), 0, 0)
}

// batchingDelay is how long to delay the next poll: a fifth of the response time, at most 0.4 ms. It is 0 while few
// requests are unanswered, or while responses arrive almost at once. It is also 0 while large ones arrive.
func (l *loop) batchingDelay() time.Duration {
	unanswered := l.unanswered
	if !l.plan.Protocol.multiplexed() {
		unanswered = len(l.conns) - len(l.vacant) - len(l.due)
	}
	delay := min(l.responseTime/batchingShare, longestDelay)
	if !l.stamped || l.bulk || unanswered < batchingFrom || delay <= timerSlack {
		return 0
	}
	return delay
}
