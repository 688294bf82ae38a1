package live

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"leaklab/loader/memory"
)

const (
	// openings is how often opening a process is tried that may still be starting: at first, and at the readings that follow.
	openings = 3
	// askedAtOnce is how many processes are asked at a time.
	askedAtOnce = 4
	// openTimeout and liveTimeout limit how long one process is waited for.
	openTimeout = 30 * time.Second
	liveTimeout = 2 * time.Minute
	// closeTimeout limits how long processes are closed that were opened in vain.
	closeTimeout = 10 * time.Second
	// mostBytes is the most that a figure can be.
	mostBytes = 1 << 50
)

// Tree is a Source that asks all processes of a server. Those that come are opened when live memory is read the next time,
// and those that have gone are forgotten.
type Tree struct {
	options   Options
	runtimes  []runtime
	processes func() ([]int, error)
	opened    map[int]*member
	said      []string
}

// errOtherUser is why nothing is known of a process.
var errOtherUser = errors.New("a process of another user may not be looked at: run leaklab as that user or as root")

// member is a process of the tree.
type member struct {
	began  identity
	kind   Kind
	asked  opened // nil if it cannot be asked
	tries  int    // how often it may still be opened
	reason error  // why it cannot be asked; nil if it can, or runs no such runtime
}

// Open opens the processes of a server, which processes lists. The error wraps ErrNone if none can be asked, and tells why
// those could not whose runtime is known. The caller has to Close the Tree, unless there is an error.
func Open(ctx context.Context, processes func() ([]int, error), options Options) (*Tree, error) {
	return open(ctx, processes, options, runtimes())
}

func open(ctx context.Context, processes func() ([]int, error), options Options, runtimes []runtime) (*Tree, error) {
	t := &Tree{options: options, runtimes: runtimes, processes: processes, opened: make(map[int]*member)}
	for range openings {
		if err := t.refresh(ctx); err != nil {
			closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
			defer cancel()
			return nil, errors.Join(err, t.Close(closing))
		}
		if len(t.askable()) > 0 || !t.starting() {
			break
		}
	}
	if len(t.askable()) == 0 {
		return nil, t.none()
	}
	return t, nil
}

// starting tells if a process has a runtime that may be asked later.
func (t *Tree) starting() bool {
	for _, m := range t.opened {
		if isNotYet(m.reason) && m.tries > 0 {
			return true
		}
	}
	return false
}

// Said is what has been opened in the server or sent to it, a line each.
func (t *Tree) Said() []string { return t.said }

// Runtimes names the runtimes that are asked, such as "jvm".
func (t *Tree) Runtimes() []string {
	kinds := make(map[string]bool)
	for _, m := range t.askable() {
		kinds[string(m.kind)] = true
	}
	return slices.Sorted(maps.Keys(kinds))
}

// Live is Source's. Processes that end meanwhile are left out.
func (t *Tree) Live(ctx context.Context) (memory.Live, error) {
	if err := t.refresh(ctx); err != nil {
		return memory.Live{}, err
	}
	asked := t.askable()
	if len(asked) == 0 {
		return memory.Live{}, t.none()
	}
	var mu sync.Mutex
	var sum memory.Live
	var failed []error
	var sites summedSites
	begin := time.Now()
	each(asked, func(pid int, m *member) {
		ctx, cancel := context.WithTimeout(ctx, liveTimeout)
		defer cancel()
		read, err := m.asked.live(ctx)
		if err == nil {
			err = sane(read)
		}
		if err == nil {
			read.Outside = outside(pid, read)
		}
		mu.Lock()
		defer mu.Unlock()
		switch {
		case errors.Is(err, memory.ErrGone): // it is forgotten when the processes are listed again
		case err != nil:
			failed = append(failed, fmt.Errorf("%s of process %d: %w", m.kind, pid, err))
		default:
			add(&sum, read)
			sites.add(read.Sites)
		}
	})
	if len(failed) > 0 {
		return memory.Live{}, errors.Join(failed...)
	}
	if sum.Processes == 0 {
		return memory.Live{}, t.none()
	}
	sum.Stopped = min(sum.Stopped, time.Since(begin))
	sum.Sites = sites.largest()
	for pid, m := range t.opened {
		if m.asked == nil {
			addOutside(&sum, outside(pid, memory.Live{}))
		}
	}
	return sum, nil
}

// sane fails if figures cannot be, such as those of a server that lies.
func sane(read memory.Live) error {
	for _, figure := range []int64{read.Bytes, read.Heap, read.Shared, read.Committed} {
		if figure < 0 || figure > mostBytes {
			return fmt.Errorf("it tells %d bytes, which cannot be", figure)
		}
	}
	return nil
}

