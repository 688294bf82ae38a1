package verdict

const (
	// outsideBytes and outsideShare are the growth outside the heap over the judged range, in bytes and as a share of
	// what is outside, that must be ruled out for no leak. Less is lost among the pages that an allocator keeps.
	outsideBytes = 4 << 20
	outsideShare = 0.05
	// outsideTolerances is the same as a multiple of the tolerance.
	outsideTolerances = 5
	// quietChance is the least posterior probability that there is no growth at all, for growth that is not shown.
	quietChance = 0.1
	// levelledOff is the ratio of late to early growth below which a warm-up counts as over.
	levelledOff = 0.25
)

// outsideEvidence is the evidence on memory outside the heap. It is as noisy as resident memory, and warms up for long:
// compiled code, stacks and arenas of the allocator. The command simulate prints how often it is misjudged.
type outsideEvidence struct {
	evidence
	bound float64 // growth that must be ruled out for no leak, in bytes per request
}

// newOutsideEvidence returns the evidence of the curve of memory outside the heap. level is how large it was, in bytes.
func newOutsideEvidence(c curve, level, tolerance, confidence float64) outsideEvidence {
	e := outsideEvidence{evidence: newEvidence(c, 0, confidence)}
	if e.known {
		e.bound = max(outsideTolerances*tolerance, max(outsideBytes, outsideShare*level)/e.judged.span())
	}
	return e
}

// leaks is as that of other evidence, but that growth must be clearly linear: ten readings of a warm-up that slows down
// look linear too often.
func (e outsideEvidence) leaks(tolerance float64, early bool, n int) bool {
	return e.halves.linear >= clearlyLinear && e.evidence.leaks(tolerance, early, n)
}

// quiet reports if memory outside the heap is not shown to grow by more than the tolerance, in bytes per request, and if
// the readings rule out that it grows by as much as the bound: over the judged range, or, if it has levelled off, in the
// second half of it.
func (e outsideEvidence) quiet(tolerance float64) bool {
	return e.upper < tolerance || e.upper < e.bound && e.notShown(e.growth, tolerance, e.judged.span()) || e.levelled(tolerance)
}

// levelled reports if growth slows down, and if the second half is quiet.
func (e outsideEvidence) levelled(tolerance float64) bool {
	late := e.halves.late
	return e.halves.slower > surely && late.quantile(0.5) < levelledOff*e.halves.early &&
		late.quantile((1+confidence)/2) < e.bound && e.notShown(late, tolerance, e.judged.span()/2)
}

// notShown reports if a growth over the given requests is within the floor or the tolerance, or may well be none.
func (e outsideEvidence) notShown(growth posterior, tolerance, requests float64) bool {
	return growth.quantile(0.5) <= max(tolerance, e.judged.floor/requests) || growth.below(0) > quietChance
}
