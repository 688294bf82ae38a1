package verdict

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
)

const (
	// leastWorkers is the least number of workers whose growth by age is judged.
	leastWorkers = 4
	// leastAged is the least number of end readings of each, after its warm-up.
	leastAged = 3
	// youngShare is the share of a worker's age that is its warm-up.
	youngShare = 0.25
	// idleShare is the share of the requests of a typical worker below which a process is none, such as the master.
	idleShare = 0.1
)

// Ageing is how the memory that each worker holds for itself grows by the requests that it has answered: in bytes per
// request, after a warm-up of each.
type Ageing struct {
	Growth, Lower, Upper float64
	Young, Old           float64 // in the first and second half of the age that is judged
	OldLower             float64 // the growth in the second half is above it with 95% probability
	Slowing              bool    // it is surely less than in the first half
	Workers              int     // that are judged
	WarmUp               float64 // requests of each that are not judged
	Requests             float64 // that are judged, of all workers
}

// worker is what was read of one worker: bytes by the requests that it had answered, in order of time.
type worker struct{ requests, bytes []float64 }

// age is how many requests the worker had answered at the last reading.
func (w worker) age() float64 { return w.requests[len(w.requests)-1] }

// span is the number of requests from the first reading to the last.
func (w worker) span() float64 { return w.age() - w.requests[0] }

// since is the worker from an age on.
func (w worker) since(age float64) worker {
	from, _ := slices.BinarySearch(w.requests, age)
	return worker{w.requests[from:], w.bytes[from:]}
}

// workersOf collects the readings of each worker. One that is not known for a while and comes back with fewer requests is
// another. The last reading of each is left out: it may have been about to end, and have freed all.
func workersOf(iterations []Iteration) []worker {
	type identity struct {
		pid     int
		started uint64
	}
	var all []worker
	last := make(map[identity]int) // its index
	for _, it := range iterations {
		for _, read := range it.Workers {
			id := identity{read.PID, read.Started}
			n, known := last[id]
			if !known || read.Requests < all[n].age() {
				n = len(all)
				last[id] = n
				all = append(all, worker{})
			}
			all[n].requests = append(all[n].requests, read.Requests)
			all[n].bytes = append(all[n].bytes, float64(read.Bytes))
		}
	}
	for n, w := range all {
		all[n] = worker{w.requests[:len(w.requests)-1], w.bytes[:len(w.bytes)-1]}
	}
	return all
}

// newAgeing estimates how workers grow by their age, with an interval of the given confidence level. It is false if too few
// of them lived through enough readings.
//
// Workers differ in level, and in when they started. So only the readings of the same worker are compared: the growth is the
// slope within workers (Mundlak 1978; Bell, Fairbrother and Jones 2019). The readings of one depend on each other, and those
// of two do not. So the variance is that of the estimates without one worker at a time, the cluster jackknife (CV3 of
// MacKinnon, Nielsen and Webb 2023), with a t distribution.
//
// The first quarter of the age that workers reach is warm-up. No interval is narrower than if each worker's gain were off by
// the floor, independently.
func newAgeing(iterations []Iteration, confidence float64) (Ageing, bool) {
	all := slices.DeleteFunc(workersOf(iterations), func(w worker) bool { return len(w.requests) < leastAged || w.span() == 0 })
	if len(all) == 0 {
		return Ageing{}, false
	}
	typical := medianOf(all, worker.age)
	all = slices.DeleteFunc(all, func(w worker) bool { return w.age() < idleShare*typical })
	typical = medianOf(all, worker.age)
	a := Ageing{WarmUp: youngShare * typical}
	middle := (a.WarmUp + typical) / 2
	whole, halves := clusters{}, clusters{}
	for _, w := range all {
		if w = w.since(a.WarmUp); len(w.requests) < leastAged || w.span() == 0 {
			continue
		}
		a.Requests += w.span()
		whole = append(whole, newCluster(w, w.requests))
		young, old := make([]float64, len(w.requests)), make([]float64, len(w.requests))
		for i, r := range w.requests {
			young[i], old[i] = min(r, middle), max(r-middle, 0)
		}
		halves = append(halves, newCluster(w, young, old))
	}
	a.Workers = len(whole)
	if a.Workers < leastWorkers {
		return a, false
	}
	floor := floorBytes * math.Sqrt(float64(a.Workers)) / a.Requests
	var known bool
	if a.Growth, a.Lower, a.Upper, known = whole.interval(confidence, floor, 1); !known {
		return a, false
	}
	const oneSided = 2*surely - 1                             // the two-sided level of a one-sided bound
	a.Young, _, _, known = halves.interval(oneSided, 0, 1, 0) // and so are the next two, of the same columns
	a.Old, a.OldLower, _, _ = halves.interval(oneSided, 2*floor, 0, 1)
	_, bend, _, _ := halves.interval(oneSided, 0, 1, -1)
	a.Slowing = bend > 0 && a.Old < slowerBelow*a.Young
	return a, known
}

// medianOf is the median of a value of the workers.
func medianOf(all []worker, value func(worker) float64) float64 {
	values := make([]float64, len(all))
	for n, w := range all {
		values[n] = value(w)
	}
	slices.Sort(values)
	return stat.Quantile(0.5, stat.Empirical, values, nil)
}

// grows reports if workers grow by more than the tolerance, in bytes per request, and the old ones as the young.
func (a Ageing) grows(tolerance float64) bool {
	return a.Lower > tolerance && a.OldLower > tolerance && !a.Slowing
}
