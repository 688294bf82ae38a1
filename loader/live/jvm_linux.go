package live

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"leaklab/loader/kernel"
	"leaklab/loader/memory"
)

const (
	// jvmReadingLimit is how long a reading may take at most: JVMs stop about 2 s per 10 million objects.
	jvmReadingLimit = time.Minute
	// jvmSlowCollection is how long a collection takes if there is no time for two at each reading.
	jvmSlowCollection = 5 * time.Second
	// jvmHistogramLimit bounds the answers of the JVM that are read line by line, in bytes.
	jvmHistogramLimit = 64 << 20
)

// jvm is HotSpot. It is asked by its attach protocol, which jcmd speaks, so that no tool of the JDK is needed.
func jvm() runtime {
	asked := &askedOnce{}
	return runtime{
		kind:     JVM,
		collects: true,
		defers:   true,
		runs:     runsHotSpot,
		launch:   launchHotSpot,
		open: func(ctx context.Context, p process, _ Options) (opened, error) {
			h := &hotSpot{attach: attachment{process: p, asked: asked}}
			if err := h.open(ctx); err != nil {
				return nil, h.attach.ended(err)
			}
			return h, nil
		},
		tells: "the bytes of all live objects",
		// 1.1 to 3.9 s for 10 million objects of 521 MB, by collector, and twice a reading.
		stopAtLeast: 50 * time.Millisecond,
		stopPerGiB:  4 * time.Second,
	}
}

// launchHotSpot has a JVM track its native memory, so that compilers' arenas can be told from memory outside the heap. An
// option of the command line wins.
func launchHotSpot(environment []string, _ Options) ([]string, error) {
	options := trackNative
	for _, variable := range environment {
		if given, found := strings.CutPrefix(variable, jvmOptions+"="); found && given != "" {
			options += " " + given
		}
	}
	return []string{jvmOptions + "=" + options}, nil
}

// askedOnce holds the processes that got SIGQUIT, by PID and start time. None gets it twice: a JVM that does not open its
// socket writes all its stacks to its output instead.
type askedOnce struct {
	mu   sync.Mutex
	done map[[2]uint64]bool
}

// first tells if it is called with that process for the first time.
func (a *askedOnce) first(pid int, started uint64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	key := [2]uint64{uint64(pid), started}
	if a.done[key] {
		return false
	}
	if a.done == nil {
		a.done = make(map[[2]uint64]bool)
	}
	a.done[key] = true
	return true
}

// hotSpot is a JVM that can be asked.
type hotSpot struct {
	attach       attachment
	limit        int64 // of its heap, in bytes; 0 if unknown
	concurrent   bool  // its histogram does not collect: that of ZGC and Shenandoah
	regions      bool  // its collector is G1
	buffersFixed bool  // it does not size the buffers that threads allocate in
	trims        bool  // it can give back what malloc keeps of freed memory, which it does not tell
	tells        bool  // it tells what malloc keeps of freed memory, and the arenas can be read that this is in
	tables       int64 // what the collector's tables took at first, in bytes; 0 if that was not read yet, or is not tracked
	slow         bool  // its collection took longer than jvmSlowCollection
	mapsMore     bool  // it maps more for its heap than it has committed, for longer than it takes to give that back

	direct    memory.Limit     // of its direct buffers
	records   bool             // it has JDK Flight Recorder
	recording *flightRecording // that runs; nil if none does
}

func (h *hotSpot) open(ctx context.Context) error {
	if err := h.attach.open(ctx); err != nil {
		return err
	}
	text, err := h.ask(ctx, heapInfo)
	if err != nil {
		return err
	}
	heap, err := parseHeapInfo(text)
	if err != nil {
		return err
	}
	flags, err := h.ask(ctx, vmFlags)
	if err != nil {
		return err
	}
	commands, err := h.ask(ctx, "help")
	if err != nil {
		return err
	}
	h.direct = parseMaxDirect(flags)
	freed, err := h.freed(ctx)
	if err != nil {
		return err
	}
	h.limit, h.concurrent, h.regions = parseMaxHeap(flags), heap.concurrent, heap.regions
	h.buffersFixed = strings.Contains(flags, buffersKept)
	if size, _, err := mallocArenas(h.attach.process.PID); err == nil && freed >= 0 {
		h.tells = size > freed
	}
	h.trims = !h.tells && strings.Contains(commands, trimNativeHeap)
	h.records = strings.Contains(commands, "JFR.start")
	if h.concurrent && strings.Contains(flags, explicitDisabled) {
		return fmt.Errorf("with %s its collector does not collect when it is asked to", explicitDisabled)
	}
	return nil
}

