package live

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"leaklab/loader/memory"
	"leaklab/loader/text"
)

// How what is kept is sampled and told.
const (
	// nodeInterval is the mean number of allocated bytes from one sample to the next.
	nodeInterval = 2 << 10
	// nodeSamples is the least number of samples of a site. Fewer may come from what is kept once.
	nodeSamples = 16
	// nodeNoise is the standard deviation of what V8's heap grows by for reasons of V8's, in bytes.
	nodeNoise = 16 << 10
	// nodeOutside is the least growth of memory outside V8's heap that is told, in bytes.
	nodeOutside = 64 << 10
	// An object of at least nodeTable bytes is a table that was copied as it grew, if no more than nodeTables such objects were
	// allocated by the same call.
	nodeTable  = 32 << 10
	nodeTables = 4
	// nodeCallers, nodeMostSites and nodeNameLength are how much is told.
	nodeCallers    = 8
	nodeMostSites  = 4096
	nodeNameLength = 300
	// nodeNames is how long a process may take to be prepared, and to tell.
	nodeNames = 2 * time.Minute
)

// Limits on a heap snapshot.
const (
	nodeSnapshotTakes = 10 * time.Minute
	nodeSnapshotMost  = 8 << 30 // bytes
)

// nodeNaming is a process that samples what it allocates. The connection stays: V8 samples for as long.
type nodeNaming struct {
	process *nodeProcess
	save    Save
	i       *inspector
	heaps   []*nodeHeap
	before  map[string]nodeFigures // of each thread
	ended   context.CancelFunc
	watcher sync.WaitGroup
}

// name starts V8's sampling heap profiler in all threads: about one object in each 2 KiB that are allocated is remembered
// with its stack for as long as it lives, V8's estimate of what it stands for with it. Meanwhile precise coverage is on:
// V8 optimises nothing, so that no function is inlined into its caller, which would be named instead. Both end with the
// connection.
func (o *nodeProcess) name(ctx context.Context, save Save) (func(context.Context) (Naming, error), error) {
	o.endNaming()
	ctx, cancel := context.WithTimeout(ctx, nodeNames)
	defer cancel()
	i, err := dialInspector(ctx, o.dial, o.at.String())
	if err != nil {
		return nil, o.gone(err)
	}
	n := &nodeNaming{process: o, save: save, i: i, before: make(map[string]nodeFigures)}
	if err := n.start(ctx); err != nil {
		i.close()
		return nil, o.gone(err)
	}
	n.watch()
	o.naming = n
	return n.finish, nil
}

// endNaming ends what was prepared and not named.
func (o *nodeProcess) endNaming() {
	if o.naming != nil {
		o.naming.end()
		o.naming = nil
	}
}

// errNodeSampled is the error when something else samples the same heap: there is one profiler for each.
var errNodeSampled = errors.New("a sampling heap profile is being taken by another program")

func (n *nodeNaming) start(ctx context.Context) error {
	heaps, err := n.process.heaps(ctx, n.i)
	if err != nil {
		return err
	}
	for _, h := range heaps {
		if n.i.call(ctx, h.session, "HeapProfiler.getSamplingProfile", nil, nil) == nil {
			return errNodeSampled
		}
		if err := n.i.call(ctx, h.session, "Profiler.enable", nil, nil); err != nil {
			return err
		}
		if err := n.i.call(ctx, h.session, "Profiler.startPreciseCoverage", map[string]bool{"callCount": true, "detailed": false}, nil); err != nil {
			return err
		}
	}
	if n.heaps, _, err = n.process.settle(ctx, n.i, heaps); err != nil {
		return err
	}
	for _, h := range n.heaps {
		n.before[h.thread] = h.nodeFigures
		if err := n.i.call(ctx, h.session, "HeapProfiler.startSampling", map[string]int{"samplingInterval": nodeInterval}, nil); err != nil {
			return err
		}
	}
	return nil
}

// watch reads what the inspector says during the load. A program that ends waits until the connection does.
func (n *nodeNaming) watch() {
	ctx, cancel := context.WithCancel(context.Background())
	n.ended = cancel
	n.watcher.Go(func() {
		for {
			if _, _, err := n.i.next(ctx); err != nil {
				if !errors.Is(err, errInspectorSilent) {
					n.i.close()
				}
				return
			}
		}
	})
}

