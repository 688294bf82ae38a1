package load

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// loop carries the connections of plain HTTP/1.1 requests: it waits for all of their answers at once, by epoll, and
// sends the next request as soon as one is there. That takes two calls of the kernel a request and a share of one that
// waits, and no change from one goroutine to another. What is not plain it gives back to the connection's worker: an
// answer that does not fit into its buffer, a connection that ends, a request that times out.
//
// To be woken takes time, of the server as well, which must do it. So a loop lets answers lie for a moment if more are to
// come, or if a connection is free for the next request: the kernel knows when they came.
type loop struct {
	plan   *Plan
	next   pace
	counts *recorder

	poll        int      // epoll of the connections, the bell and the clock
	bell, clock int      // an eventfd and a timerfd
	gate        int      // epoll of the bell, the clock and, while it is open, poll
	file        *os.File // gate, for Go to wait for: a thread that waits by itself would keep Go's monitor busy
	ready       syscall.RawConn

	mu       sync.Mutex // guards bell, arrivals and stopped
	arrivals []*carried
	stopped  bool

	all     []*carried // by the number that epoll knows them by; nil where one has left
	vacant  []int32    // the numbers of those
	due     []*carried // those that wait for the time of their next request, in this order
	armed   time.Time  // what the clock is set to; zero once it has struck
	struck  time.Time  // when it last did
	checked time.Time  // when timeouts were last looked for

	stamped bool          // the kernel says when answers came
	taken   time.Duration // about how long it takes from a request until its answer is read

	receiver receiver
	buffer   [readBufferSize]byte
	piece    piece
	reader   *bufio.Reader
}

// carried is a connection in a loop.
type carried struct {
	fd     int
	number int32
	turn   turn
	got    []byte // what has come of an answer that is not complete
	back   chan returned
}

// returned is a connection that a loop has given back.
type returned struct {
	fd    int    // -1 if it is closed
	turn  turn   // what is left to do
	sent  int    // bytes of its exchange
	got   []byte // of its answer
	ended bool   // there is no request any more
	unfit bool   // it is not to be carried again
}

// The numbers of the loop's own descriptors in epoll.
const (
	bellNumber  = -1
	clockNumber = -2
)

// carry has the loop send requests for as long as it can, and finishes what the loop has left. It returns when the next
// request is due; false if there is none.
func (w *worker) carry(ctx context.Context, now *time.Time) (time.Time, bool) {
	for w.loop != nil {
		connection := w.client.(*connection)
		fd, ok := connection.lend()
		if !ok {
			break
		}
		r := w.loop.carry(fd)
		*now = time.Now()
		if r.unfit {
			w.loop = nil
		}
		switch {
		case r.ended:
			return time.Time{}, false
		case r.turn.exchange != nil:
			connection.takeBack(r)
			*now = w.finish(ctx, r.turn)
		case !r.turn.intended.IsZero():
			return r.turn.intended, true
		}
	}
	return w.take(*now)
}

// lend gives the descriptor of the open connection away: Go would wait for it as well if it were still its own. False
// if there is none.
func (c *connection) lend() (fd int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.conn.(*socket)
	if !ok || c.aborted || c.reader.Buffered() > 0 || len(s.ahead) > 0 {
		return -1, false
	}
	var failed error
	err := s.raw.Control(func(own uintptr) { fd, failed = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 0) })
	if err != nil || failed != nil {
		return -1, false
	}
	_ = c.conn.Close()
	c.conn = nil
	return fd, true
}

// takeBack takes a descriptor that was lent, so that its exchange can go on. If that fails, the exchange begins anew.
func (c *connection) takeBack(r returned) {
	file := os.NewFile(uintptr(r.fd), "")
	conn, err := net.FileConn(file)
	_ = file.Close()
	if err != nil {
		return
	}
	if s, ok := newSocket(conn).(*socket); ok && c.use(s) == nil {
		s.ahead, c.sent = r.got, r.sent
	}
}

