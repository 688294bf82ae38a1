package verdict

import (
	"math"
	"slices"
	"sync"

	"gonum.org/v1/gonum/stat/distuv"
)

const (
	// pageBytes is the unit in which an operating system counts resident memory.
	pageBytes = 4096
	// floorBytes is the least significant change in resident memory over the judged
	// range: 64 pages. The kernel may defer the count of as many pages per thread
	// (TASK_RSS_EVENTS_THRESH), and allocators request about as much at a time.
	floorBytes = 64 * pageBytes
	// leastBytes is the least gain of resident memory over the judged range that is called
	// a leak.
	leastBytes = 2 * floorBytes
	// leastRequests is the least number of judged requests in which a leak is found.
	leastRequests = 100
	// unevenShare is the ratio of effective jumps to gains below which growth counts
	// as steps.
	unevenShare = 0.4
)

// Kind is the kind of verdict on a server.
type Kind string

// The kinds.
const (
	Leak         Kind = "leak"
	NoLeak       Kind = "no leak"
	Inconclusive Kind = "inconclusive"
)

// Pattern is the growth pattern of memory.
type Pattern string

// The growth patterns.
const (
	PatternNone    Pattern = "none"              // no significant growth
	PatternWarmUp  Pattern = "warm-up then flat" // the same, after a significant warm-up
	PatternSteady  Pattern = "steady"            // in every iteration
	PatternSteps   Pattern = "steps"             // in a few of the iterations
	PatternSlowing Pattern = "slowing down"      // ever less, or this is not ruled out
	PatternFalling Pattern = "falling"           // significantly less memory in the end
)

// Unit is the unit that growth refers to.
type Unit string

// The units. If requests cannot be counted, each iteration counts as one request, and growth is per iteration.
const (
	PerRequest   Unit = "request" // the zero Unit means the same
	PerIteration Unit = "iteration"
)

// String is the unit's name.
func (u Unit) String() string {
	if u == "" {
		return string(PerRequest)
	}
	return string(u)
}

// one is "a request" or "an iteration".
func (u Unit) one() string {
	if u == PerIteration {
		return "an iteration"
	}
	return "a request"
}

// Options are the parameters of Judge.
type Options struct {
	// Tolerance is the growth, in bytes per request (per iteration if that is the Unit), that still counts as no leak.
	Tolerance float64
	// Unit is what growth refers to. It changes the words only.
	Unit Unit
	// MaxIterations is 0 for a run of fixed length. For a sequential run, which goes
	// on until it is decided, it is the largest length. Such a run is decided only at
	// its Looks.
	MaxIterations int
	// HeapLimit is what bounds the runtime's heap; its Bytes are 0 if that is unknown.
	HeapLimit HeapLimit
	// Collects is true if the server's runtime collects garbage.
	Collects bool
	// Defers is true if it lets its heap grow up to a limit before it collects all garbage. Resident memory that grows is
	// no proof of a leak then.
	Defers bool
	// Floor is the least significant change in resident memory, in bytes, where that is read less exactly than from the
	// kernel; 0 where it is not.
	Floor float64
	// Mapping is what is mapped and fills the most; its Bytes are 0 if that is unknown.
	Mapping Mapping
	// Rest is the reading after a rest without load; nil if there is none.
	Rest *Rest
	// Allocator is what the server's memory comes from. It changes the words only.
	Allocator Allocator
}

// Allocator is an allocator or a runtime, as its program rests.
type Allocator struct {
	Name    string  // "glibc's malloc"; empty if it is not known
	AtRest  string  // what it does with freed memory then, as the rest of a sentence that begins with Name
	Seconds float64 // how long a rest shows what is given back; 0 if it shows nothing of use
}

// HeapLimit is a limit of the heap.
type HeapLimit struct {
	Bytes uint64
	Of    string // what sets it, such as "-Xmx"
}

// Mapping is a file or a shared segment of a known size.
type Mapping struct {
	Name  string // "a file" or "a shared segment"
	Bytes uint64
}

