package verdict

import "math"

const (
	// pageBytes is the unit in which an operating system counts resident memory.
	pageBytes = 4096
	// floorBytes is the least significant change in resident memory over the judged
	// range: 64 pages. The kernel may defer the count of as many pages per thread
	// (TASK_RSS_EVENTS_THRESH), and allocators request about as much at a time.
	floorBytes = 64 * pageBytes
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

// Pattern is the growth pattern of resident memory.
type Pattern string

// The growth patterns.
const (
	PatternNone    Pattern = "none"              // no significant growth
	PatternWarmUp  Pattern = "warm-up then flat" // the same, after a significant warm-up
	PatternSteady  Pattern = "steady"            // in every iteration
	PatternSteps   Pattern = "steps"             // in a few of the iterations
	PatternSlowing Pattern = "slowing down"      // ever less, or this is not ruled out
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
	// Rest is the reading after a rest without load; nil if there is none.
	Rest *Rest
}

// Rest is a reading without load after the last iteration.
type Rest struct {
	Seconds float64 // since the last end reading
	Bytes   uint64  // resident memory
}

// Verdict is the verdict on a run, with its estimates.
type Verdict struct {
	Kind    Kind
	Pattern Pattern
	Unit    Unit // of all figures that are per request

	// Estimated is false if there are too few readings to estimate growth. All figures
	// are 0 then.
	Estimated bool
	// Growth and its interval, in bytes of resident memory per request.
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
	// WarmUp is the number of warm-up iterations, after a restart if there was one.
	WarmUp int
	// Judged is the range of iterations whose growth is judged, JudgedRequests the
	// number of requests in them.
	Judged         Range
	JudgedRequests uint64
	// Parts is the growth of each part that is known.
	Parts []PartGrowth
	// Of is the memory whose growth is judged.
	Of Part
	// ByPart is the growth of live, slack, outside and held.
	Growths []PartGrowth
	// GivenBack is the fall in resident bytes from the last end reading to the one after the rest; 0 without a rest.
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

// judge is Judge, with the evidence that the verdict is based on.
func judge(iterations []Iteration, options Options) (Verdict, evidence) {
	v := Verdict{
		Kind:       Inconclusive,
		Pattern:    PatternNone,
		Unit:       options.Unit,
		Confidence: confidenceOf(options.MaxIterations),
	}
	from := restart(iterations)
	if from > 0 {
		v.RestartedBefore = from + 1
	}
	evidence := newEvidence(iterations[from:], v.Confidence)
	if evidence.known {
		evidence.describe(&v, from)
		if options.Rest != nil {
			v.GivenBack = difference(iterations[len(iterations)-1].EndBytes, options.Rest.Bytes)
		}
		v.decide(evidence, len(iterations), options)
	}
	v.explain(evidence, len(iterations), options)
	return v, evidence
}

// evidence is what was computed from the iterations after the last restart.
type evidence struct {
	known        bool      // false: too few iterations, or no requests
	iterations   int       // after the last restart
	warmUp       int       // of them
	warmUpGain   float64   // bytes gained in the warm-up
	judged       curve     // from the end of the warm-up on
	growth       posterior // bytes per request
	lower, upper float64   // of the growth
	halves       halves
	parts        []PartGrowth
}

// newEvidence computes the evidence, with an interval of the given confidence level.
func newEvidence(iterations []Iteration, confidence float64) evidence {
	e := evidence{iterations: len(iterations)}
	if len(iterations) < minIterations {
		return e
	}
	c := withoutOutliers(newCurve(iterations))
	e.warmUp = warmUp(c)
	e.warmUpGain = c.bytes[e.warmUp-1] + difference(iterations[0].EndBytes, iterations[0].StartBytes)
	e.judged = c.from(e.warmUp - 1)
	growth, _, okGrowth := regress(noiseModels, e.judged.bytes, e.judged.since())
	halves, okHalves := newHalves(c, e.warmUp)
	if !okGrowth || !okHalves {
		return e
	}
	e.known, e.growth, e.halves = true, growth, halves
	e.lower, e.upper = interval(growth, e.judged.span(), confidence)
	e.parts = partGrowths(iterations, e.warmUp, confidence)
	return e
}

// interval is the interval of a growth over span requests, in bytes per request, no narrower than the floor.
func interval(growth posterior, span, confidence float64) (lower, upper float64) {
	middle, floor := growth.quantile(0.5), floorBytes/span
	return min(growth.quantile((1-confidence)/2), middle-floor), max(growth.quantile((1+confidence)/2), middle+floor)
}

// describe sets the figures and the growth pattern. from is the number of iterations
// before those of the evidence.
func (e evidence) describe(v *Verdict, from int) {
	v.Estimated = true
	v.Growth, v.Lower, v.Upper = e.growth.quantile(0.5), e.lower, e.upper
	v.Early, v.Late = e.halves.early, e.halves.late.quantile(0.5)
	v.Resolution = (e.upper - e.lower) / 2
	v.WarmUp = e.warmUp
	v.Judged = Range{First: from + e.warmUp + 1, Last: from + e.iterations}
	v.JudgedRequests = uint64(math.Round(e.judged.span()))
	v.Parts = e.parts
	gains := e.judged.gains()
	switch grows := e.lower > 0; {
	case grows && (e.halves.slowing() || e.warmUp > v.Judged.length()): // growth with a warm-up that long slows down
		v.Pattern = PatternSlowing
	case grows && equalJumps(gains) < unevenShare*float64(len(gains)):
		v.Pattern = PatternSteps
	case grows:
		v.Pattern = PatternSteady
	case e.warmUpGain > max(floorBytes, v.Resolution*e.judged.span()):
		v.Pattern = PatternWarmUp
	}
}

// decide sets the kind after n iterations: growth above the tolerance that goes on,
// growth below it, or neither shown. A sequential run stops for a leak only when no
// cache that fills could look the same.
func (v *Verdict) decide(e evidence, n int, options Options) {
	canGoOn := n < options.MaxIterations
	if canGoOn {
		if next := nextLook(n, options.MaxIterations); next != n {
			v.NextLook = next
			return
		}
	}
	goesOn := v.Pattern != PatternSlowing && e.halves.goesOn(options.Tolerance) && !v.givesBack(e, options.Tolerance)
	if canGoOn && (n < minLeakIterations || e.halves.linear < clearlyLinear || e.halves.linearWithWarmUp < 0) {
		goesOn = false
	}
	switch {
	case v.Lower > options.Tolerance && goesOn:
		v.Kind = Leak
	case v.Upper < options.Tolerance:
		v.Kind = NoLeak
	}
}

// givesBack reports if the growth that remains after the rest is within the tolerance, in bytes per request.
func (v *Verdict) givesBack(e evidence, tolerance float64) bool {
	return v.Growth-max(0, v.GivenBack)/e.judged.span() <= tolerance
}

// gained is the change from the first judged reading to the last, in bytes.
func (e evidence) gained() float64 {
	return e.judged.bytes[len(e.judged.bytes)-1] - e.judged.bytes[0]
}