// newLoop returns a loop that is not running yet.
func newLoop(plan *Plan, next pace, counts *recorder) (*loop, error) {
	l := &loop{plan: plan, next: next, counts: counts, poll: -1, bell: -1, clock: -1, gate: -1}
	l.reader = bufio.NewReaderSize(&l.piece, readBufferSize)
	var err error
	if l.poll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err == nil {
		l.bell, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	}
	if err == nil {
		l.clock, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	}
	if err == nil {
		l.gate, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	}
	if err == nil {
		err = unix.SetNonblock(l.gate, true)
		for _, epoll := range []int{l.poll, l.gate} {
			err = errors.Join(err, watch(epoll, l.bell, bellNumber, unix.EPOLLIN), watch(epoll, l.clock, clockNumber, unix.EPOLLIN))
		}
		err = errors.Join(err, watch(l.gate, l.poll, 0, 0))
	}
	if err != nil {
		l.free()
		return nil, os.NewSyscallError("epoll", err)
	}
	l.file = os.NewFile(uintptr(l.gate), "epoll")
	err = l.file.SetReadDeadline(time.Time{}) // fails if Go cannot wait for it
	if err == nil {
		l.ready, err = l.file.SyscallConn()
	}
	if err != nil {
		l.free()
		return nil, err
	}
	return l, nil
}

// watch has epoll tell of events of fd by its number.
func watch(epoll, fd int, number int32, events uint32) error {
	return unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: number})
}

func (l *loop) free() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		_ = l.file.Close()
		l.gate = -1
	}
	for _, fd := range []int{l.gate, l.poll, l.bell, l.clock} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
	l.bell = -1
}

// startLoops returns running loops for the plan's workers; none if its protocol cannot be carried, or the kernel has no
// more descriptors. There is one for each other processor, since the server needs some as well. Two processors have two
// all the same if it goes as fast as it can: one would leave much of them idle.
func startLoops(ctx context.Context, plan *Plan, next pace, meter *Meter) []*loop {
	if plan.Protocol != HTTP1 {
		return nil
	}
	var loops []*loop
	processors := runtime.GOMAXPROCS(0)
	share := max(1, processors/2)
	if plan.Rate == 0 {
		share = max(share, min(2, processors))
	}
	for n := range min(plan.working(), share) {
		l, err := newLoop(plan, next, meter.recorder(n))
		if err != nil {
			break
		}
		loops = append(loops, l)
		go l.run(ctx)
	}
	return loops
}

// carry sends requests over a connection for as long as they are plain. It is called by the connection's worker.
func (l *loop) carry(fd int) returned {
	c := &carried{fd: fd, back: make(chan returned, 1)}
	l.ring(func() { l.arrivals = append(l.arrivals, c) })
	return <-c.back
}

// stop ends a loop that carries nothing any more.
func (l *loop) stop() { l.ring(func() { l.stopped = true }) }

// ring changes what mu guards, and wakes the loop.
func (l *loop) ring(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
	_, _ = unix.Write(l.bell, []byte{1, 0, 0, 0, 0, 0, 0, 0})
}

// run serves the connections until the loop is stopped. When ctx ends, it gives them all back.
func (l *loop) run(ctx context.Context) {
	defer l.free()
	defer context.AfterFunc(ctx, func() { l.ring(func() {}) })()
	events := make([]unix.EpollEvent, 128)
	interval := max(l.plan.Timeout/deadlineSlack, time.Millisecond)
	for now := time.Now(); ; {
		n, _ := unix.EpollWait(l.poll, events, 0)
		if n == 0 {
			l.wait(now)
			n, _ = unix.EpollWait(l.poll, events, 0)
		}
		for _, event := range events[:max(0, n)] {
			switch event.Fd {
			case bellNumber:
				_, _ = unix.Read(l.bell, l.buffer[:8])
			case clockNumber:
				l.armed, l.struck = time.Time{}, time.Now()
			default:
				if c := l.all[event.Fd]; c != nil {
					l.receive(c)
				}
			}
		}
		if l.arrive() {
			return
		}
		now = time.Now()
		l.sendDue(now)
		if ctx.Err() != nil || now.Sub(l.checked) >= interval {
			l.checked = now
			l.expire(ctx, now)
		}
		l.setClock(l.checked.Add(interval))
		l.nap()
	}
}