// unwatch ends watch.
func (n *nodeNaming) unwatch() {
	n.ended()
	n.watcher.Wait()
}

func (n *nodeNaming) end() {
	n.unwatch()
	n.i.close()
}

// finish names what is kept, and ends the sampling whatever happens.
func (n *nodeNaming) finish(ctx context.Context) (Naming, error) {
	if n.process.naming != n {
		return Naming{}, errors.New("its inspector was closed")
	}
	n.unwatch()
	defer n.process.endNaming()
	naming, err := n.tell(ctx)
	if err != nil {
		return Naming{}, n.process.gone(err)
	}
	if !n.process.snapshot {
		return naming, nil
	}
	for _, h := range n.heaps {
		naming.Files = append(naming.Files, n.snapshot(ctx, h))
	}
	return naming, nil
}

func (n *nodeNaming) tell(ctx context.Context) (Naming, error) {
	ctx, cancel := context.WithTimeout(ctx, nodeNames)
	defer cancel()
	var err error
	if n.heaps, _, err = n.process.settle(ctx, n.i, n.heaps); err != nil {
		return Naming{}, err
	}
	naming := Naming{Sampled: true, SampledEvery: nodeInterval}
	kept := make(nodeKept)
	for _, h := range n.heaps {
		var answer struct {
			Profile json.RawMessage `json:"profile"`
		}
		if err := n.i.call(ctx, h.session, "HeapProfiler.stopSampling", nil, &answer); err != nil {
			return Naming{}, err
		}
		profile, err := readNodeProfile(answer.Profile)
		if err != nil {
			return Naming{}, err
		}
		before := n.before[h.thread]
		outside := h.external - before.external
		kept.add(profile, h.live()-before.live()-outside, outside)
		file := ProfileFile{Name: n.file(h, "heapprofile"), Open: nodeOpens}
		if err := n.save(file.Name, func(w io.Writer) error { _, err := w.Write(answer.Profile); return err }); err != nil {
			file.Open = notWritten(err) // that must not cost the sites
		}
		naming.Files = append(naming.Files, file)
	}
	naming.Sites = kept.sites()
	return naming, nil
}

// file is the name of a file about a heap.
func (n *nodeNaming) file(h *nodeHeap, kind string) string {
	if h.session == nodeMainThread {
		return fmt.Sprintf("node-%d.%s", n.process.PID, kind)
	}
	// The thread's name is the server's word.
	return fmt.Sprintf("node-%d-worker-%d.%s", n.process.PID, slices.Index(n.heaps, h), kind)
}

// nodeOpens is how a profile and a snapshot are shown.
const nodeOpens = "Chrome, F12, Memory, Load profile"

// snapshot writes a heap snapshot as it comes, piece by piece. If it cannot, the file's Open says why.
func (n *nodeNaming) snapshot(ctx context.Context, h *nodeHeap) ProfileFile {
	ctx, cancel := context.WithTimeout(ctx, nodeSnapshotTakes)
	defer cancel()
	file := ProfileFile{Name: n.file(h, "heapsnapshot"), Open: nodeOpens}
	err := n.save(file.Name, func(w io.Writer) error {
		written := int64(0)
		return n.i.callHearing(ctx, h.session, "HeapProfiler.takeHeapSnapshot", map[string]bool{"reportProgress": false}, nil, func(m inspectorMessage) error {
			if m.Method != "HeapProfiler.addHeapSnapshotChunk" {
				return nil
			}
			var piece struct {
				Chunk string `json:"chunk"`
			}
			if err := json.Unmarshal(m.Params, &piece); err != nil {
				return err
			}
			if written += int64(len(piece.Chunk)); written > nodeSnapshotMost {
				return fmt.Errorf("expected a heap snapshot of at most %d bytes", nodeSnapshotMost)
			}
			_, err := io.WriteString(w, piece.Chunk)
			return err
		})
	})
	if err != nil {
		file.Open = notWritten(err)
	}
	return file
}

