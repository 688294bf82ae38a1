package lab

import (
	"math"
	"time"
)

// UsualDuration is the length of an iteration's load, unless another is chosen.
const UsualDuration = 3 * time.Second

// GrowingDuration is the length of the load of iteration number, counted from 1, in a run that goes on until live memory
// decides it. Live memory wants requests rather than seconds: 0.5 s in the first five iterations, which is the least
// number that is judged, then 1.3 times as long in each, up to UsualDuration.
func GrowingDuration(number int) time.Duration {
	const (
		first    = 500 * time.Millisecond
		short    = 5
		factor   = 1.3
		rounding = 10 * time.Millisecond
	)
	grown := float64(first) * math.Pow(factor, float64(max(0, number-short)))
	return time.Duration(min(grown, float64(UsualDuration))).Round(rounding)
}
