package verdict

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
)

// noise is one way in which readings may err around a line: what an error
// leaves to the next readings, not how large it is (its size is estimated).
type noise struct {
	prior float64 // probability before the readings are seen
	// passing is what the part of an error that passes leaves to the next reading
	// and the one after it: a second-order autoregression, with the variance
	// 1-staying.
	passing [2]float64
	// staying is the part that stays for good (retained pages, high-water marks):
	// a random walk, whose steps have this variance.
	staying float64
	// filter is a Kalman filter's for each reading; the last is for all later ones.
	filter []filterStep
}

// filterStep is how the filter errs in predicting a reading (a standard
// deviation), and the share of an error that it adds to its state: what passes,
// at this reading and at the one before, and what stays.
type filterStep struct {
	deviation float64
	gain      [3]float64
}

// noises are the ways over which an interval is averaged. Until the readings show
// otherwise, noise is presumed to fade with a probability of 30% (the first three;
// 0 is white, as of a collector that is caught anywhere in its cycle), to swing up
// and down with 30% (the next six), as of a collector or an allocator that keeps
// step with the iterations, and to stay with 40%. What swings cancels out, which
// makes intervals narrow: in one of five there is something under it that stays.
// Presuming more that stays makes the intervals of ten readings so wide that a filled
// cache is left open; presuming less makes them too narrow where noise does stay.
var noises = []noise{
	newNoise(0.10, fades(0), 0),
	newNoise(0.10, fades(0.3), 0),
	newNoise(0.10, fades(0.6), 0),
	newNoise(0.08, fades(-0.5), 0),
	newNoise(0.08, swings(3), 0),
	newNoise(0.08, swings(6), 0),
	newNoise(0.02, fades(-0.5), 0.05),
	newNoise(0.02, swings(3), 0.05),
	newNoise(0.02, swings(6), 0.05),
	newNoise(0.03, fades(0), 0.01),
	newNoise(0.07, fades(0), 0.1),
	newNoise(0.10, fades(0), 0.5),
	newNoise(0.20, fades(0), 1),
}

// lasting are those that do not swing. A warm-up is looked for under them: under the
// others, too, growth that has not yet stopped may be part of a swing.
var lasting = slices.Concat(noises[:3], noises[9:])

// fades is an error of which each reading keeps the share, -1 < share < 1, of
// the one before: AR(1). Below 0 it goes to and fro, a swing of two iterations.
func fades(share float64) [2]float64 {
	return [2]float64{share}
}

// swings is an error that goes up and down once in so many iterations, and slowly
// loses its phase: AR(2) with complex roots (Yule 1927).
func swings(iterations float64) [2]float64 {
	const damping = 0.8
	return [2]float64{2 * damping * math.Cos(2*math.Pi/iterations), -damping * damping}
}

// newNoise follows the filter's covariance, which does not depend on the
// readings, from that of a stationary error until it no longer changes.
func newNoise(prior float64, passing [2]float64, staying float64) noise {
	z := noise{prior: prior, passing: passing, staying: staying}
	variance := 1 - staying
	next := variance * passing[0] / (1 - passing[1])                                       // covariance with the next reading
	afterNext := passing[0]*next + passing[1]*variance                                     // and with the one after it
	fresh := math.Max(0, variance-passing[0]*next-passing[1]*afterNext)                    // variance of what is new in each reading
	covariance := [3][3]float64{{variance, next, 0}, {next, variance, 0}, {0, 0, staying}} // of the state, before a reading
	for {
		var seen [3]float64 // covariance of the state with the reading
		for i, row := range covariance {
			seen[i] = row[0] + row[2]
		}
		error := seen[0] + seen[2]
		step := filterStep{deviation: math.Sqrt(error)}
		for i := range seen {
			step.gain[i] = seen[i] / error
		}
		if n := len(z.filter); n > 0 && step.near(z.filter[n-1]) {
			return z
		}
		z.filter = append(z.filter, step)
		for i := range covariance {
			for j := range seen {
				covariance[i][j] -= step.gain[i] * seen[j]
			}
			covariance[i] = z.advance(covariance[i])
		}
		var advanced [3][3]float64
		for i := range advanced {
			advanced[i] = z.advance([3]float64{covariance[0][i], covariance[1][i], covariance[2][i]})
		}
		advanced[0][0] += fresh
		advanced[2][2] += staying
		covariance = advanced
	}
}

// near says whether the two steps are the same but for rounding.
func (s filterStep) near(other filterStep) bool {
	const rounding = 1e-12
	return math.Abs(s.deviation-other.deviation) < rounding && floats.EqualApprox(s.gain[:], other.gain[:], rounding)
}

// advance is what a state becomes by the next reading.
func (z noise) advance(state [3]float64) [3]float64 {
	return [3]float64{z.passing[0]*state[0] + z.passing[1]*state[1], state[0], state[2]}
}

// whiten transforms the columns (each n values long, the same way) so that errors
// which follow the noise become independent with equal variance: into the errors of
// a Kalman filter's predictions (Harvey 1989). logJacobian is the logarithm of the
// transformation's volume, as a likelihood counts it.
func (z noise) whiten(columns [][]float64) (whitened [][]float64, logJacobian float64) {
	last := len(z.filter) - 1
	for _, column := range columns {
		errors := make([]float64, len(column))
		step := z.filter[last]
		now, before, stays := 0.0, 0.0, 0.0
		for i, value := range column {
			if i < last {
				step = z.filter[i]
			} else if i == last {
				step = z.filter[last]
			}
			unforeseen := value - now - stays
			errors[i] = unforeseen / step.deviation
			now += step.gain[0] * unforeseen
			before += step.gain[1] * unforeseen
			stays += step.gain[2] * unforeseen
			now, before = z.passing[0]*now+z.passing[1]*before, now
		}
		whitened = append(whitened, errors)
	}
	for i := range columns[0] {
		if i > last {
			logJacobian -= float64(len(columns[0])-i) * math.Log(z.filter[last].deviation)
			break
		}
		logJacobian -= math.Log(z.filter[i].deviation)
	}
	return whitened, logJacobian
}