// notWritten is the Open of a file that could not be written.
func notWritten(err error) string { return nodeText(fmt.Sprintf("not written: %v", err)) }

// Classes of objects whose bytes are outside V8's heap, and of such bytes whose object is not known.
const (
	nodeBuffer      = "Buffer"
	nodeArrayBuffer = "ArrayBuffer"
	nodeUnknown     = "memory outside V8's heap"
)

// nodeKept is what is kept, by site.
type nodeKept map[memory.SiteKey]*nodeSite

type nodeSite struct {
	memory.Site
	bytes   float64
	samples int
	largest float64 // bytes of the call that Callers are of
	place   int     // index of that call
}

// at returns a site of the same key, which is made if there is none.
func (k nodeKept) at(s memory.Site) *nodeSite {
	if k[s.Key()] == nil {
		k[s.Key()] = &nodeSite{Site: s}
	}
	return k[s.Key()]
}

// add adds a profile, and by how many bytes V8's heap and memory outside it have grown meanwhile. A Buffer has a small
// object in the heap, which is in the profile: the bytes outside are divided among the sites of such objects, by the bytes
// of these.
func (k nodeKept) add(p nodeProfile, heap, outside int64) {
	p.fit(heap)
	own := p.kept()
	wrappers := 0.0
	for _, site := range own {
		if site.wraps() {
			wrappers += site.bytes
		}
	}
	for key, site := range own {
		share := 0.0
		if site.wraps() && outside >= nodeOutside {
			share = float64(outside) * site.bytes / wrappers
		}
		if site.samples < nodeSamples && share < nodeOutside {
			delete(own, key)
		}
		site.bytes += share
	}
	for _, site := range own.largest() {
		if known := k[site.Key()]; known != nil {
			known.bytes += site.bytes
		} else if len(k) < nodeMostSites {
			site.Callers = p.callers(site.place)
			k[site.Key()] = site
		}
	}
	if wrappers == 0 && outside >= nodeOutside {
		k.at(memory.Site{Class: nodeUnknown}).bytes += float64(outside)
	}
}

func (s *nodeSite) wraps() bool { return s.Class == nodeBuffer || s.Class == nodeArrayBuffer }

// sites are what is kept, the largest first.
func (k nodeKept) sites() []memory.Site {
	var all []memory.Site
	for _, site := range k.largest() {
		site.Bytes = int64(min(site.bytes, mostBytes))
		all = append(all, site.Site)
	}
	return all
}

// largest are at most nodeMostSites, the largest first.
func (k nodeKept) largest() []*nodeSite {
	all := slices.SortedFunc(maps.Values(k), func(a, b *nodeSite) int {
		return cmp.Or(cmp.Compare(b.bytes, a.bytes), cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Function, b.Function), cmp.Compare(a.Class, b.Class))
	})
	return all[:min(len(all), nodeMostSites)]
}

// fit makes samples fit the bytes that the heap has grown by, which are known but for V8's noise.
//
// If the sum of samples is surely larger, the heap also had what was replaced meanwhile. That is first the tables of arrays
// and Maps, which are copied as they grow, and then the entries of a cache that is full. The latter are not known from those
// that are kept. If both agree, samples are scaled to their mean, each weighted by the inverse of its variance.
func (p nodeProfile) fit(heap int64) {
	const noise = nodeNoise * nodeNoise
	grown := float64(heap)
	sum, variance := p.sum()
	if excess := sum - grown; excess > 3*math.Sqrt(variance+noise) {
		p.shrinkTables(excess)
		sum, variance = p.sum()
	}
	if sum <= 0 || math.Abs(sum-grown) > 3*math.Sqrt(variance+noise) {
		return
	}
	scale := max(0, (sum*noise+grown*variance)/(noise+variance)/sum)
	for i := range p.samples {
		p.samples[i].Bytes *= scale
	}
}

// sum is the Horvitz-Thompson estimate of what is kept, and its variance. A sample stands for an interval, about; objects
// that are much larger are all sampled and add no variance.
func (p nodeProfile) sum() (sum, variance float64) {
	for _, s := range p.samples {
		sum += s.Bytes
		if s.Bytes < 3*nodeInterval {
			variance += s.Bytes * s.Bytes
		}
	}
	return sum, variance
}