// outside is what a process holds outside of its heap, in bytes; 0 if it has ended, negative if it may not be looked at.
func outside(pid int, read memory.Live) int64 {
	anonymous, err := memory.AnonymousOf(pid)
	switch {
	case errors.Is(err, memory.ErrGone):
		return 0
	case err != nil:
		return -1
	}
	return max(0, anonymous-(heapOf(read)-read.Shared))
}

// heapOf is what a process keeps for its heap: what is live if nothing is known of the rest. It is less than what is live
// where processes share pages, which count in part.
func heapOf(one memory.Live) int64 {
	if one.Heap == 0 {
		return one.Bytes
	}
	return one.Heap
}

// addOutside adds what a process holds outside of its heap; the sum is unknown if that is.
func addOutside(sum *memory.Live, one int64) {
	if one < 0 || sum.Outside < 0 {
		sum.Outside = -1
		return
	}
	sum.Outside += one
}

// add adds what a process holds to the sum.
func add(sum *memory.Live, one memory.Live) {
	sum.Bytes += one.Bytes
	sum.Heap += heapOf(one)
	sum.Shared += one.Shared
	sum.Committed += one.Committed
	addOutside(sum, one.Outside)
	sum.Stopped += one.Stopped
	sum.Processes++
	if one.Limit.Bytes > 0 && (sum.Limit.Bytes == 0 || one.Limit.Bytes < sum.Limit.Bytes) {
		sum.Limit = one.Limit
	}
	sum.Buffers += one.Buffers
	if one.BuffersLimit.Bytes > 0 && (sum.BuffersLimit.Bytes == 0 || one.BuffersLimit.Bytes < sum.BuffersLimit.Bytes) {
		sum.BuffersLimit = one.BuffersLimit
	}
	if !strings.Contains(sum.Forced, one.Forced) {
		sum.Forced = strings.TrimPrefix(sum.Forced+", "+one.Forced, ", ")
	}
}

// Close is Source's. It closes what it can, and tells what it could not.
func (t *Tree) Close(ctx context.Context) error {
	var mu sync.Mutex
	var failed error
	each(t.askable(), func(pid int, m *member) {
		ctx, cancel := context.WithTimeout(ctx, openTimeout)
		defer cancel()
		if err := m.asked.close(ctx); err != nil && !errors.Is(err, memory.ErrGone) {
			mu.Lock()
			defer mu.Unlock()
			failed = errors.Join(failed, fmt.Errorf("%s of process %d: %w", m.kind, pid, err))
		}
	})
	return failed
}

// askable are the processes that can be asked, by their numbers.
func (t *Tree) askable() map[int]*member {
	all := maps.Clone(t.opened)
	maps.DeleteFunc(all, func(_ int, m *member) bool { return m.asked == nil })
	return all
}

// each calls f for each process, several at a time, and returns when all calls have.
func each(all map[int]*member, f func(pid int, m *member)) {
	var waiting sync.WaitGroup
	free := make(chan struct{}, askedAtOnce)
	for pid, m := range all {
		free <- struct{}{}
		waiting.Go(func() {
			defer func() { <-free }()
			f(pid, m)
		})
	}
	waiting.Wait()
}

// refresh opens the processes that are new, and forgets those that have ended.
func (t *Tree) refresh(ctx context.Context) error {
	pids, err := t.processes()
	if err != nil {
		return err
	}
	now := make(map[int]*member, len(pids))
	fresh, gone := make(map[int]*member), t.askable()
	for _, pid := range pids {
		began := identify(pid)
		known := t.opened[pid]
		same := known != nil && known.began == began
		if same && (known.asked != nil || known.tries == 0) {
			now[pid] = known
			delete(gone, pid)
			continue
		}
		if !same {
			known = &member{began: began, tries: openings}
		}
		fresh[pid], now[pid] = known, known
	}
	t.opened = now
	each(gone, func(_ int, m *member) { _ = m.asked.close(ctx) })
	each(fresh, func(pid int, m *member) {
		ctx, cancel := context.WithTimeout(ctx, openTimeout)
		defer cancel()
		t.open(ctx, pid, m)
	})
	for _, pid := range slices.Sorted(maps.Keys(fresh)) {
		if m := fresh[pid]; m.asked != nil && m.asked.said() != "" {
			t.said = append(t.said, fmt.Sprintf("process %d: %s", pid, m.asked.said()))
		}
	}
	return context.Cause(ctx)
}

