package verdict

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"gonum.org/v1/gonum/floats"

	"leaklab/loader/text"
)

// Part is another reading taken with resident memory: a part of it, or a resource beside it.
type Part string

// The parts. Anonymous, File and Shared make up resident memory.
const (
	Anonymous Part = "anonymous memory" // heaps, stacks, private mappings
	File      Part = "mapped files"     // pages of mapped files, programs and libraries included
	Shared    Part = "shared memory"    // and tmpfs
	LiveHeap  Part = "live heap"        // what the last garbage collection found in use
	PageCache Part = "page cache"       // of the control group
	Sockets   Part = "socket buffers"   // of the control group
	OpenFiles Part = "open files"       // descriptors, connections included
	Threads   Part = "threads"

	Live       Part = "live memory"             // what the programs hold after a full collection
	Committed  Part = "committed heap"          // by the runtimes
	Swapped    Part = "swapped out"             // beside resident memory
	LazyFree   Part = "lazily freed"            // resident, but given back (MADV_FREE)
	HugePages  Part = "huge pages"              // of anonymous memory
	HugeTLB    Part = "pages of hugetlbfs"      // beside resident memory
	Unmapped   Part = "unmapped memory files"   // beside resident memory: memfd and tmpfs, beyond the pages that are mapped
	Outside    Part = "memory outside the heap" // held after a full collection
	MappedSize Part = "size of mapped files"    // and shared segments: the most that their pages can take
	LiveIdle   Part = "live memory at rest"     // how far two readings of live memory differ without load
	Mappings   Part = "mappings"                // areas of the address space; not in tables

	Restarts Part = "restarts"         // of the server, in the iteration or in the rest before it
	Replaced Part = "workers replaced" // processes that ended, and were replaced by others
)

// Names of memory that is not read as it is.
const (
	Resident Part = "resident memory"
	Held     Part = "held memory" // resident memory and what is held beside it, without what is lazily freed
	Slack    Part = "heap slack"  // held, but neither live nor outside the heap
	Workers  Part = "memory of a worker"
)

// Parts are all that tables hold, in the order in which they are named.
func Parts() []Part {
	return []Part{Anonymous, File, Shared, LiveHeap, PageCache, Sockets, OpenFiles, Threads,
		Live, LiveIdle, Committed, Outside, Swapped, LazyFree, HugePages, MappedSize, HugeTLB, Unmapped, Restarts, Replaced}
}

// Named is true of a part that is named with its growth. Without it, a verdict is on held or on resident memory.
func (p Part) Named() bool { return p == Live || p == Outside || p == Workers }

// Judged is the part whose growth is that of a verdict on p: p if it is named, or else held memory.
func (p Part) Judged() Part {
	if p.Named() {
		return p
	}
	return Held
}

// Label is the part's name in metrics and run.json: "live", "slack", "outside", "held" or "worker".
func (p Part) Label() string {
	switch p {
	case Live:
		return "live"
	case Slack:
		return "slack"
	case Outside:
		return "outside"
	case Held:
		return "held"
	case Workers:
		return "worker"
	}
	return string(p)
}

// counted reports if a part is a count; all others are in bytes.
func (p Part) counted() bool { return p == OpenFiles || p == Threads || p == Mappings }

// PartGrowth is the growth of a part, in bytes per request, or counts per request, with its interval.
type PartGrowth struct {
	Part                 Part
	Growth, Lower, Upper float64
	Judged               Range // iterations
}

// grows reports if the part grows significantly by more than the tolerance, in bytes per request. A count must only
// grow significantly.
func (g PartGrowth) grows(tolerance float64) bool {
	if g.Part.counted() {
		return g.Lower > 0
	}
	return g.Lower > tolerance
}

// partGrowths returns the growth of each part that was read in every iteration, estimated like that of resident memory,
// after the same warm-up. A count is scaled by the page size, so that its floor is 64. judged is the range for the
// result. The parts that have a warm-up of their own are not among them, nor what became of the processes.
func partGrowths(iterations []Iteration, warmUp int, judged Range, confidence float64) []PartGrowth {
	var growths sync.WaitGroup
	parts := append(Parts(), Mappings)
	found := make([]*PartGrowth, len(parts))
	for i, part := range parts {
		if part == Live || part == Outside || part == Restarts || part == Replaced || !readAlways(iterations, part) {
			continue
		}
		growths.Go(func() { found[i] = partGrowth(part, iterations, warmUp, judged, confidence) })
	}
	growths.Wait()
	var all []PartGrowth
	for _, growth := range found {
		if growth != nil {
			all = append(all, *growth)
		}
	}
	return all
}

// partGrowth is partGrowths of one part; nil if the readings do not determine it.
func partGrowth(part Part, iterations []Iteration, warmUp int, judged Range, confidence float64) *PartGrowth {
	unit := 1.0
	if part.counted() {
		unit = pageBytes
	}
	c := partCurve(iterations, part, ofPages)
	floats.Scale(unit, c.bytes)
	c = withoutOutliers(c).from(warmUp - 1)
	b, _, ok := regress(noiseModels, c, c.since())
	if !ok {
		return nil
	}
	lower, upper := c.interval(b, confidence)
	return &PartGrowth{Part: part, Growth: b.quantile(0.5) / unit, Lower: lower / unit, Upper: upper / unit, Judged: judged}
}