// shrinkTables takes bytes from objects that are large, and few at their call.
func (p nodeProfile) shrinkTables(excess float64) {
	large := make(map[int64]int)
	for _, s := range p.samples {
		if s.Bytes >= nodeTable {
			large[s.Node]++
		}
	}
	tables := 0.0
	table := func(s nodeSample) bool { return s.Bytes >= nodeTable && large[s.Node] <= nodeTables }
	for _, s := range p.samples {
		if table(s) {
			tables += s.Bytes
		}
	}
	for i, s := range p.samples {
		if table(s) {
			p.samples[i].Bytes *= 1 - min(1, excess/tables)
		}
	}
}

// kept is what is kept, in V8's heap alone.
func (p nodeProfile) kept() nodeKept {
	index := make(map[int64]int, len(p.calls))
	for i, c := range p.calls {
		index[c.id] = i
	}
	bytes, samples := make([]float64, len(p.calls)), make([]int, len(p.calls))
	for _, s := range p.samples {
		if i, found := index[s.Node]; found {
			bytes[i] += s.Bytes
			samples[i]++
		}
	}
	kept := make(nodeKept)
	for i := range p.calls {
		if samples[i] == 0 {
			continue
		}
		place, class := p.place(i)
		site := kept.at(p.calls[place].site(class))
		site.bytes += bytes[i]
		site.samples += samples[i]
		if bytes[i] > site.largest {
			site.largest, site.place = bytes[i], place
		}
	}
	return kept
}

// place is the call that an allocation belongs to: the nearest in code of the user, else of Node.js, else the allocation
// itself, in V8. The class is that of a Buffer or an ArrayBuffer, if it is one.
func (p nodeProfile) place(allocation int) (call int, class string) {
	if c := p.calls[allocation]; c.ofV8() && c.Function != "Array" && (c.Function == nodeArrayBuffer || strings.HasSuffix(c.Function, "Array")) {
		class = nodeArrayBuffer
	}
	nodes := -1
	for i := allocation; i >= 0; i = p.calls[i].caller {
		c := p.calls[i]
		switch {
		case c.ofV8():
			continue
		case !c.ofNode():
			return i, class
		case nodes < 0:
			nodes = i
		}
		if c.Function == "FastBuffer" || c.Function == "createUnsafeBuffer" {
			class = nodeBuffer
		}
	}
	if nodes >= 0 {
		return nodes, class
	}
	return allocation, class
}

// callers lead to a call, the nearest first. Those in Node.js are left out where the call is the user's.
func (p nodeProfile) callers(call int) []string {
	var all []string
	user := !p.calls[call].ofNode()
	for i := p.calls[call].caller; i >= 0 && len(all) < nodeCallers; i = p.calls[i].caller {
		c := p.calls[i]
		if c.ofV8() || user && c.ofNode() {
			continue
		}
		s := c.site("")
		all = append(all, fmt.Sprintf("%s %s:%d", s.Function, s.File, s.Line))
	}
	return all
}

// ofV8 tells if the function is one of V8.
func (f nodeFrame) ofV8() bool { return f.URL == "" && (f.Script == "" || f.Script == "0") }

// ofNode tells if the function is one of Node.js.
func (f nodeFrame) ofNode() bool { return strings.HasPrefix(f.URL, "node:") }

// site is a function as a site.
func (f nodeFrame) site(class string) memory.Site {
	s := memory.Site{Class: class, Function: nodeText(cmp.Or(f.Function, "(anonymous)"))}
	if f.ofV8() {
		return s
	}
	file := cmp.Or(f.URL, "(eval)")
	if path, found := strings.CutPrefix(file, "file://"); found { // an ES module
		if plain, err := url.PathUnescape(path); err == nil {
			file = plain
		}
	}
	s.File, s.Line, s.InFunction = nodeText(file), max(0, f.Line)+1, true
	return s
}

// nodeText is a name that comes from a server, as one line of printable text.
func nodeText(name string) string {
	return text.Clip(strings.NewReplacer("\n", " ", "\t", " ").Replace(text.Printable(name)), nodeNameLength)
}
