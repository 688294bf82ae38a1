package verdict

import "math"

// restart returns the index of the first iteration after the server's last restart, 0
// if there was none. Readings before a restart tell nothing about the new process.
// It is known from the processes, if these were seen in any iteration, and guessed from
// falling memory otherwise, as in tables without them.
func restart(iterations []Iteration) int {
	seen, first := false, 0
	for i, it := range iterations {
		restarts, known := it.Parts[Restarts]
		seen = seen || known
		if restarts > 0 {
			first = i + 1 // this iteration may cover both processes
		}
	}
	if seen {
		return first
	}
	return guessRestart(iterations)
}

// guessRestart is restart by falling memory.
//
// Between two iterations there is no load. A restart there is a fall to where the
// first iteration started, or to within a tenth of all that was gained since. A
// restart during an iteration is a fall to less than a third of where it started, to
// about the first iteration's end reading. Either must exceed a floor and be more than
// twice any other change of the run. Otherwise it is normal fluctuation. Where live memory is read, the full collection
// makes resident memory fall between iterations: then live memory or memory outside the heap must fall too.
func guessRestart(iterations []Iteration) int {
	first := 0
	for i := 1; i < len(iterations); i++ {
		it, before := iterations[i], iterations[i-1]
		gained := difference(before.EndBytes, iterations[first].StartBytes)
		between := difference(before.EndBytes, it.StartBytes)
		during := difference(it.StartBytes, it.EndBytes)
		switch {
		case between >= 0.9*gained && standsOut(iterations, first, i, between) && !collected(iterations, first, i):
			first = i
		case it.EndBytes < it.StartBytes/3 && difference(it.EndBytes, iterations[first].EndBytes) <= 4*floorBytes &&
			standsOut(iterations, first, i, during):
			// This iteration covers both processes: judge from the next.
			first = i + 1
			i++
		}
	}
	return first
}

// standsOut reports if a fall of that many bytes at iteration i is above the floor, and
// more than twice any change between readings from iteration first on. The gain of
// the first iteration (a warm-up) and iteration i itself are excluded.
func standsOut(iterations []Iteration, first, i int, fall float64) bool {
	if fall < 4*floorBytes {
		return false
	}
	for j := first + 1; j < len(iterations); j++ {
		// The iteration after a restart is a warm-up, like the first.
		if j == i || j == i+1 {
			continue
		}
		inside := math.Abs(difference(iterations[j].EndBytes, iterations[j].StartBytes))
		outside := math.Abs(difference(iterations[j].StartBytes, iterations[j-1].EndBytes))
		if j > i {
			// Another restart may follow: only growth is evidence against this one.
			inside = difference(iterations[j].EndBytes, iterations[j].StartBytes)
			outside = difference(iterations[j].StartBytes, iterations[j-1].EndBytes)
		}
		if 2*max(inside, outside) >= fall {
			return false
		}
	}
	return true
}

// collected reports if a fall before iteration i may be no more than the full collection after the iteration before. The
// collection takes neither live memory nor memory outside the heap that the next iteration does not bring back. A process
// that starts anew at the second iteration is as warm as at its first: no reading tells it, and none is worse for it.
func collected(iterations []Iteration, first, i int) bool {
	if !readAlways(iterations[i-1:i], Live) {
		return false
	}
	return i == first+1 || !falls(iterations, first, i, Live, liveFloorBytes) && !falls(iterations, first, i, Outside, 4*floorBytes)
}

// falls reports if a part falls at iteration i by more than the floor, in bytes, and by more than twice any of its other
// changes. The first change and the one after the fall are warm-up. A change is 0 where it was not read.
func falls(iterations []Iteration, first, i int, part Part, floor float64) bool {
	change := func(j int) float64 {
		if !readAlways(iterations[j-1:j+1], part) {
			return 0
		}
		return difference(iterations[j].Parts[part], iterations[j-1].Parts[part])
	}
	largest := 0.0
	for j := first + 2; j < len(iterations); j++ {
		if j != i && j != i+1 {
			largest = max(largest, math.Abs(change(j)))
		}
	}
	return -change(i) > max(floor, 2*largest)
}
