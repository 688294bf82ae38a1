package live

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"slices"
	"strings"
	"time"

	"leaklab/loader/memory"
	"leaklab/loader/text"
)

const (
	// pythonSites is how many sites of a process are named.
	pythonSites = 256
	// pythonFew is how many blocks of a size a stack has at most that are taken for tables that have grown.
	pythonFew = 8
	// pythonTold is the most that is read of traces, in bytes. In memory they take up to 25 times as much.
	pythonTold = 2 << 20
	// pythonStacks is how many stacks are read.
	pythonStacks = 1 << 16
	// pythonLargest is the largest block of pymalloc, and pythonAlign what sizes of it and of malloc are multiples of.
	pythonLargest, pythonAlign = 512, 16
	// pythonOwn is about what tracemalloc and the hook leave in malloc, in bytes: 15 to 31 KB in 3.11.
	pythonOwn = 24 << 10
	// pythonStop is how long the end of tracemalloc is waited for if the load was not named.
	pythonStop = 10 * time.Second
)

// name starts tracemalloc in the process. The blocks that are alive after the load and a collection are what it has left.
func (a *pythonProcess) name(ctx context.Context, save Save) (func(ctx context.Context) (Naming, error), error) {
	a.traces = true
	before, err := a.ask(ctx, "t")
	if err == nil {
		_, err = before.heap()
	}
	if err != nil {
		return nil, errors.Join(err, a.untrace(ctx))
	}
	return func(ctx context.Context) (Naming, error) {
		after, err := a.ask(ctx, "T")
		if err != nil {
			return Naming{}, errors.Join(err, a.untrace(ctx))
		}
		a.traces = false
		return a.named(before, after, save)
	}, nil
}

// untrace stops tracemalloc, unless the server has started it.
func (a *pythonProcess) untrace(ctx context.Context) error {
	if !a.traces {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pythonStop)
	defer cancel()
	_, err := a.ask(ctx, "x")
	if err == nil || errors.Is(err, memory.ErrGone) {
		a.traces = false
		return nil
	}
	return fmt.Errorf("tracemalloc may still run: %w", err)
}

// named is what is kept of a load, of which the hook has told what was before and what is after it.
func (a *pythonProcess) named(before, after pythonReply, save Save) (Naming, error) {
	traced, err := after.traced()
	if err != nil {
		return Naming{}, err
	}
	stacks := traced.stacks()
	if len(before.sites) > 0 { // the server uses tracemalloc itself
		earlier, err := before.traced()
		if err != nil {
			return Naming{}, err
		}
		if earlier.Cut {
			return Naming{}, errors.New("the server's own tracemalloc has too many stacks for a difference")
		}
		traced.subtract(stacks, earlier)
	}
	from, err := before.heap()
	if err != nil {
		return Naming{}, err
	}
	to, err := after.heap()
	if err != nil {
		return Naming{}, err
	}
	withoutReplaced(stacks, from, to, float64(pythonThreadNoise*(threadsOf(a.pid)-1)))
	naming := Naming{Sites: traced.sites(stacks)}
	if len(naming.Sites) > 0 && traced.snapshotSize() <= pythonSnapshot {
		file := fmt.Sprintf("python-%d.tracemalloc", a.pid)
		// A folder that takes no file must not cost the sites.
		if save(file, func(w io.Writer) error { return traced.writeSnapshot(w) }) == nil {
			open := fmt.Sprintf(`python3 -c 'import tracemalloc; print(*tracemalloc.Snapshot.load("%s").statistics("lineno")[:20], sep="\n")'`, file)
			naming.Files = append(naming.Files, ProfileFile{Name: file, Open: open})
		}
	}
	return naming, nil
}

// pythonTraces is what tracemalloc has traced, as the hook tells it. Texts, frames and traces are numbered from 0.
type pythonTraces struct {
	Library string        `json:"library"` // folder of the standard library
	Fields  int           `json:"fields"`  // of a trace, in tracemalloc of this Python
	Limit   int           `json:"limit"`   // frames of a stack, at most
	Cut     bool          `json:"cut"`     // stacks that hold little are left out
	Texts   []string      `json:"texts"`
	Frames  []pythonFrame `json:"frames"`
	Traces  []pythonTrace `json:"traces"`
}