// Rest is a reading without load after the last iteration.
type Rest struct {
	Seconds float64 // since the last end reading, as it was meant
	Bytes   uint64  // held memory
	// EndSecond is when it was read, on the clock of the iterations; 0 if unknown.
	EndSecond float64
	// Closed is true if connections that were open at the last end reading were closed before. Bytes is then without what
	// the server freed with them, and no measure of growth with time.
	Closed bool
	// Parts are the other readings that were taken as after an iteration, with these connections still open. A part that is
	// missing is unknown. PartsSecond is when they were read, on the clock of the iterations; 0 if unknown.
	Parts       map[Part]uint64
	PartsSecond float64
}

// Verdict is the verdict on a run, with its estimates.
type Verdict struct {
	Kind    Kind
	Pattern Pattern
	Unit    Unit // of all figures that are per request

	// Estimated is false if there are too few readings to estimate growth. All figures
	// are 0 then.
	Estimated bool
	// Growth and its interval, in bytes per request, of what the verdict rests on (Of).
	Growth, Lower, Upper float64
	// Confidence is the interval's confidence level: 0.95, or more at each look of a
	// sequential run (Bonferroni), so that all looks together have 0.95.
	Confidence float64
	// Early and Late are the growth in the first and second half of the judged
	// requests, in bytes per request.
	Early, Late float64
	// Resolution is the smallest growth that these readings can detect, in bytes per
	// request: the interval's half-width.
	Resolution float64

	// RestartedBefore is the iteration, counted from 1, before or during which the
	// server last restarted; 0 if it did not. Earlier iterations are not judged.
	RestartedBefore int
	// Replaced is how many workers were replaced in the judged iterations.
	Replaced int
	hidden   bool // Replaced alone keeps it from being NoLeak
	// Ageing is how workers grow by their age, if some were replaced in the judged iterations; nil if that is not known.
	Ageing *Ageing
	// WarmUp is the number of warm-up iterations, after a restart if there was one.
	WarmUp int
	// Judged is the range of iterations whose growth is judged, JudgedRequests the
	// number of requests in them.
	Judged         Range
	JudgedRequests uint64
	// Parts is the growth of each part that is known.
	Parts []PartGrowth
	// Of is what the verdict and its figures are on: Live, Outside, Resident, or Held if something is held beside resident
	// memory or lazily freed; Workers if it is a leak that their replacement hides.
	Of Part
	// Growths is the growth of live memory, heap slack, memory outside the heap and held memory, each after a warm-up of
	// its own. Without live memory there is that of held memory alone.
	Growths []PartGrowth
	// GivenBack is the fall in bytes held from the last end reading to the one after the rest; 0 without a rest.
	GivenBack float64

	// NextLook is the number of iterations at the next look of a sequential run. 0 if
	// this is a look, or if the run's length is fixed.
	NextLook int
	// MoreIterations is the number of further iterations, like those judged, that is
	// likely to decide. 0 if decided, or if more are unlikely to decide it.
	MoreIterations int

	Statistic string // the estimator and its figures
	Sentence  string // the verdict in plain English
	// Explanation is Sentence without the growth, its interval and the tolerance, for a text below a line that has them.
	Explanation string
	Advice      string // what to do if it is inconclusive, otherwise empty
}

// Judge returns the verdict on the iterations, given in the order they were run. The
// same input gives the same verdict.
func Judge(iterations []Iteration, options Options) Verdict {
	v, _ := judge(iterations, options)
	return v
}

// findings are what was computed from the iterations after the last restart, or, for live memory, from those since which it
// was read.
type findings struct {
	restarted int      // iterations before the last restart; 0 if there was none
	from      int      // iterations before those judged
	held      evidence // what a verdict without live memory rests on
	total     evidence // all held memory: with the pages that fill mapped files and shared segments
	// split is of the same iterations. live and outside are unknown without live memory.
	split       split
	live, slack evidence
	outside     outsideEvidence
	// gap is the iteration, counted from 1, without live memory though it was read in others; 0 if there is none.
	gap int
	of  Part // that the verdict rests on
	// condition is that of a leak.
	condition condition
	// overTime is the growth of what the verdict rests on, by time.
	overTime overTime
}