// part returns the growth of one part; false if it is unknown.
func (v *Verdict) part(part Part) (PartGrowth, bool) {
	for _, g := range v.Parts {
		if g.Part == part {
			return g, true
		}
	}
	return PartGrowth{}, false
}

// explainParts names the parts that grow, and the resources that grow beside memory. Empty if none does.
func (v *Verdict) explainParts(f findings, tolerance float64) string {
	said := v.explainCounts(tolerance)
	if !f.split.known {
		said = slices.Concat(v.explainResident(f, tolerance), v.explainLiveHeap(tolerance), said)
	}
	return strings.Join(said, " ")
}

// explainResident names the parts of resident memory that grow.
func (v *Verdict) explainResident(f findings, tolerance float64) []string {
	var said []string
	if v.Lower <= tolerance {
		return nil
	}
	for _, g := range v.Parts {
		share := g.Growth / v.Growth
		of := fmt.Sprintf("%s of it is ", shareOf(share))
		switch {
		case share < 0.1 || g.Lower <= 0:
		case g.Part == Anonymous:
			said = append(said, of+"anonymous memory: heap or stacks.")
		case g.Part == HugePages && share >= 0.5:
			said = append(said, of+"in huge pages, which are resident as a whole once a byte of them is used.")
		case g.Part == HugeTLB:
			said = append(said, of+"pages of hugetlbfs.")
		case f.split.fills():
			// Pages of files and shared memory are not all judged.
		case g.Part == File:
			said = append(said, of+"pages of mapped files: no leak of the heap.")
		case g.Part == Shared:
			said = append(said, of+"shared memory or tmpfs: no leak of the heap.")
		}
	}
	return said
}

// explainLiveHeap tells how the live heap grows, as the last collection found it.
func (v *Verdict) explainLiveHeap(tolerance float64) []string {
	one := v.Unit.one()
	var said []string
	say := func(format string, values ...any) { said = append(said, fmt.Sprintf(format, values...)) }
	if live, known := v.part(LiveHeap); known && v.Kind != NoLeak {
		still := fmt.Sprintf("does not grow (less than %s bytes %s)", text.Number(live.Upper), one)
		if live.Upper < 0 {
			still = fmt.Sprintf("falls (by more than %s bytes %s)", text.Number(-live.Upper), one)
		}
		figure := fmt.Sprintf("%s bytes %s (%s to %s)", text.Number(live.Growth), one, text.Number(live.Lower), text.Number(live.Upper))
		switch {
		case live.grows(tolerance) && live.Growth < 0.9*v.Growth:
			say("The live heap, which the garbage collector found in use, grows by %s; the rest is garbage not yet collected, and pages that the runtime keeps.", figure)
		case live.grows(tolerance):
			say("The live heap, which the garbage collector found in use, grows by %s.", figure)
		case live.Upper < tolerance && v.Lower > tolerance:
			say("The live heap %s: what grows is outside of it, such as stacks, or pages that the runtime keeps.", still)
		case live.Upper < tolerance:
			say("The live heap %s: what goes up and down are pages that the runtime keeps for a while.", still)
		}
	}
	return said
}

// explainCounts names the resources beside the memory of the processes that grow.
func (v *Verdict) explainCounts(tolerance float64) []string {
	one := v.Unit.one()
	var said []string
	say := func(format string, values ...any) { said = append(said, fmt.Sprintf(format, values...)) }
	if files, known := v.part(Unmapped); known && files.grows(tolerance) {
		say("Files in memory that no process maps (memfd, tmpfs) grow by %s bytes %s: the kernel cannot take them back.",
			text.Number(files.Growth), one)
	}
	if cache, known := v.part(PageCache); known && cache.grows(tolerance) {
		say("The page cache of its control group grows by %s bytes %s: files that it writes or reads, which the kernel takes "+
			"back when it needs to; no leak of the heap.", text.Number(cache.Growth), one)
	}
	if sockets, known := v.part(Sockets); known && sockets.grows(tolerance) {
		say("Socket buffers grow by %s bytes %s: unread data, or connections that are not closed.", text.Number(sockets.Growth), one)
	}
	if open, known := v.part(OpenFiles); known && open.grows(tolerance) {
		say("Open files and connections grow by %s: they are not closed.", v.Unit.many(open.Growth))
	}
	if threads, known := v.part(Threads); known && threads.grows(tolerance) {
		say("Threads grow by %s: they do not end.", v.Unit.many(threads.Growth))
	}
	if areas, known := v.part(Mappings); known && areas.grows(tolerance) {
		say("Mappings grow by %s: they are not unmapped.", v.Unit.many(areas.Growth))
	}
	return said
}

func shareOf(share float64) string {
	if share > 0.95 {
		return "Nearly all"
	}
	return fmt.Sprintf("About %.0f%%", math.Round(20*share)*5)
}

// many is the growth of a count, per iteration or per 1,000 requests.
func (u Unit) many(growth float64) string {
	if u == PerIteration {
		return text.Number(growth) + " per iteration"
	}
	return fmt.Sprintf("%s per 1,000 requests", text.Number(1000*growth))
}
