package verdict

import "slices"

const (
	// liveFloorBytes is the least significant change in live memory over the judged range, unless it moves by more
	// without load. V8 itself moves by about as much in an iteration.
	liveFloorBytes = 2048
	// leastLiveBytes is the least gain of live memory over the judged range that is called a leak. CPython gains about as
	// much in its first thousand requests.
	leastLiveBytes = 16 << 10
	// liveGrain is the granularity of blocks in heaps, in bytes.
	liveGrain = 16
)

// split is memory held at the end of the iterations, by parts. live, slack and outside are flat unless known.
type split struct {
	known bool // live memory and memory outside the heap were read in every iteration
	held  curve
	live  curve
	// outside is memory outside the heap, with pages of files and shared segments that are mapped ever anew, and files in
	// memory that no process maps.
	outside curve
	slack   curve // held, but neither live, nor outside, nor filling
	// filling is pages that fill files and shared segments of a known size.
	filling curve
}

// newSplit returns the parts of what the iterations held.
func newSplit(iterations []Iteration) split {
	pages := partCurve(iterations, File, ofPages).plus(1, partCurve(iterations, Shared, ofPages))
	s := split{held: newCurve(iterations), filling: filling(iterations, pages)}
	if s.known = readAlways(iterations, Live) && readAlways(iterations, Outside); !s.known {
		return s
	}
	idle, _ := iterations[0].Parts[LiveIdle]
	s.live = partCurve(iterations, Live, scale{floor: max(liveFloorBytes, float64(idle)), grain: liveGrain, least: leastLiveBytes, doubles: true})
	s.outside = partCurve(iterations, Outside, ofPages).plus(1, pages).plus(-1, s.filling).plus(1, partCurve(iterations, Unmapped, ofPages))
	s.slack = s.held.plus(-1, s.live).plus(-1, s.outside).plus(-1, s.filling)
	return s
}

// filling returns the part of the pages, those of mapped files and shared segments, whose growth has a known bound: the
// size of what is mapped. Up to an end reading, pages gain no more by new mappings than these add in size. Any further
// gain fills what was mapped before. Flat if the size is unknown.
func filling(iterations []Iteration, pages curve) curve {
	fills := pages.plus(0, pages)
	if !readAlways(iterations, MappedSize) {
		clear(fills.bytes)
		return fills
	}
	size := partCurve(iterations, MappedSize, ofPages)
	last := len(iterations) - 1
	for i := range fills.bytes {
		anew := max(0, min(pages.bytes[last]-pages.bytes[i], size.bytes[last]-size.bytes[i]))
		fills.bytes[i] += anew
	}
	first := fills.bytes[0]
	for i := range fills.bytes {
		fills.bytes[i] -= first
	}
	return fills
}

// countsOnce reports if the pages of a mapped file were counted once. Then they are apart: those of programs and libraries
// tell of no leak. Tables from before that had no pages of hugetlbfs, and count otherwise once a first child appears.
func countsOnce(iterations []Iteration) bool { return readAlways(iterations, HugeTLB) }

// apart is held memory at the end of the iterations without what fills mapped files, if their pages were counted once.
func apart(iterations []Iteration) curve {
	s := newSplit(iterations)
	if !countsOnce(iterations) {
		return s.held
	}
	return s.held.plus(-1, s.filling)
}

// fills reports if more pages than the floor fill files and shared segments of a known size. A verdict without live
// memory then rests on held memory without them.
func (s split) fills() bool {
	return s.filling.bytes[len(s.filling.bytes)-1]-slices.Min(s.filling.bytes) > floorBytes
}

// growths returns the growth of each part that is known. Held memory is all that is held.
func (f *findings) growths() []PartGrowth {
	var all []PartGrowth
	for _, part := range []struct {
		Part
		evidence
	}{{Live, f.live}, {Slack, f.slack}, {Outside, f.outside.evidence}, {Held, f.total}} {
		if e := part.evidence; e.known {
			all = append(all, PartGrowth{Part: part.Part, Growth: e.growth.quantile(0.5), Lower: e.lower, Upper: e.upper, Judged: e.span(f.from)})
		}
	}
	return all
}

// GrowthOf is the growth of live memory, heap slack, memory outside the heap, held memory or the memory of a worker, as far
// as it is known; that which the verdict rests on otherwise.
func (v Verdict) GrowthOf(part Part) PartGrowth {
	if part == Workers && v.Ageing != nil {
		return PartGrowth{Part: Workers, Growth: v.Ageing.Growth, Lower: v.Ageing.Lower, Upper: v.Ageing.Upper, Judged: v.Judged}
	}
	if g, known := v.KnownGrowth(part); known {
		return g
	}
	return PartGrowth{Part: v.Of, Growth: v.Growth, Lower: v.Lower, Upper: v.Upper, Judged: v.Judged}
}

// KnownGrowth is the growth of a part among Growths; false if it is not known.
func (v Verdict) KnownGrowth(part Part) (PartGrowth, bool) {
	for _, g := range v.Growths {
		if g.Part == part {
			return g, true
		}
	}
	return PartGrowth{}, false
}

// liveSince returns the number of iterations before those that are judged, at least from: with live memory, from where on
// it was read without a gap, if that leaves enough to judge; else from. gap is the last iteration, counted from 1,
// without live memory though it was read in another; 0 if there is none.
func liveSince(iterations []Iteration, from int) (since, gap int) {
	read, since := false, from
	for i := from; i < len(iterations); i++ {
		_, live := iterations[i].Parts[Live]
		_, outside := iterations[i].Parts[Outside]
		if live && outside {
			read = true
		} else {
			since, gap = i+1, i+1
		}
	}
	if !read {
		return from, 0
	}
	if len(iterations)-since < minIterations {
		return from, gap
	}
	return since, gap
}

// anyNonZero reports if the part is above 0 in any of the iterations, and was read in all of them.
func anyNonZero(iterations []Iteration, part Part) bool {
	return readAlways(iterations, part) && slices.ContainsFunc(iterations, func(it Iteration) bool { return it.Parts[part] > 0 })
}