type pythonFrame struct{ File, Line, Function int } // File and Function are numbers of texts

type pythonTrace struct {
	Domain  int64
	Total   int     // frames that the stack had
	Stack   []int   // numbers of frames, the one that allocates first
	Sizes   []int64 // a size in bytes, and how many blocks have it, in turn
	Class   int     // number of a text, as are Holders
	Holders []int
}

// UnmarshalJSON reads [file, line, function].
func (f *pythonFrame) UnmarshalJSON(data []byte) error {
	return unmarshalAll(data, &f.File, &f.Line, &f.Function)
}

// UnmarshalJSON reads [domain, total, [frame ...], [size, blocks ...], class, [holder ...]].
func (t *pythonTrace) UnmarshalJSON(data []byte) error {
	return unmarshalAll(data, &t.Domain, &t.Total, &t.Stack, &t.Sizes, &t.Class, &t.Holders)
}

// unmarshalAll reads an array of as many elements. It fails at the first that is short, before many take memory.
func unmarshalAll(data []byte, into ...any) error {
	parts := into
	if err := json.Unmarshal(data, &parts); err != nil {
		return err
	}
	if len(parts) != len(into) {
		return fmt.Errorf("%d numbers instead of %d", len(parts), len(into))
	}
	return nil
}

// traced reads what an answer has of tracemalloc.
func (r pythonReply) traced() (*pythonTraces, error) {
	if len(r.sites) > pythonTold {
		return nil, fmt.Errorf("traces of tracemalloc: %d bytes; the most that is read is %d", len(r.sites), pythonTold)
	}
	traced := new(pythonTraces)
	err := json.Unmarshal(r.sites, traced)
	if err == nil {
		err = traced.check()
	}
	if err != nil {
		return nil, fmt.Errorf("traces of tracemalloc: %w", err)
	}
	return traced, nil
}

var errPythonTraces = errors.New("numbers that cannot be")

func (t *pythonTraces) check() error {
	isText := func(n int) bool { return n >= 0 && n < len(t.Texts) }
	if t.Limit < 0 || t.Limit > math.MaxInt32 || len(t.Traces) > pythonStacks {
		return errPythonTraces
	}
	for _, frame := range t.Frames {
		if !isText(frame.File) || !isText(frame.Function) || frame.Line < 0 || frame.Line > math.MaxInt32 {
			return errPythonTraces
		}
	}
	for _, trace := range t.Traces {
		outside := func(n int) bool { return n < 0 || n >= len(t.Frames) }
		if len(trace.Stack) == 0 || slices.ContainsFunc(trace.Stack, outside) {
			return errPythonTraces
		}
		notText := func(n int) bool { return !isText(n) }
		if notText(trace.Class) || slices.ContainsFunc(trace.Holders, notText) || trace.Total < 0 || trace.Total > math.MaxInt32 {
			return errPythonTraces
		}
		for i, n := range trace.Sizes {
			if len(trace.Sizes)%2 != 0 || n < 0 || n > mostBytes || i%2 != 0 && n > 0 && trace.Sizes[i-1] > mostBytes/n {
				return errPythonTraces
			}
		}
	}
	return nil
}

// pythonStack is what a stack has allocated that is alive.
type pythonStack struct {
	*pythonTrace
	blocks []sizedBlocks
}

// sizedBlocks are blocks of a size that a stack has allocated.
type sizedBlocks struct {
	size  int64   // in bytes, as asked for
	taken float64 // bytes that the allocator takes for all of them
	count float64
}

// stacks are the traces with what the allocators take for them.
func (t *pythonTraces) stacks() []pythonStack {
	stacks := make([]pythonStack, len(t.Traces))
	for n := range t.Traces {
		stacks[n].pythonTrace = &t.Traces[n]
		for sizes := t.Traces[n].Sizes; len(sizes) > 0; sizes = sizes[2:] {
			block := sizedBlocks{size: sizes[0], count: float64(sizes[1])}
			block.taken = block.count * float64(stacks[n].rounded(sizes[0]))
			stacks[n].blocks = append(stacks[n].blocks, block)
		}
	}
	return stacks
}

