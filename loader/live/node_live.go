package live

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"leaklab/loader/memory"
)

// nodePoll is the time between two looks.
const nodePoll = 10 * time.Millisecond

// nodeProcess is a process whose inspector listens. It connects for each reading anew, because a program of Node's that
// ends by itself waits until the inspector has no connection.
type nodeProcess struct {
	process
	at   tcpAddress
	dial inspectorDialer
	ours bool   // the inspector was opened for this, and is closed at the end
	how  string // it was found or opened
	// commandLine tells that only the inspector's command line can load a module of Node's, once it was asked.
	commandLine, asked bool
	// silent are worker threads that did not answer, such as one that waits in Atomics.wait, and last what each has told.
	silent map[string]bool
	last   map[string]nodeFigures
	// snapshot tells that naming what is kept ends with a heap snapshot.
	snapshot bool
	// naming is what has been prepared to name what is kept, until it is named or the process is closed.
	naming *nodeNaming
}

func newNodeProcess(p process, at tcpAddress) *nodeProcess {
	return &nodeProcess{process: p, at: at, dial: dialInNamespace(p.PID), silent: make(map[string]bool), last: make(map[string]nodeFigures)}
}

func (o *nodeProcess) said() string {
	text := fmt.Sprintf("%s and listens at %s", o.how, o.at)
	if o.ours {
		text += "; it is closed at the end, until then every user of this machine can run code in the server"
	}
	return text
}

// nodeFigures are what one heap, that of the main thread or of a worker thread, tells of itself after a collection, in bytes.
type nodeFigures struct {
	used, committed, resident, limit int64
	// code is the part of used that is machine code, which V8 makes and drops as it likes. It is not live.
	code int64
	// external is memory outside V8's heap that objects in it keep: Buffers, and what the C++ part of Node reports. It
	// includes the arrayBuffers of process.memoryUsage.
	external int64
}

func (f nodeFigures) live() int64 { return max(0, f.used-f.code) + f.external }

// How often a heap is collected: until a further collection frees less than settledBytes. Two are the least. The memory of
// dropped Buffers is given back beside the program, and V8's sum of it is right after the next collection; what
// finalizers drop goes then too.
const (
	leastCollections = 2
	mostCollections  = 5
	settledBytes     = 1 << 10
)

// A worker thread that has not answered within nodeWorkerAnswers is taken as silent; afterwards it gets nodeWorkerAgain.
// One that answers has nodeWorkerCollects for a collection.
const (
	nodeWorkerAnswers  = 2 * time.Second
	nodeWorkerAgain    = 100 * time.Millisecond
	nodeWorkerCollects = 20 * time.Second
)

// live collects all heaps of the process and sums what they keep. The error wraps memory.ErrGone if the process has ended.
func (o *nodeProcess) live(ctx context.Context) (memory.Live, error) {
	ctx, cancel := context.WithTimeout(ctx, inspectorAnswer)
	defer cancel()
	i, err := dialInspector(ctx, o.dial, o.at.String())
	if err != nil {
		return memory.Live{}, o.gone(err)
	}
	defer i.close()
	sum, err := o.read(ctx, i)
	if err != nil {
		return memory.Live{}, o.gone(err)
	}
	return sum, nil
}

// gone adds memory.ErrGone to an error if the process has ended.
func (o *nodeProcess) gone(err error) error {
	err = fmt.Errorf("its inspector: %w", err)
	if errors.Is(err, errNodeLeaving) || hasEnded(o.PID) {
		return errors.Join(memory.ErrGone, err)
	}
	return err
}

// nodeHeap is that of a thread. Its fields are of the last collection.
type nodeHeap struct {
	session, thread string
	nodeFigures
	gone bool // the thread ended while it was read
}

func (o *nodeProcess) read(ctx context.Context, i *inspector) (memory.Live, error) {
	heaps, err := o.heaps(ctx, i)
	if err != nil {
		return memory.Live{}, err
	}
	heaps, stopped, err := o.settle(ctx, i, heaps)
	if err != nil {
		return memory.Live{}, err
	}
	return o.sum(heaps, stopped), nil
}

// settle collects heaps until they stay as they are. It returns those of the threads that still answer, and how long the
// threads stood still.
func (o *nodeProcess) settle(ctx context.Context, i *inspector, heaps []*nodeHeap) (answered []*nodeHeap, stopped time.Duration, err error) {
	before := int64(0)
	for round := 1; round <= mostCollections; round++ {
		if round > 1 {
			if err := pause(ctx, nodePoll); err != nil { // finalizers run in a turn of the event loop
				return nil, 0, err
			}
		}
		now := int64(0)
		for _, h := range heaps {
			took, err := o.collect(ctx, i, h)
			switch {
			case errors.Is(err, errNodeWorkerGone):
				h.gone = true
				continue
			case h.session != nodeMainThread && errors.Is(err, errInspectorSilent) && ctx.Err() == nil:
				h.gone, o.silent[h.thread] = true, true
				continue
			case err != nil:
				return nil, 0, err
			}
			stopped += took
			now += h.live()
		}
		heaps = slices.DeleteFunc(heaps, func(h *nodeHeap) bool { return h.gone })
		if round >= leastCollections && before-now < settledBytes {
			break
		}
		before = now
	}
	return heaps, stopped, nil
}