// live is opened's. What only a collection frees, such as direct buffers and Inflaters, is given back by threads of the
// JVM after it, and what they used is garbage only then. So there are two collections, with a wait between.
func (h *hotSpot) live(ctx context.Context) (memory.Live, error) {
	ctx, cancel := context.WithTimeout(ctx, jvmReadingLimit)
	defer cancel()
	read, err := h.read(ctx)
	return read, h.attach.ended(err)
}

func (h *hotSpot) read(ctx context.Context) (memory.Live, error) {
	read := memory.Live{Forced: classHistogram, Processes: 1}
	if err := h.collect(ctx, &read); err != nil {
		return memory.Live{}, err
	}
	native, err := whileSteady(func() (int64, error) { return h.native(ctx, &read) }, func() error { return h.measure(ctx, &read) })
	if err != nil {
		return memory.Live{}, err
	}
	read.Heap = max(read.Heap+native, read.Bytes)
	if h.limit > 0 {
		read.Limit = memory.Limit{Bytes: h.limit, Of: "its heap (-Xmx)"}
	}
	return read, nil
}

// measure trims, and sets what the heap, the code cache and the metaspace take.
func (h *hotSpot) measure(ctx context.Context, read *memory.Live) error {
	if err := h.trim(ctx, read); err != nil {
		return err
	}
	text, err := h.ask(ctx, heapInfo)
	if err != nil {
		return err
	}
	heap, err := parseHeapInfo(text)
	if err != nil {
		return err
	}
	code, err := h.ask(ctx, codeCache)
	if err != nil {
		return err
	}
	read.Committed = heap.committed
	read.Heap, read.Shared = h.resident(ctx, heap, parseCodeCache(code))
	idle, err := h.idle(ctx)
	read.Heap += idle
	return err
}

// native is what the JVM has for compilers, and for the collector's tables beyond what these took at first, in bytes. It
// sets what direct buffers take, if they have a limit.
func (h *hotSpot) native(ctx context.Context, read *memory.Live) (int64, error) {
	text, err := h.ask(ctx, nativeMemory)
	if err != nil {
		return 0, err
	}
	if bytes, known := parseDirect(text); known && h.direct.Bytes > 0 {
		read.Buffers, read.BuffersLimit = bytes, h.direct
	}
	compilers, tables := parseNative(text)
	if h.tables == 0 {
		h.tables = tables
	}
	return compilers + tables - h.tables, nil
}

// steadyMeasures is how often is measured until a figure has stayed the same, to steadyNoise in bytes.
const steadyMeasures, steadyNoise = 3, 256 << 10

// whileSteady measures, and returns the figure after it. If that differs from before, it measures again: what the JVM takes
// or frees for itself meanwhile would count as memory outside the heap.
func whileSteady(figure func() (int64, error), measure func() error) (int64, error) {
	now, err := figure()
	for range steadyMeasures {
		if err == nil {
			err = measure()
		}
		if err != nil {
			return 0, err
		}
		before := now
		now, err = figure()
		if change := now - before; err == nil && change >= -steadyNoise && change <= steadyNoise {
			break
		}
	}
	return now, err
}

// collect forces the collections, and sets the live bytes and how long the JVM stood still. A histogram of ZGC or
// Shenandoah walks the objects that can be reached, and ignores its own request for a collection. They collect by GC.run,
// while the program runs on.
func (h *hotSpot) collect(ctx context.Context, read *memory.Live) error {
	if h.concurrent {
		if _, err := h.ask(ctx, gcRun); err != nil {
			return err
		}
		read.Forced = gcRun
	} else {
		if err := h.histogram(ctx, read); err != nil {
			return err
		}
		h.slow = h.slow || read.Stopped > jvmSlowCollection
	}
	if err := h.attach.awaitIdle(ctx); err != nil || h.slow {
		return err
	}
	return h.histogram(ctx, read)
}

// histogram sets the live bytes, and adds the time that it took.
func (h *hotSpot) histogram(ctx context.Context, read *memory.Live) error {
	began := time.Now()
	err := h.attach.command(ctx, classHistogram, jvmHistogramLimit, func(answer io.Reader) (err error) {
		read.Bytes, read.Sites, err = parseHistogram(answer)
		return err
	})
	read.Stopped += time.Since(began)
	return err
}

