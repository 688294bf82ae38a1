package live

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	nodeInterval = 4 << 10
	// nodeSamples is the least number of samples of a site. Fewer may come from what is kept once, such as compiled code.
	nodeSamples = 8
	// nodeOutside is the least growth of memory outside V8's heap that is told, in bytes.
	nodeOutside = 64 << 10
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
	outside map[string]int64 // external memory of each thread at the start, in bytes
	ended   context.CancelFunc
	watcher sync.WaitGroup
}

// name starts V8's sampling heap profiler in all threads: about one object in each 4 KiB that are allocated is remembered
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
	n := &nodeNaming{process: o, save: save, i: i, outside: make(map[string]int64)}
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
		n.outside[h.thread] = h.external
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
		file, err := n.snapshot(ctx, h)
		if err != nil {
			return Naming{}, n.process.gone(err)
		}
		naming.Files = append(naming.Files, file)
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
	naming := Naming{Sampled: true}
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
		kept.add(profile, h.external-n.outside[h.thread])
		file := ProfileFile{Name: n.file(h, "heapprofile"), Open: "load it in Chrome DevTools, Memory"}
		if err := n.save(file.Name, func(w io.Writer) error { _, err := w.Write(answer.Profile); return err }); err != nil {
			return Naming{}, err
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

// snapshot writes a heap snapshot as it comes, piece by piece.
func (n *nodeNaming) snapshot(ctx context.Context, h *nodeHeap) (ProfileFile, error) {
	ctx, cancel := context.WithTimeout(ctx, nodeSnapshotTakes)
	defer cancel()
	file := ProfileFile{Name: n.file(h, "heapsnapshot"), Open: "load it in Chrome DevTools, Memory"}
	return file, n.save(file.Name, func(w io.Writer) error {
		written := 0
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
			if written += len(piece.Chunk); written > nodeSnapshotMost {
				return fmt.Errorf("expected a heap snapshot of at most %d bytes", nodeSnapshotMost)
			}
			_, err := io.WriteString(w, piece.Chunk)
			return err
		})
	})
}

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
}

// at returns a site of the same key, which is made if there is none.
func (k nodeKept) at(s memory.Site) *nodeSite {
	if k[s.Key()] == nil {
		k[s.Key()] = &nodeSite{Site: s}
	}
	return k[s.Key()]
}

// add adds a profile, and by how many bytes memory outside V8's heap has grown meanwhile. A Buffer has a small object in
// the heap, which is in the profile: the bytes are divided among the sites of such objects, by the bytes of these.
func (k nodeKept) add(p nodeProfile, outside int64) {
	own := p.kept()
	wrappers := 0.0
	for _, site := range own {
		if site.wraps() {
			wrappers += site.bytes
		}
	}
	for _, site := range own {
		share := 0.0
		if site.wraps() && outside >= nodeOutside {
			share = float64(outside) * site.bytes / wrappers
		}
		if site.samples < nodeSamples && share < nodeOutside {
			continue
		}
		sum := k.at(site.Site)
		sum.bytes += site.bytes + share
	}
	if wrappers == 0 && outside >= nodeOutside {
		k.at(memory.Site{Class: nodeUnknown}).bytes += float64(outside)
	}
}

func (s *nodeSite) wraps() bool { return s.Class == nodeBuffer || s.Class == nodeArrayBuffer }

// sites are the largest, the largest first.
func (k nodeKept) sites() []memory.Site {
	var all []memory.Site
	for _, site := range k {
		site.Bytes = int64(min(site.bytes, mostBytes))
		all = append(all, site.Site)
	}
	slices.SortFunc(all, func(a, b memory.Site) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Function, b.Function), cmp.Compare(a.Class, b.Class))
	})
	return all[:min(len(all), nodeMostSites)]
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
			site.largest, site.Callers = bytes[i], p.callers(place)
		}
	}
	return kept
}

// place is the call that an allocation belongs to: the nearest in code of the user, else of Node.js, else the allocation
// itself, in V8. The class is that of a Buffer or an ArrayBuffer, if it is one.
func (p nodeProfile) place(allocation int) (call int, class string) {
	if c := p.calls[allocation]; c.URL == "" && c.Function != "Array" && (c.Function == nodeArrayBuffer || strings.HasSuffix(c.Function, "Array")) {
		class = nodeArrayBuffer
	}
	nodes := -1
	for i := allocation; i >= 0; i = p.calls[i].caller {
		c := p.calls[i]
		switch {
		case c.URL == "":
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
		if c.URL == "" || user && c.ofNode() {
			continue
		}
		s := c.site("")
		all = append(all, fmt.Sprintf("%s %s:%d", s.Function, s.File, s.Line))
	}
	return all
}

// ofNode tells if the function is one of Node.js.
func (f nodeFrame) ofNode() bool { return strings.HasPrefix(f.URL, "node:") }

// site is a function as a site.
func (f nodeFrame) site(class string) memory.Site {
	s := memory.Site{Class: class, Function: nodeText(cmp.Or(f.Function, "(anonymous)"))}
	if f.URL == "" {
		return s
	}
	file := f.URL
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