// decisive is the evidence that the verdict rests on.
func (f findings) decisive() evidence {
	switch f.of {
	case Live:
		return f.live
	case Outside:
		return f.outside.evidence
	}
	return f.held
}

// judge is Judge, with the findings that the verdict is based on.
func judge(iterations []Iteration, options Options) (Verdict, findings) {
	v := Verdict{
		Kind:       Inconclusive,
		Pattern:    PatternNone,
		Unit:       options.Unit,
		Of:         Resident,
		Confidence: confidenceOf(options.MaxIterations),
	}
	f := newFindings(iterations, options, v.Confidence)
	if f.restarted > 0 {
		v.RestartedBefore = f.restarted + 1
	}
	if f.held.known && f.total.known && (!f.split.known || f.live.known && f.outside.known) {
		if options.Rest != nil {
			v.GivenBack = iterations[len(iterations)-1].HeldBytes() - float64(options.Rest.Bytes)
		}
		v.Growths = f.growths()
		v.Parts = partGrowths(iterations[f.from:], f.held.warmUp, f.held.span(f.from), v.Confidence)
		v.decide(&f, iterations, options)
		v.considerBounds(&f, iterations, options)
		f.overTime = newOverTime(v, f, iterations, options.Rest)
		v.hideLeaks(&f, iterations, options)
	}
	v.explain(f, len(iterations), options)
	return v, f
}

// newFindings computes the findings, with intervals of the given confidence level.
func newFindings(iterations []Iteration, options Options, confidence float64) findings {
	f := findings{restarted: restart(iterations), of: Resident}
	f.from, f.gap = liveSince(iterations, f.restarted)
	if f.from == len(iterations) {
		return f
	}
	judged := iterations[f.from:]
	f.split = newSplit(judged)
	f.split.held.floor = max(f.split.held.floor, options.Floor)
	first := difference(judged[0].EndBytes, judged[0].StartBytes)
	held := f.split.held
	if f.split.fills() || countsOnce(judged) {
		held = held.plus(-1, f.split.filling)
	}
	var parts sync.WaitGroup // each takes about as long as the others
	parts.Go(func() {
		f.held = newEvidence(held, first, confidence, !f.split.known)
		if f.total = f.held; !slices.Equal(held.bytes, f.split.held.bytes) {
			f.total = newEvidence(f.split.held, first, confidence, false)
		}
	})
	if f.split.known {
		parts.Go(func() { f.live = newLiveEvidence(f.split.live, confidence) })
		parts.Go(func() {
			f.outside = newOutsideEvidence(f.split.outside, float64(judged[0].Parts[Outside]), options.Tolerance, confidence)
		})
		parts.Go(func() { f.slack = newEvidence(f.split.slack, 0, confidence, false) })
	}
	parts.Wait()
	if slices.ContainsFunc(beside, func(part besidePart) bool { return anyNonZero(judged, part.Part) }) {
		f.of = Held
	}
	return f
}

// evidence is what was computed from a series of readings after the last restart.
type evidence struct {
	known        bool      // false: too few iterations, or no requests
	iterations   int       // after the last restart
	warmUp       int       // of them
	warmUpGain   float64   // bytes gained in the warm-up
	judged       curve     // from the end of the warm-up on
	growth       posterior // bytes per request
	lower, upper float64   // of the growth
	halves       halves
}

// newEvidence computes the evidence of a curve, with an interval of the given confidence level. before is what was gained
// in the first iteration, in bytes; 0 if it is unknown. The growth by halves takes most of the time: it is left out unless
// whole.
func newEvidence(c curve, before, confidence float64, whole bool) evidence {
	if len(c.bytes) < minIterations {
		return evidence{iterations: len(c.bytes)}
	}
	c = withoutOutliers(c)
	return evidenceAfter(c, warmUp(c), before, confidence, whole)
}

// evidenceAfter is newEvidence of a curve without outliers, after a warm-up.
func evidenceAfter(c curve, warmUp int, before, confidence float64, whole bool) evidence {
	e := evidence{iterations: len(c.bytes), warmUp: warmUp}
	e.warmUpGain = c.bytes[e.warmUp-1] + before
	e.judged = c.from(e.warmUp - 1)
	growth, _, okGrowth := regress(noiseModels, e.judged, e.judged.since())
	if !okGrowth {
		return e
	}
	if whole {
		halves, ok := newHalves(c, e.warmUp)
		if !ok {
			return e
		}
		e.halves = halves
	}
	e.known, e.growth = true, growth
	e.lower, e.upper = e.judged.interval(growth, confidence)
	return e
}