// freed is what malloc keeps of freed memory, in bytes; -1 if the JVM does not tell, as that before Java 17.
func (h *hotSpot) freed(ctx context.Context) (int64, error) {
	freed := int64(-1)
	err := h.attach.command(ctx, vmInfo, jvmHistogramLimit, func(answer io.Reader) (err error) {
		freed, err = parseFreed(answer)
		return err
	})
	return freed, err
}

// idle is what of it is in RAM or swapped out. It is not held by the program: compilers leave many megabytes. It is 0 if it
// cannot be told, and counts as memory outside the heap then.
func (h *hotSpot) idle(ctx context.Context) (int64, error) {
	if !h.tells {
		return 0, nil
	}
	freed, err := h.freed(ctx)
	size, resident, unreadable := mallocArenas(h.attach.process.PID)
	if err != nil || unreadable != nil || freed < 0 {
		return 0, err
	}
	return max(0, resident-max(0, size-freed)), nil
}

// trim lets malloc give back what it keeps of freed memory, such as that of direct buffers that were collected: it is not
// held by the program. Java 17.0.9, 21.0.1 and 22 or later can. Threads that allocate by malloc may wait for it.
func (h *hotSpot) trim(ctx context.Context, read *memory.Live) error {
	if !h.trims {
		return nil
	}
	began := time.Now()
	_, err := h.ask(ctx, trimNativeHeap)
	read.Stopped += time.Since(began)
	return err
}

// resident is the part of the heap, the code cache and the metaspace that is in RAM or swapped out, and how much of it is
// of files or shared memory. Code cache and metaspace hold the program's code, and grow for minutes while it warms up.
// Classes that leak show in the heap as well, where each has an object. Metaspace counts as far as it is committed, in
// steps of 64 KB. G1 uncommits a while after the collection, which is waited for: at most 2 s.
func (h *hotSpot) resident(ctx context.Context, heap javaHeap, code []addressRange) (bytes, shared int64) {
	const looks = 100
	pid := h.attach.process.PID
	pages, err := residentIn(pid, heap.ranges, heap.named)
	for look := 1; look < looks && err == nil && !heap.named && !h.mapsMore && pages.mapped > heap.committed && pause(ctx, attachPoll) == nil; look++ {
		pages, err = residentIn(pid, heap.ranges, heap.named)
	}
	h.mapsMore = err == nil && !heap.named && pages.mapped > heap.committed
	bytes, shared = pages.held, pages.shared
	switch {
	case err != nil:
		bytes, shared = heap.committed, 0
	case !heap.named: // pages of ZGC count up to three times
		bytes, shared = min(bytes, heap.committed), min(shared, heap.committed)
	}
	inCode, err := residentIn(pid, code, false)
	if err != nil {
		for _, cache := range code {
			inCode.held += int64(cache.high - cache.low)
		}
	}
	return bytes + inCode.held + heap.metaspace, shared
}

// ask returns the answer to a command that needs no argument.
func (h *hotSpot) ask(ctx context.Context, command string) (string, error) {
	var text []byte
	err := h.attach.command(ctx, command, jvmAnswerLimit, func(answer io.Reader) (err error) {
		text, err = io.ReadAll(answer)
		return err
	})
	return string(text), err
}

// close stops a recording that still runs. A JVM keeps its socket until it ends.
func (h *hotSpot) close(ctx context.Context) error {
	if h.recording == nil {
		return nil
	}
	return h.recording.stop(ctx)
}

func (h *hotSpot) said() string {
	asked := []string{classHistogram, nativeMemory}
	if h.concurrent {
		asked = append(asked, gcRun)
	}
	if h.tells {
		asked = append(asked, vmInfo)
	}
	if h.trims {
		asked = append(asked, trimNativeHeap)
	}
	said := h.attach.said + "; sends " + strings.Join(asked, ", ")
	switch {
	case !h.records:
	case h.shrinks():
		said += "; if live memory grows, JFR.start, VM.set_flag, JFR.dump and JFR.stop"
	default:
		said += "; if live memory grows, JFR.start, JFR.dump and JFR.stop"
	}
	return said
}

// shrinks tells if the heap is made small while objects are sampled: G1 can, and threads' buffers follow it if the JVM sizes them.
func (h *hotSpot) shrinks() bool { return h.regions && !h.buffersFixed }

// ended wraps memory.ErrGone around an error if the process has ended.
func (a *attachment) ended(err error) error {
	if err == nil || errors.Is(err, memory.ErrGone) {
		return err
	}
	started, _ := kernel.StartOf(a.process.PID)
	if hasEnded(a.process.PID) || a.started != 0 && started != a.started {
		return fmt.Errorf("process %d: %w: %w", a.process.PID, memory.ErrGone, err)
	}
	return err
}