// small tells if pymalloc has blocks of that size. What is not of Python's domain, as numpy's arrays, comes from malloc.
func (t *pythonTrace) small(size int64) bool { return t.Domain == 0 && size <= pythonLargest }

// rounded is what the allocator takes for a block: pymalloc a multiple of 16 bytes, and malloc 8 bytes more for its size.
func (t *pythonTrace) rounded(size int64) int64 {
	if !t.small(size) {
		size += 8
	}
	return max(1, (size+pythonAlign-1)/pythonAlign) * pythonAlign
}

// subtract takes away the blocks that were there before.
func (t *pythonTraces) subtract(stacks []pythonStack, before *pythonTraces) {
	type place struct {
		stack string
		size  int64
	}
	counts := make(map[place]float64)
	for _, stack := range before.stacks() {
		key := before.key(stack.pythonTrace)
		for _, block := range stack.blocks {
			counts[place{key, block.size}] += block.count
		}
	}
	for _, stack := range stacks {
		key := t.key(stack.pythonTrace)
		for n := range stack.blocks {
			block := &stack.blocks[n]
			if block.count == 0 {
				continue
			}
			old := min(block.count, counts[place{key, block.size}])
			counts[place{key, block.size}] -= old
			block.shrink(old / block.count)
		}
	}
}

// key tells a stack from others.
func (t *pythonTraces) key(trace *pythonTrace) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d", trace.Domain)
	for _, n := range trace.Stack {
		fmt.Fprintf(&b, "\x00%s\x00%d", t.Texts[t.Frames[n].File], t.Frames[n].Line)
	}
	return b.String()
}

// shrink takes a share of the blocks away.
func (b *sizedBlocks) shrink(share float64) {
	b.count *= 1 - share
	b.taken *= 1 - share
}

// withoutReplaced takes away what replaces blocks from before the load, whose end tracemalloc does not see: entries of a
// cache that is full, and tables of containers that have grown. Of each size of pymalloc's blocks, and of malloc's chunks
// together, no more stays than these have grown in all. What a size has too much is taken from tables first, which are
// large and few, and then from all in proportion. Malloc counts noise bytes that threads have freed as in use: so much is
// taken from tables in any case.
func withoutReplaced(stacks []pythonStack, before, after pythonHeap, noise float64) {
	const malloc = 0
	blocks, traced := make(map[int64][]*sizedBlocks), make(map[int64]float64)
	for _, stack := range stacks {
		for n := range stack.blocks {
			size := int64(malloc)
			if len(after.used) > 0 && stack.small(stack.blocks[n].size) {
				size = stack.rounded(stack.blocks[n].size)
			}
			blocks[size] = append(blocks[size], &stack.blocks[n])
			traced[size] += stack.blocks[n].taken
		}
	}
	grown := map[int64]float64{malloc: float64(after.chunks - before.chunks - pythonOwn)}
	missing := 0.0
	for size := range traced {
		if size != malloc {
			grown[size] = max(0, float64((after.used[size]-before.used[size])*size))
			missing += max(0, traced[size]-grown[size])
		}
	}
	// Small blocks of the raw domain are malloc's.
	raw := 0.0
	if missing > 0 {
		raw = min(1, max(0, grown[malloc]-traced[malloc])/missing)
	}
	for size, of := range blocks {
		excess := traced[size] - max(0, grown[size])
		if size == malloc {
			takeAway(of, excess, noise)
		} else {
			takeAway(of, excess*(1-raw), 0)
		}
	}
}