// newLiveEvidence is newEvidence of live memory. Its readings may lie on a line so nearly that a cut anywhere makes the
// interval clearly narrower. A long warm-up in which it grew as fast as after it is none.
func newLiveEvidence(c curve, confidence float64) evidence {
	const same = 0.05 // share by which growth may differ
	e := newEvidence(c, 0, confidence, true)
	if !e.known || e.warmUp <= len(e.judged.bytes)-1 {
		return e
	}
	whole := evidenceAfter(withoutOutliers(c), 1, 0, confidence, true)
	growth := e.growth.quantile(0.5)
	if !whole.known || math.Abs(whole.growth.quantile(0.5)-growth) > same*math.Abs(growth) {
		return e
	}
	return whole
}

// interval is the interval of a growth of the curve, in bytes per request, no narrower than the floor, nor than that of
// jumps that come at random.
func (c curve) interval(growth posterior, confidence float64) (lower, upper float64) {
	middle, floor := growth.quantile(0.5), c.floor/c.span()
	few, many := jumps(c, confidence)
	return min(growth.quantile((1-confidence)/2), middle-floor, few), max(growth.quantile((1+confidence)/2), middle+floor, many)
}

// jumps is the interval of the growth, in bytes per request, of memory that grows in jumps of about the same size at
// random, in a part of the iterations: that of the share of iterations with a jump (Clopper and Pearson, "The use of
// confidence or fiducial limits illustrated in the case of the binomial", 1934). Jumps that did not happen cannot be seen
// in the noise of the readings. It is empty, positive infinity to negative infinity, if the gains are too even, too small or
// fall in between.
func jumps(c curve, confidence float64) (lower, upper float64) {
	const (
		even   = 0.7 // share of effective jumps from which on gains are even
		little = 0.1 // share of all gains that falls may have
	)
	gains := c.gains()
	falls, rises := 0.0, 0.0
	for _, g := range gains {
		falls -= min(g, 0)
		rises += max(g, 0)
	}
	n := float64(len(gains))
	k := c.evenness() * n
	if k == 0 || k > even*n || falls > little*rises || rises < c.floor {
		return math.Inf(1), math.Inf(-1)
	}
	rate := (rises - falls) / c.span() / (k / n)
	tail := (1 - confidence) / 2
	return rate * distuv.Beta{Alpha: k, Beta: n - k + 1}.Quantile(tail), rate * distuv.Beta{Alpha: k + 1, Beta: n - k}.Quantile(1-tail)
}

// span is the judged range, if from iterations are before those of the evidence.
func (e evidence) span(from int) Range {
	return Range{First: from + e.warmUp + 1, Last: from + e.iterations}
}

// pattern is the growth pattern.
func (e evidence) pattern() Pattern {
	switch grows := e.lower > 0; {
	case grows && (e.halves.slowing() || e.warmUp > len(e.judged.bytes)-1): // growth with a warm-up that long slows down
		return PatternSlowing
	case grows && e.judged.evenness() < unevenShare:
		return PatternSteps
	case grows:
		return PatternSteady
	case e.upper < 0:
		return PatternFalling
	case e.warmUpGain > max(e.judged.floor, (e.upper-e.lower)/2*e.judged.span()):
		return PatternWarmUp
	}
	return PatternNone
}

// describe sets the figures and the growth pattern to those of the evidence. from is the number of iterations
// before those of the evidence.
func (e evidence) describe(v *Verdict, from int) {
	v.Estimated = true
	v.Growth, v.Lower, v.Upper = e.growth.quantile(0.5), e.lower, e.upper
	v.Early, v.Late = e.halves.early, e.halves.late.quantile(0.5)
	v.Resolution = (e.upper - e.lower) / 2
	v.WarmUp = e.warmUp
	v.Judged = e.span(from)
	v.JudgedRequests = uint64(math.Round(e.judged.span()))
	v.Pattern = e.pattern()
}