// wait returns when the clock strikes or the bell rings. It also returns when there is something to receive, unless the
// clock strikes soon and a connection is free for the request that is due then.
func (l *loop) wait(now time.Time) {
	if !l.stamped || len(l.due) == 0 || l.armed.Sub(now) > 2*clockGrain {
		// Open once: what comes while the loop is awake wakes nobody.
		_ = unix.EpollCtl(l.gate, unix.EPOLL_CTL_MOD, l.poll, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLONESHOT})
	}
	err := l.ready.Read(func(fd uintptr) bool {
		var event [1]unix.EpollEvent
		n, _ := unix.EpollWait(int(fd), event[:], 0)
		return n != 0
	})
	if err != nil {
		panic(err) // nobody but run closes it
	}
}

// The limits of a nap.
const (
	napFrom    = 16 // requests that are not answered
	napShare   = 5  // of the time that their answers take
	longestNap = 400 * time.Microsecond
	timerSlack = 50 * time.Microsecond // a thread sleeps for so much longer than it asks for
)

// nap sleeps for a moment if many answers are to come, and they take much longer. Their latencies do not tell, but a
// server that is not busy gets its next requests later for it, by half a nap on average.
func (l *loop) nap() {
	if length := l.napLength(); length > 0 {
		asked := unix.NsecToTimespec(int64(length - timerSlack))
		_, _, _ = unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&asked)), 0, 0)
	}
}

// napLength is how long the loop may sleep now, 0 if it is not worth it.
func (l *loop) napLength() time.Duration {
	unanswered := len(l.all) - len(l.vacant) - len(l.due)
	length := min(l.taken/napShare, longestNap)
	if !l.stamped || unanswered < napFrom || length <= timerSlack {
		return 0
	}
	return length
}

// clockGrain is how often the clock strikes at most: to be woken for each of thousands of requests a second takes more
// time than they do, of the server as well. A request is that much late at most; its latency tells.
const clockGrain = time.Millisecond / 2

// setClock has the loop woken when the next request is due, or at the latest at a time.
func (l *loop) setClock(at time.Time) {
	if len(l.due) > 0 && l.due[0].turn.intended.Before(at) {
		at = l.due[0].turn.intended
		if next := l.struck.Add(clockGrain); at.Before(next) {
			at = next
		}
	}
	if l.armed.IsZero() || at.Before(l.armed) {
		l.armed = at
		wait := unix.NsecToTimespec(max(1, int64(time.Until(at))))
		_ = unix.TimerfdSettime(l.clock, 0, &unix.ItimerSpec{Value: wait}, nil)
	}
}

// arrive takes in the connections that have come. It returns whether the loop is to end.
func (l *loop) arrive() bool {
	l.mu.Lock()
	arrivals, stopped := l.arrivals, l.stopped
	l.arrivals = nil
	l.mu.Unlock()
	for _, c := range arrivals {
		if n := len(l.vacant); n > 0 {
			c.number, l.vacant = l.vacant[n-1], l.vacant[:n-1]
			l.all[c.number] = c
		} else {
			c.number = int32(len(l.all))
			l.all = append(l.all, c)
		}
		if watch(l.poll, c.fd, c.number, unix.EPOLLIN) != nil {
			l.giveBack(c, returned{unfit: true})
			continue
		}
		stampArrivals(c.fd)
		l.begin(c, time.Now())
	}
	return stopped
}

// begin has the next request of a connection sent, now or when it is due.
func (l *loop) begin(c *carried, now time.Time) {
	intended, more := l.next.take(now, l.plan.Timeout, l.counts)
	c.turn = turn{intended: intended}
	switch {
	case !more:
		l.giveBack(c, returned{ended: true})
	case intended.After(now):
		l.due = append(l.due, c)
	default:
		l.send(c, now)
	}
}

