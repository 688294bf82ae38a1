package verdict

import "math"

// restart returns the index of the first iteration after the last restart of
// the server, 0 if there was none. After a restart the memory starts anew, so
// that nothing before it says anything of what comes after.
//
// Between two iterations nothing is asked of the server. A restart there is a
// fall to where the first iteration started, or to within a tenth of all that
// was gained since. A restart during an iteration is a fall to less than a third
// of where it started, to about what the first iteration ended with. Either
// must be more than a floor and more than twice any other change of the run:
// otherwise it is how the server breathes.
func restart(iterations []Iteration) int {
	first := 0
	for i := 1; i < len(iterations); i++ {
		it, before := iterations[i], iterations[i-1]
		gained := difference(before.EndBytes, iterations[first].StartBytes)
		between := difference(before.EndBytes, it.StartBytes)
		during := difference(it.StartBytes, it.EndBytes)
		switch {
		case between >= 0.9*gained && stands(iterations, first, i, between):
			first = i
		case it.EndBytes < it.StartBytes/3 && difference(it.EndBytes, iterations[first].EndBytes) <= 4*floorBytes &&
			stands(iterations, first, i, during):
			// This iteration is part old server, part new: judge from the next.
			first = i + 1
			i++
		}
	}
	return first
}

// stands says whether a fall at iteration i stands out: above the floor, and
// more than twice any change between readings from iteration first on, the
// first iteration's gain (a warm-up) and iteration i itself apart.
func stands(iterations []Iteration, first, i int, fall float64) bool {
	if fall < 4*floorBytes {
		return false
	}
	for j := first + 1; j < len(iterations); j++ {
		// The iteration after a restart warms up, as the first did.
		if j == i || j == i+1 {
			continue
		}
		inside := math.Abs(difference(iterations[j].EndBytes, iterations[j].StartBytes))
		outside := math.Abs(difference(iterations[j].StartBytes, iterations[j-1].EndBytes))
		if j > i {
			// Another restart may follow: only growth speaks against this one.
			inside = difference(iterations[j].EndBytes, iterations[j].StartBytes)
			outside = difference(iterations[j].StartBytes, iterations[j-1].EndBytes)
		}
		if 2*max(inside, outside) >= fall {
			return false
		}
	}
	return true
}