// heaps prepares all threads of the process that answer, and returns their heaps, the main thread's first.
func (o *nodeProcess) heaps(ctx context.Context, i *inspector) ([]*nodeHeap, error) {
	// Without it a program that ends would wait for this connection, which would wait for it. Node has it since 12.
	if err := i.call(ctx, nodeMainThread, "NodeRuntime.notifyWhenWaitingForDisconnect", map[string]bool{"enabled": true}, nil); err != nil {
		return nil, err
	}
	main := &nodeHeap{session: nodeMainThread}
	if err := o.prepare(ctx, i, main); err != nil {
		return nil, err
	}
	if err := i.call(ctx, nodeMainThread, "NodeWorker.enable", map[string]bool{"waitForDebuggerOnStart": false}, nil); err != nil {
		return nil, err
	}
	heaps := []*nodeHeap{main}
	present := make(map[string]bool)
	for _, w := range slices.Clone(i.workers) {
		present[w.thread] = true
		h := &nodeHeap{session: w.session, thread: w.thread}
		switch answered, err := o.greet(ctx, i, h); {
		case err != nil:
			return nil, err
		case answered:
			heaps = append(heaps, h)
		}
	}
	ended := func(thread string) bool { return !present[thread] }
	maps.DeleteFunc(o.last, func(thread string, _ nodeFigures) bool { return ended(thread) })
	maps.DeleteFunc(o.silent, func(thread string, _ bool) bool { return ended(thread) })
	return heaps, nil
}

// greet prepares a worker thread, and tells if it answers. One that is blocked does not, and has not changed its heap.
func (o *nodeProcess) greet(ctx context.Context, i *inspector, h *nodeHeap) (answered bool, err error) {
	patience := nodeWorkerAnswers
	if o.silent[h.thread] {
		patience = nodeWorkerAgain
	}
	brief, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err = i.turn(brief, h.session)
	if err == nil {
		err = o.prepare(brief, i, h)
	}
	o.silent[h.thread] = errors.Is(err, errInspectorSilent) && ctx.Err() == nil
	if o.silent[h.thread] || errors.Is(err, errNodeWorkerGone) {
		return false, nil
	}
	return err == nil, err
}

// prepare readies a thread. The figures are read once before a collection, for what Node loads to tell them.
func (o *nodeProcess) prepare(ctx context.Context, i *inspector, h *nodeHeap) error {
	// The inspector keeps the last 1,000 messages of the console, with all objects in them.
	for _, method := range []string{"Runtime.discardConsoleEntries", "HeapProfiler.enable"} {
		if err := i.call(ctx, h.session, method, nil, nil); err != nil {
			return err
		}
	}
	return o.tell(ctx, i, h)
}

// collect forces a full collection in a thread and reads its heap. It returns how long the thread stood still, at most.
func (o *nodeProcess) collect(ctx context.Context, i *inspector, h *nodeHeap) (time.Duration, error) {
	if h.session != nodeMainThread {
		brief, cancel := context.WithTimeout(ctx, nodeWorkerCollects)
		defer cancel()
		ctx = brief
	}
	started := time.Now()
	if err := i.call(ctx, h.session, "HeapProfiler.collectGarbage", nil, nil); err != nil {
		return 0, err
	}
	stopped := time.Since(started)
	// Asked at once and by this command, for a script that is evaluated takes memory of the heap.
	var usage struct {
		Used *int64 `json:"usedSize"`
	}
	if err := i.call(ctx, h.session, "Runtime.getHeapUsage", nil, &usage); err != nil {
		return 0, err
	}
	if usage.Used == nil || *usage.Used < 0 {
		return 0, errors.New("Runtime.getHeapUsage: expected a size")
	}
	if err := o.tell(ctx, i, h); err != nil {
		return 0, err
	}
	h.used = *usage.Used
	return stopped, nil
}

// nodeStatistics are an expression that gives the figures. It is always the same text, so that V8 keeps one script of it.
const nodeStatistics = "(v=>{const s=v.getHeapStatistics();" +
	"return[process.pid,s.total_heap_size,s.total_physical_size,s.heap_size_limit,s.external_memory," +
	"v.getHeapSpaceStatistics().reduce((n,x)=>n+(x.space_name.startsWith('code_')?x.space_used_size:0),0)]})" +
	"(%s('v8'))"