// sendDue sends the requests that are due.
func (l *loop) sendDue(now time.Time) {
	for len(l.due) > 0 && !l.due[0].turn.intended.After(now) {
		c := l.due[0]
		l.due = l.due[1:]
		if l.all[c.number] == c { // it has not left meanwhile
			l.send(c, time.Now())
		}
	}
}

func (l *loop) send(c *carried, now time.Time) {
	c.turn.exchange, c.turn.start = l.plan.Behaviour.Next(), now
	sent := 0
	if c.turn.exchange.plain() {
		sent, _ = write(c.fd, c.turn.exchange.wire)
	}
	if sent < len(c.turn.exchange.wire) {
		l.giveBack(c, returned{turn: c.turn, sent: max(0, sent), unfit: true})
	}
}

// receive reads what has come over a connection.
func (l *loop) receive(c *carried) {
	n, came, stamped, err := l.receiver.receive(c.fd, l.buffer[copy(l.buffer[:], c.got):])
	if err != nil && again(err) {
		return
	}
	l.piece.rest = l.buffer[:len(c.got)+max(0, n)]
	if n <= 0 || c.turn.exchange == nil { // it ends, or speaks without having been asked
		l.giveBack(c, returned{turn: c.turn, sent: c.sent(), got: c.got})
		return
	}
	whole := l.piece.rest
	l.reader.Reset(&l.piece)
	answer, err := readResponse(l.reader, c.turn.exchange.Method)
	switch {
	case errors.Is(err, errMore) && len(whole) < len(l.buffer):
		c.got = append(c.got[:0], whole...)
		return
	case err != nil:
		l.giveBack(c, returned{turn: c.turn, sent: c.sent(), got: append([]byte(nil), whole...), unfit: true})
		return
	}
	now := time.Now()
	c.got = c.got[:0]
	more := l.reader.Buffered() > 0 || len(l.piece.rest) > 0
	if more && answer.code != http.StatusSwitchingProtocols { // it has not ended where it says
		l.counts.failed(BadResponse)
	} else {
		taken, lay := now.Sub(c.turn.start), time.Duration(0)
		if stamped {
			lay = min(max(0, time.Duration(now.UnixNano()-came.UnixNano())), taken) // the system's clock may have been set
		}
		l.stamped = stamped
		l.taken += (taken - l.taken) / 64
		l.counts.answered(answer.code, now.Sub(c.turn.intended)-lay, true)
	}
	c.turn = turn{}
	if answer.close || more {
		l.giveBack(c, returned{})
		return
	}
	l.begin(c, now)
}

// expire gives back the connections whose request has taken too long, and all of them when ctx has ended.
func (l *loop) expire(ctx context.Context, now time.Time) {
	for _, c := range l.all {
		switch {
		case c == nil:
		case ctx.Err() != nil:
			l.giveBack(c, returned{ended: true})
		case c.turn.exchange != nil && now.Sub(c.turn.start) > l.plan.Timeout:
			l.giveBack(c, returned{turn: c.turn, sent: c.sent(), got: c.got})
		}
	}
	if ctx.Err() != nil {
		l.due = nil
	}
}

func (c *carried) sent() int {
	if c.turn.exchange == nil {
		return 0
	}
	return len(c.turn.exchange.wire)
}

// giveBack lets a connection leave the loop. It is closed if no exchange is going on.
func (l *loop) giveBack(c *carried, r returned) {
	l.all[c.number] = nil
	l.vacant = append(l.vacant, c.number)
	_ = unix.EpollCtl(l.poll, unix.EPOLL_CTL_DEL, c.fd, nil)
	r.fd = c.fd
	if r.turn.exchange == nil {
		_ = unix.Close(c.fd)
		r.fd = -1
	}
	c.back <- r
}

// write writes without telling Go's scheduler, which is right for a call that never waits.
func write(fd int, b []byte) (int, error) {
	n, _, failed := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	if failed != 0 {
		return 0, failed
	}
	return int(n), nil
}

// errMore says that an answer is not complete.
var errMore = errors.New("there is more to come")

// piece is what has come so far.
type piece struct{ rest []byte }

func (p *piece) Read(b []byte) (int, error) {
	if len(p.rest) == 0 {
		return 0, errMore
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}
