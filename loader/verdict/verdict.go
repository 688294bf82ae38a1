package verdict

import "math"

const (
	// pageBytes is the unit in which an operating system counts resident memory.
	pageBytes = 4096
	// floorBytes is the change in resident memory, over all that is judged, that
	// means nothing: 64 pages, which the kernel may hold back a thread when it
	// counts (TASK_RSS_EVENTS_THRESH), and about what an allocator takes at a time.
	floorBytes = 64 * pageBytes
	// unevenShare is the share of the gains below which so few make up the
	// growth that it goes in steps.
	unevenShare = 0.4
)

// Kind is what a run says of the server.
type Kind string

// The kinds.
const (
	Leak         Kind = "leak"
	NoLeak       Kind = "no leak"
	Inconclusive Kind = "inconclusive"
)

// Shape is how resident memory grows.
type Shape string

// The shapes.
const (
	ShapeNone    Shape = "none"              // no growth that can be told from noise
	ShapeWarmUp  Shape = "warm-up then flat" // the same, after a warm-up that could be seen
	ShapeSteady  Shape = "steady"            // with every iteration
	ShapeSteps   Shape = "steps"             // in a few of the iterations
	ShapeSlowing Shape = "slowing down"      // ever less, or it may be
)

// Unit is what growth is said of.
type Unit string

// The units. If nobody can count the requests, each iteration is given one, and the growth is that of an iteration.
const (
	PerRequest   Unit = "request" // also the meaning of the zero Unit
	PerIteration Unit = "iteration"
)

// String is the word for one.
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

// Options is what Judge needs besides the readings.
type Options struct {
	// Tolerance is the growth in bytes per request, or per iteration if that is the Unit, that nobody cares about.
	Tolerance float64
	// Unit is what the growth is said of; it changes only the words.
	Unit Unit
	// MaxIterations is 0 for a run whose length was fixed before. A run that goes
	// on until it is decided gives here how long it may become; it is decided only
	// at the Looks of that number.
	MaxIterations int
	// Rest is how it went on after the last iteration, without load; nil if that is not known.
	Rest *Rest
}

// Rest is a reading without load, after the last iteration's.
type Rest struct {
	Seconds float64 // after the last end reading
	Bytes   uint64  // of resident memory
}

// Verdict is what the readings say, and how surely.
type Verdict struct {
	Kind  Kind
	Shape Shape
	Unit  Unit // of all figures that are per request

	// Estimated is false if there is too little to estimate growth from; then
	// all the figures are 0.
	Estimated bool
	// Growth, and the interval of it, in bytes of resident memory per request.
	Growth, Lower, Upper float64
	// Confidence of the interval: 0.95, or more at each look of a run whose
	// length is not fixed, so that all looks together have 0.95.
	Confidence float64
	// Early and Late are the growth in the first and second half of the judged
	// requests, bytes per request.
	Early, Late float64
	// Resolution is the smallest growth that these readings could have shown,
	// bytes per request: half of the interval's width.
	Resolution float64

	// RestartedBefore is the iteration, counted from 1, before or during which
	// the server restarted last; 0 if it did not. What was before is not judged.
	RestartedBefore int
	// WarmUp is how many iterations count as warm-up, after a restart if there
	// was one.
	WarmUp int
	// Judged is the iterations whose growth is judged, and JudgedRequests the
	// requests in them.
	Judged         Range
	JudgedRequests uint64
	// Parts is how each part that is known grows.
	Parts []PartGrowth
	// GivenBack is how many bytes less than after the last iteration were resident after a rest; 0 without one.
	GivenBack float64

	// NextLook is the number of iterations at which a run of unknown length may
	// be decided next; 0 if it is now, or its length is fixed.
	NextLook int
	// MoreIterations is how many more like those judged are likely to decide it;
	// 0 if decided, or if more of the same are not likely to.
	MoreIterations int

	Statistic string // what the figures rest on
	Sentence  string // the verdict in plain English
	Advice    string // what to do if it is inconclusive, otherwise empty
}

// Judge says what the iterations, in the order they were run, tell of the
// server's memory. The same input gives the same verdict.
func Judge(iterations []Iteration, options Options) Verdict {
	v, _ := judge(iterations, options)
	return v
}