// leaks reports if the growth is above the tolerance, in bytes per request, and goes on.
func (e evidence) leaks(tolerance float64) bool {
	return e.lower > tolerance && e.pattern() != PatternSlowing && e.halves.goesOn(tolerance) && !e.isLittle()
}

// decide sets the kind after the iterations, and what the verdict rests on: growth above the tolerance that goes on,
// growth below it, or neither shown.
func (v *Verdict) decide(f *findings, iterations []Iteration, options Options) {
	n, next := len(iterations), 0
	if n < options.MaxIterations {
		next = nextLook(n, options.MaxIterations)
	}
	early := options.early(n)
	if f.split.known {
		v.Kind, f.of = f.decideByParts(options.Tolerance, early)
	} else {
		f.held.describe(v, f.from)
		switch {
		case !early && f.held.leaks(options.Tolerance) && !v.givesBack(*f, options.Tolerance) && !options.Defers:
			v.Kind = Leak
		case f.held.upper < options.Tolerance:
			v.Kind = NoLeak
		}
	}
	if next > n && !(v.Kind == Leak && leftForBound(iterations, options)) { // between looks
		v.Kind, v.NextLook = Inconclusive, next
		if f.split.known {
			f.of = Live
		}
	}
	v.Of = f.of
	f.decisive().describe(v, f.from)
}

// decideByParts returns the kind of verdict, and what it rests on, where live memory is known. Live memory is exact enough
// to be a leak early.
func (f *findings) decideByParts(tolerance float64, early bool) (Kind, Part) {
	live, outside := f.live.leaks(tolerance), !early && f.outside.leaks(tolerance)
	_, how := f.outside.quiet(tolerance)
	switch {
	case outside && !(live && f.live.growth.quantile(0.5) >= f.outside.growth.quantile(0.5)):
		return Leak, Outside
	case live:
		return Leak, Live
	case f.live.upper >= tolerance:
		return Inconclusive, Live
	case how == notQuiet:
		return Inconclusive, Outside
	}
	return NoLeak, Live
}

// considerBounds makes a leak inconclusive if what is kept expires, and has a sequential run go on while a plausible bound
// of a cache or of an expiry is near. After the rest, no iteration follows. Requests that are not counted are no entries.
func (v *Verdict) considerBounds(f *findings, iterations []Iteration, options Options) {
	if v.Kind != Leak {
		return
	}
	f.condition = f.newCondition(iterations, options.Rest)
	n := len(iterations)
	switch {
	case f.condition.expires:
		v.Kind = Inconclusive
	case n < options.MaxIterations && options.Rest == nil && v.Unit != PerIteration && f.condition.near():
		v.Kind, v.NextLook = Inconclusive, n+1
	}
}

// leftForBound reports if the last look of a sequential run found a leak, and left it undecided for a plausible bound. The
// run may end for the leak after any iteration then, since it has been found.
func leftForBound(iterations []Iteration, options Options) bool {
	last := lastLook(len(iterations), options.MaxIterations)
	if last == 0 {
		return false
	}
	options.Rest = nil
	v, f := judge(iterations[:last], options)
	return v.Kind == Inconclusive && f.condition.near()
}

// givesBack reports if the growth of held memory that remains after the rest is within the tolerance, in bytes per
// request. With live memory it is known what stays.
func (v *Verdict) givesBack(f findings, tolerance float64) bool {
	return !f.split.known && v.Growth-max(0, v.GivenBack)/f.held.judged.span() <= tolerance
}

// isLittle reports if too little was gained, or in too few requests, to tell a leak from what a program takes for itself
// while it warms up. Iterations of one request each are those of requests that are not counted.
func (e evidence) isLittle() bool {
	gains := float64(len(e.judged.bytes) - 1)
	return e.gained() < e.judged.least || e.judged.span() < leastRequests && e.judged.span() > gains
}

// gained is the change from the first judged reading to the last, in bytes.
func (e evidence) gained() float64 {
	return e.judged.bytes[len(e.judged.bytes)-1] - e.judged.bytes[0]
}
