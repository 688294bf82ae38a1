package verdict

const (
	// minIterations is the least number of iterations that is judged.
	minIterations = 5
	// minLeakIterations is the least number at which a sequential run stops for a leak
	// by memory that is not live: in fewer, a cache that fills looks like one.
	minLeakIterations = 10
	// confidence is the coverage of the interval; in a sequential run, the joint
	// coverage of the intervals at all looks.
	confidence = 0.95
)

// Looks returns the numbers of iterations at which a sequential run of at most
// maxIterations may be decided: 5, 7, 10, 14 and so on, each about 1.4 times the one
// before, and maxIterations itself. Nil if maxIterations is below 5.
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

// confidenceOf is the confidence level of each interval. A sequential run splits the
// 5% error rate equally over its looks (Bonferroni), so that by Boole's inequality all
// of them together err no more often, however they are correlated.
func confidenceOf(maxIterations int) float64 {
	looks := len(Looks(maxIterations))
	if looks == 0 {
		return confidence
	}
	return 1 - (1-confidence)/float64(looks)
}

// nextLook returns the first look at or after n iterations, 0 if there is none.
func nextLook(n, maxIterations int) int {
	for _, look := range Looks(maxIterations) {
		if look >= n {
			return look
		}
	}
	return 0
}

// lastLook returns the last look before n iterations, 0 if there is none.
func lastLook(n, maxIterations int) int {
	last := 0
	for _, look := range Looks(maxIterations) {
		if look < n {
			last = look
		}
	}
	return last
}

// early reports if a run of these options stops for no leak by memory that is not live after n iterations, since it may go
// on.
func (o Options) early(n int) bool { return n < min(o.MaxIterations, minLeakIterations) }