// takeAway takes bytes from blocks, first from those that are few, the largest first. Only these give noise too.
func takeAway(blocks []*sizedBlocks, excess, noise float64) {
	rest := 0.0
	slices.SortStableFunc(blocks, func(a, b *sizedBlocks) int { return cmp.Compare(b.size, a.size) })
	for _, block := range blocks {
		if part := min(excess+noise, block.taken); block.count <= pythonFew && part > 0 {
			excess -= part
			block.taken -= part
			block.count = 0 // its container was there before
		}
		rest += block.taken
	}
	if excess <= 0 || rest <= 0 {
		return
	}
	for _, block := range blocks {
		block.shrink(min(1, excess/rest))
	}
}

// sites are the places that hold something of the load, the largest first.
func (t *pythonTraces) sites(stacks []pythonStack) []memory.Site {
	type sum struct {
		site         memory.Site
		taken, count float64
		most         float64 // that one of its stacks takes
	}
	sums := make(map[memory.SiteKey]*sum)
	for _, stack := range stacks {
		taken, count := 0.0, 0.0
		for _, block := range stack.blocks {
			taken += block.taken
			count += block.count
		}
		site, told := t.site(stack.pythonTrace)
		if !told || taken < 1 {
			continue
		}
		known := sums[site.Key()]
		if known == nil {
			known = new(sum)
			sums[site.Key()] = known
		}
		known.taken += taken
		known.count += count
		if taken > known.most {
			known.most, known.site = taken, site
			known.site.Class = t.text(stack.Class)
			for _, n := range stack.Holders {
				known.site.Holders = append(known.site.Holders, t.text(n))
			}
		}
	}
	var sites []memory.Site
	for _, known := range sums {
		known.site.Bytes, known.site.Objects = int64(math.Round(known.taken)), int64(math.Round(known.count))
		sites = append(sites, known.site)
	}
	slices.SortFunc(sites, func(a, b memory.Site) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Function, b.Function))
	})
	return sites[:min(len(sites), pythonSites)]
}

// site is the place that a stack belongs to: the nearest frame that is of the server's code, and not of a library. A frame
// that no library has called is that of a loop in which a library serves, as often as not: then it is the line that
// allocates. Tracemalloc's frames are told of no server.
func (t *pythonTraces) site(trace *pythonTrace) (memory.Site, bool) {
	stack := trace.Stack
	for len(stack) > 1 && t.generated(stack[0]) {
		stack = stack[1:]
	}
	if t.file(stack[0]) == path.Join(t.Library, "tracemalloc.py") {
		return memory.Site{}, false
	}
	served := trace.Total > len(trace.Stack)
	own := 0
	for n := len(stack) - 1; n >= 0; n-- {
		switch {
		case t.generated(stack[n]):
		case t.ofLibrary(stack[n]):
			served = served || t.file(stack[n]) != path.Join(t.Library, "runpy.py")
		case served || n == 0:
			own = n
		}
	}
	frame := t.Frames[stack[own]]
	site := memory.Site{Function: t.text(frame.Function), File: t.text(frame.File), Line: frame.Line}
	for _, n := range stack[own+1:] {
		place := fmt.Sprintf("%s:%d", t.text(t.Frames[n].File), t.Frames[n].Line)
		site.Callers = append(site.Callers, strings.TrimPrefix(t.text(t.Frames[n].Function)+" "+place, " "))
	}
	return site, true
}

func (t *pythonTraces) file(frame int) string { return t.Texts[t.Frames[frame].File] }

// generated tells if the code of a frame comes from no file: "<string>" of a dataclass, "<frozen importlib._bootstrap>".
func (t *pythonTraces) generated(frame int) bool { return strings.HasPrefix(t.file(frame), "<") }

// ofLibrary tells if a frame is of the standard library or of an installed package.
func (t *pythonTraces) ofLibrary(frame int) bool {
	file := t.file(frame)
	return t.Library != "" && strings.HasPrefix(file, t.Library+"/") ||
		strings.Contains(file, "/site-packages/") || strings.Contains(file, "/dist-packages/")
}

// text is a text of the server in one line of printable characters.
func (t *pythonTraces) text(n int) string {
	return strings.NewReplacer("\n", `\n`, "\t", `\t`).Replace(text.Printable(t.Texts[n]))
}