// tell reads what is not told by Runtime.getHeapUsage.
func (o *nodeProcess) tell(ctx context.Context, i *inspector, h *nodeHeap) error {
	var told [6]int64
	if err := o.builtin(ctx, i, h.session, nodeStatistics, &told); err != nil {
		return err
	}
	if pid := int(told[0]); pid != o.Inside {
		return fmt.Errorf("expected process %d to answer, got process %d", o.Inside, pid)
	}
	if slices.Min(told[:]) < 0 {
		return fmt.Errorf("v8.getHeapStatistics(): expected sizes, got %d", told)
	}
	h.nodeFigures = nodeFigures{committed: told[1], resident: told[2], limit: told[3], external: told[4], code: told[5]}
	return nil
}

// builtin evaluates an expression that needs a module of Node's: %s in it is the function that returns one by name.
func (o *nodeProcess) builtin(ctx context.Context, i *inspector, session, expression string, result any) error {
	if !o.asked {
		if err := i.evaluate(ctx, session, "typeof process.getBuiltinModule!=='function'", false, &o.commandLine); err != nil {
			return err
		}
		o.asked = true
	}
	loads := "process.getBuiltinModule"
	if o.commandLine {
		loads = "require" // before Node 20.16 and 22.3; it works in programs of ES modules too
	}
	return i.evaluate(ctx, session, fmt.Sprintf(expression, loads), o.commandLine, result)
}

// sum adds up the heaps, and those of silent threads as they were last.
func (o *nodeProcess) sum(heaps []*nodeHeap, stopped time.Duration) memory.Live {
	sum := memory.Live{
		Stopped: stopped, Forced: "HeapProfiler.collectGarbage", Processes: 1,
		Limit: memory.Limit{Bytes: heaps[0].limit, Of: "--max-old-space-size"},
	}
	add := func(f nodeFigures) {
		sum.Bytes += f.live()
		sum.Committed += f.committed + f.external
		sum.Heap += max(f.resident, f.used) + f.external
	}
	for _, h := range heaps {
		add(h.nodeFigures)
		if h.session != nodeMainThread {
			o.last[h.thread] = h.nodeFigures
		}
	}
	for thread, silent := range o.silent {
		if silent {
			add(o.last[thread])
		}
	}
	return sum
}

// inspectorCloses is how long an inspector may take to listen elsewhere, or no more.
const inspectorCloses = 5 * time.Second

// Both happen in a turn of the event loop after the answer, for they end the connection.
const (
	closeInspector = "setTimeout(i=>i.close(),0,%s('inspector'))&&0"
	moveInspector  = "setTimeout(i=>{i.close();i.open(0,'HOST')},0,%s('inspector'))&&0"
)

// end evaluates an expression that ends the connection.
func (o *nodeProcess) end(ctx context.Context, expression string) error {
	i, err := dialInspector(ctx, o.dial, o.at.String())
	if err != nil {
		return o.gone(err)
	}
	defer i.close()
	if err := o.builtin(ctx, i, nodeMainThread, expression, nil); err != nil {
		return o.gone(err)
	}
	return nil
}

// move makes the inspector listen in the marked network instead of at the usual port, which the next process needs.
func (o *nodeProcess) move(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, inspectorCloses)
	defer cancel()
	before, err := listenersOf(o.PID)
	if err != nil {
		return err
	}
	if err := o.end(ctx, strings.Replace(moveInspector, "HOST", markedHost(), 1)); err != nil {
		return err
	}
	for {
		now, err := listenersOf(o.PID)
		if err != nil {
			return o.gone(err)
		}
		if at, found := inspectorAppeared(before, now, net.IP{}); found {
			o.at = at
			return nil
		}
		if err := pause(ctx, nodePoll); err != nil {
			return o.gone(fmt.Errorf("it did not open again at a free port within %s", inspectorCloses))
		}
	}
}

// undo closes the inspector, which may have been moved or not.
func (o *nodeProcess) undo(ctx context.Context) {
	now, _ := listenersOf(o.PID)
	for _, l := range now {
		if markedInspector(l.at.host) {
			o.at = l.at
		}
	}
	_ = o.close(ctx)
}

// close closes the inspector if it was opened for this, and waits until it listens no more.
func (o *nodeProcess) close(ctx context.Context) error {
	o.endNaming()
	if !o.ours || hasEnded(o.PID) || !o.same() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, inspectorCloses)
	defer cancel()
	if err := o.end(ctx, closeInspector); err != nil {
		if errors.Is(err, memory.ErrGone) {
			return nil
		}
		return err
	}
	for {
		now, err := listenersOf(o.PID)
		if hasEnded(o.PID) {
			return nil
		}
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(now, func(l listener) bool { return l.at.same(o.at) }) {
			return nil
		}
		if err := pause(ctx, nodePoll); err != nil {
			return fmt.Errorf("its inspector still listens at %s, %s after it was closed", o.at, inspectorCloses)
		}
	}
}
