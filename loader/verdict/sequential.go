package verdict

const (
	// minIterations is the number of iterations below which nothing is judged.
	minIterations = 5
	// minLeakIterations is the number below which a run of unknown length does
	// not stop for a leak: in fewer, a cache that fills looks like one.
	minLeakIterations = 10
	// confidence is the probability with which the interval holds the growth;
	// in a run of unknown length, all its intervals together.
	confidence = 0.95
)

// Looks are the numbers of iterations at which a run of unknown length, of at
// most maxIterations, may be decided: 5, 7, 10, 14 and so on, each about 1.4
// times the one before, and the last. Nil if maxIterations is below 5.
func Looks(maxIterations int) []int {
	var looks []int
	for n := minIterations; n < maxIterations; n = (7*n + 4) / 5 {
		looks = append(looks, n)
	}
	if maxIterations >= minIterations {
		looks = append(looks, maxIterations)
	}
	return looks
}

// confidenceOf is the confidence of each interval: in a run of unknown length
// the 5% that may err are spent in equal shares on the looks, so that by Boole's
// inequality all of them together err no more often, whatever they have in common.
func confidenceOf(maxIterations int) float64 {
	looks := len(Looks(maxIterations))
	if looks == 0 {
		return confidence
	}
	return 1 - (1-confidence)/float64(looks)
}

// nextLook is the first look at or after n iterations, 0 if there is none.
func nextLook(n, maxIterations int) int {
	for _, look := range Looks(maxIterations) {
		if look >= n {
			return look
		}
	}
	return 0
}