// judge is Judge, with the evidence that the verdict rests on.
func judge(iterations []Iteration, options Options) (Verdict, evidence) {
	v := Verdict{
		Kind:       Inconclusive,
		Shape:      ShapeNone,
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
	known        bool    // false: too few iterations, or no requests
	iterations   int     // after the last restart
	warmUp       int     // of them
	warmUpGain   float64 // bytes gained in the warm-up
	judged       curve   // from the end of the warm-up on
	growth       belief  // bytes per request
	lower, upper float64 // of the growth
	course       course
	parts        []PartGrowth
}

// newEvidence computes it; the interval holds with the given confidence.
func newEvidence(iterations []Iteration, confidence float64) evidence {
	e := evidence{iterations: len(iterations)}
	if len(iterations) < minIterations {
		return e
	}
	c := withoutOutliers(newCurve(iterations))
	e.warmUp = warmUp(c)
	e.warmUpGain = c.bytes[e.warmUp-1] + difference(iterations[0].EndBytes, iterations[0].StartBytes)
	e.judged = c.from(e.warmUp - 1)
	growth, _, okGrowth := regress(noises, e.judged.bytes, e.judged.since())
	course, okCourse := newCourse(c, e.warmUp)
	if !okGrowth || !okCourse {
		return e
	}
	e.known, e.growth, e.course = true, growth, course
	e.lower, e.upper = interval(growth, e.judged.span(), confidence)
	e.parts = partGrowths(iterations, e.warmUp, confidence)
	return e
}

// interval is that of a growth over so many requests, no narrower than the floor.
func interval(growth belief, span, confidence float64) (lower, upper float64) {
	middle, floor := growth.quantile(0.5), floorBytes/span
	return min(growth.quantile((1-confidence)/2), middle-floor), max(growth.quantile((1+confidence)/2), middle+floor)
}

// describe sets the figures and the shape; from is how many iterations lie
// before those of the evidence.
func (e evidence) describe(v *Verdict, from int) {
	v.Estimated = true
	v.Growth, v.Lower, v.Upper = e.growth.quantile(0.5), e.lower, e.upper
	v.Early, v.Late = e.course.early, e.course.late.quantile(0.5)
	v.Resolution = (e.upper - e.lower) / 2
	v.WarmUp = e.warmUp
	v.Judged = Range{First: from + e.warmUp + 1, Last: from + e.iterations}
	v.JudgedRequests = uint64(math.Round(e.judged.span()))
	v.Parts = e.parts
	gains := e.judged.gains()
	switch grows := e.lower > 0; {
	case grows && (e.course.slowing() || e.warmUp > v.Judged.length()): // a warm-up that long is growth that slows down
		v.Shape = ShapeSlowing
	case grows && equalJumps(gains) < unevenShare*float64(len(gains)):
		v.Shape = ShapeSteps
	case grows:
		v.Shape = ShapeSteady
	case e.warmUpGain > max(floorBytes, v.Resolution*e.judged.span()):
		v.Shape = ShapeWarmUp
	}
}

// decide sets the kind, after n iterations: the growth is above the tolerance
// and goes on, or below it, or neither can be said. A run that may go on stops
// for a leak only when no cache that fills could look the same.
func (v *Verdict) decide(e evidence, n int, options Options) {
	canGoOn := n < options.MaxIterations
	if canGoOn {
		if next := nextLook(n, options.MaxIterations); next != n {
			v.NextLook = next
			return
		}
	}
	goesOn := v.Shape != ShapeSlowing && e.course.goesOn(options.Tolerance) && !v.givesBack(e, options.Tolerance)
	if canGoOn && (n < minLeakIterations || e.course.straight < clearlyStraight || e.course.straightBefore < 0) {
		goesOn = false
	}
	switch {
	case v.Lower > options.Tolerance && goesOn:
		v.Kind = Leak
	case v.Upper < options.Tolerance:
		v.Kind = NoLeak
	}
}

// givesBack says whether so little of the growth stays, when the server has rested, that nobody cares.
func (v *Verdict) givesBack(e evidence, tolerance float64) bool {
	return v.Growth-max(0, v.GivenBack)/e.judged.span() <= tolerance
}

// gained is from the first judged reading to the last, in bytes.
func (e evidence) gained() float64 {
	return e.judged.bytes[len(e.judged.bytes)-1] - e.judged.bytes[0]
}
