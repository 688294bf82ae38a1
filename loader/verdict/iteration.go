package verdict

import (
	"fmt"
	"slices"
)

// Iteration is one burst of load between two readings of memory.
type Iteration struct {
	Requests   uint64 // answered between the two readings
	StartBytes uint64 // resident memory before the load
	EndBytes   uint64 // resident memory after the load and settling
	// Parts holds the other readings after settling, in bytes, or as a count. A part that is missing is unknown.
	Parts map[Part]uint64
	// StartSecond and EndSecond are when the two readings were taken, in seconds since any moment that is the same for
	// all. Both are 0 if that is unknown.
	StartSecond, EndSecond float64
	// Workers are the processes of which several run the server's program, after settling; none if they are not known.
	Workers []Worker
}

// Worker is a process that answers requests beside others, and that may be replaced.
type Worker struct {
	PID      int     `json:"pid"`
	Started  uint64  `json:"started_ticks"` // tells it from an earlier process with the same PID
	Requests float64 `json:"requests"`      // answered since it was first seen
	Bytes    uint64  `json:"own_bytes"`     // that it holds for itself
}

// Range is a range of iterations, counted from 1, both ends included. The zero Range
// is empty.
type Range struct {
	First, Last int
}

// String is "3-12", "3" or "none".
func (r Range) String() string {
	switch {
	case r.First == 0:
		return "none"
	case r.First == r.Last:
		return fmt.Sprint(r.First)
	}
	return fmt.Sprintf("%d-%d", r.First, r.Last)
}

// length is the number of iterations in the range.
func (r Range) length() int {
	if r.First == 0 {
		return 0
	}
	return r.Last - r.First + 1
}

// curve is a series of end readings over the cumulative requests, one point per iteration.
// Bytes are relative to the first point, so that no precision is lost at large levels.
type curve struct {
	requests []float64
	bytes    []float64
	scale
}

// scale is how exact a series of readings is.
type scale struct {
	floor float64 // least significant change over the judged range, in bytes
	grain float64 // unit that the readings are rounded to, in bytes
	least float64 // least gain over the judged range that is called a leak, in bytes
	// doubles is true if steps of tables that double can be told from other growth.
	doubles bool
}

// ofPages is the scale of what the kernel counts in pages.
var ofPages = scale{floor: floorBytes, grain: pageBytes, least: leastBytes}

// besidePart is a part that held memory has beside resident memory, if its sign is 1, or has not, if it is -1.
type besidePart struct {
	Part
	sign float64
}

// beside are the parts that make held memory of resident memory.
var beside = []besidePart{{Swapped, 1}, {LazyFree, -1}, {HugeTLB, 1}, {Unmapped, 1}}

// HeldBytes is held memory after settling, in bytes, as far as it is known.
func (it Iteration) HeldBytes() float64 {
	held := float64(it.EndBytes)
	for _, part := range beside {
		held += part.sign * float64(it.Parts[part.Part])
	}
	return held
}

// EndOf is what the server held after settling, in bytes: live memory, heap slack, memory outside the heap, or all that it
// held. It is false if that is not known.
func (it Iteration) EndOf(part Part) (bytes float64, known bool) {
	_, live := it.Parts[Live]
	_, outside := it.Parts[Outside]
	read := func(part Part) float64 { return float64(it.Parts[part]) }
	switch part {
	case Live:
		return read(Live), live
	case Outside:
		return read(Outside) + read(Unmapped), outside
	case Slack:
		return max(0, it.HeldBytes()-read(File)-read(Shared)-read(Live)-read(Outside)-read(Unmapped)), live && outside
	case Held:
		return it.HeldBytes(), true
	}
	return 0, false
}

// newCurve returns the curve of memory held at the end of the iterations. Requests are cumulative from the
// start of the first, so that the first point lies at that iteration's requests.
func newCurve(iterations []Iteration) curve {
	c := curveOf(iterations, ofPages, func(it Iteration) uint64 { return it.EndBytes })
	for _, part := range beside {
		c = c.plus(part.sign, partCurve(iterations, part.Part, ofPages))
	}
	return c
}

// curveOf returns the curve of a value of the iterations.
func curveOf(iterations []Iteration, s scale, value func(Iteration) uint64) curve {
	c := curve{requests: make([]float64, len(iterations)), bytes: make([]float64, len(iterations)), scale: s}
	sum := 0.0
	for i, it := range iterations {
		sum += float64(it.Requests)
		c.requests[i] = sum
		c.bytes[i] = difference(value(it), value(iterations[0]))
	}
	return c
}

// partCurve returns the curve of a part; flat at 0 if it was not read in every iteration.
func partCurve(iterations []Iteration, part Part, s scale) curve {
	c := curveOf(iterations, s, func(it Iteration) uint64 { return it.Parts[part] })
	if !readAlways(iterations, part) {
		clear(c.bytes)
	}
	return c
}

// readAlways reports if the part was read in every iteration.
func readAlways(iterations []Iteration, part Part) bool {
	return !slices.ContainsFunc(iterations, func(it Iteration) bool {
		_, read := it.Parts[part]
		return !read
	})
}

// plus is the curve with sign times the other added to it. Both have the same requests.
func (c curve) plus(sign float64, other curve) curve {
	sum := curve{requests: c.requests, bytes: slices.Clone(c.bytes), scale: c.scale}
	for i, b := range other.bytes {
		sum.bytes[i] += sign * b
	}
	return sum
}

// from is the curve without its first n points.
func (c curve) from(n int) curve {
	return curve{requests: c.requests[n:], bytes: c.bytes[n:], scale: c.scale}
}

// span is the number of requests between the first point and the last.
func (c curve) span() float64 {
	return c.requests[len(c.requests)-1] - c.requests[0]
}

// since is the number of requests since the first point, for each point.
func (c curve) since() []float64 {
	s := make([]float64, len(c.requests))
	for i, r := range c.requests {
		s[i] = r - c.requests[0]
	}
	return s
}

// rate is the growth in bytes per request between two points, 0 if there is no request
// between them.
func (c curve) rate(from, to int) float64 {
	requests := c.requests[to] - c.requests[from]
	if requests == 0 {
		return 0
	}
	return (c.bytes[to] - c.bytes[from]) / requests
}

// rates is the growth in bytes per request from each point to the next.
func (c curve) rates() []float64 {
	r := make([]float64, len(c.bytes)-1)
	for i := range r {
		r[i] = c.rate(i, i+1)
	}
	return r
}

// gains is the growth in bytes from each point to the next.
func (c curve) gains() []float64 {
	g := make([]float64, len(c.bytes)-1)
	for i := range g {
		g[i] = c.bytes[i+1] - c.bytes[i]
	}
	return g
}

// difference is a - b in bytes, without wrapping below zero.
func difference(a, b uint64) float64 {
	if a >= b {
		return float64(a - b)
	}
	return -float64(b - a)
}