// open opens a process by the first runtime that it runs. One without a runtime is looked at again too: it may not have
// loaded the library of its runtime yet.
func (t *Tree) open(ctx context.Context, pid int, m *member) {
	m.tries--
	p, err := look(pid)
	if errors.Is(err, os.ErrPermission) {
		m.reason, m.tries = errOtherUser, 0
	}
	if err != nil {
		return // it has ended, or is of another user: its memory is outside
	}
	for _, r := range t.runtimes {
		if !r.chosen(t.options.Kind) || !r.runs(p) {
			continue
		}
		m.kind = r.kind
		if m.asked, m.reason = r.open(ctx, p, t.options); m.reason != nil && !isNotYet(m.reason) {
			m.tries = 0
		}
		return
	}
}

// chosen tells whether a runtime is looked for under a setting.
func (r runtime) chosen(setting Kind) bool {
	return r.kind == setting || setting == Auto && r.kind != TCMalloc && r.kind != Jemalloc
}

// none is ErrNone with why the runtimes that were found could not be asked.
func (t *Tree) none() error {
	reasons := make(map[string]bool)
	for _, m := range t.opened {
		switch {
		case m.reason == nil:
		case m.kind == "":
			reasons[m.reason.Error()] = true
		default:
			reasons[fmt.Sprintf("%s: %v", m.kind, m.reason)] = true
		}
	}
	switch {
	case len(reasons) > 0:
	case t.options.Kind == Auto:
		return ErrNone
	default:
		return fmt.Errorf("%w by LIVE=%s%s", ErrNone, t.options.Kind, t.instead())
	}
	return fmt.Errorf("%w: %s", ErrNone, strings.Join(slices.Sorted(maps.Keys(reasons)), "; "))
}

// instead names the settings of LIVE that fit the processes better; empty if none does.
func (t *Tree) instead() string {
	kinds := make(map[string]bool)
	for pid := range t.opened {
		p, err := look(pid)
		if err != nil {
			continue
		}
		for _, r := range t.runtimes {
			if r.chosen(Auto) && r.runs(p) {
				kinds["LIVE="+string(r.kind)] = true
				break
			}
		}
	}
	if len(kinds) == 0 {
		return ""
	}
	return "; the server runs what " + strings.Join(slices.Sorted(maps.Keys(kinds)), ", ") + " reads"
}

// Environment returns the variables that a server needs to be asked later, as NAME=VALUE, beside those of environment: it
// is launched with both. Nil if it needs none. An error names the setting LIVE.
func Environment(environment []string, o Options) ([]string, error) {
	var all []string
	for _, r := range runtimes() {
		if !r.chosen(o.Kind) || r.launch == nil {
			continue
		}
		variables, err := r.launch(append(slices.Clone(environment), all...), o)
		if err != nil {
			return nil, fmt.Errorf("LIVE=%q: %w", string(o.Kind), err)
		}
		all = append(all, variables...)
	}
	return all, nil
}

// Offer is what LIVE would tell of a server that was running before, and how long it would stand still for each reading,
// about; empty if it would tell nothing. resident is the server's memory in bytes.
func Offer(processes func() ([]int, error), resident int64) string {
	pids, err := processes()
	if err != nil {
		return ""
	}
	for _, pid := range pids {
		p, err := look(pid)
		if err != nil {
			continue
		}
		for _, r := range runtimes() {
			if r.tells == "" && r.never == "" || !r.runs(p) {
				continue
			}
			if r.never != "" {
				return r.never
			}
			stop := r.stops(resident)
			return fmt.Sprintf("LIVE=%s would tell %s; the server would stand still for about %s at each reading", r.kind, r.tells, coarse(stop))
		}
	}
	return ""
}

// stops is how long a process of that resident memory stands still for a reading, about.
func (r runtime) stops(resident int64) time.Duration {
	return r.stopAtLeast + time.Duration(float64(r.stopPerGiB)*float64(resident)/(1<<30))
}

// coarse is a length of time with one digit.
func coarse(d time.Duration) string {
	unit := time.Millisecond
	for unit*10 <= d {
		unit *= 10
	}
	return max(d.Round(unit), time.Millisecond).String()
}

// collectors are the programs and libraries of other runtimes that collect garbage.
var collectors = regexp.MustCompile(`^(libruby|libcoreclr|libmono|beam|ruby)`)

// Collects tells whether a process of the server has a runtime that collects garbage, and whether that lets garbage fill
// the heap up to a limit before it collects all of it.
func Collects(processes func() ([]int, error)) (collects, defers bool) {
	pids, err := processes()
	if err != nil {
		return false, false
	}
	for _, pid := range pids {
		p, err := look(pid)
		if err != nil {
			continue
		}
		for _, path := range append(p.Mapped, p.Exe) {
			collects = collects || collectors.MatchString(filepath.Base(path))
		}
		for _, r := range runtimes() {
			if r.collects && r.runs(p) {
				collects, defers = true, defers || r.defers
			}
		}
	}
	return collects, defers
}
