package verdict

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
)

// noiseModel is a model of the errors of the readings around a line: the sum of a
// stationary AR(2) process and a random walk. It fixes the autocorrelation of the
// errors only; their size is estimated.
type noiseModel struct {
	prior float64 // probability before the readings are seen
	// ar holds the AR(2) coefficients of the stationary part, at lags 1 and 2. Its
	// variance is 1-walkShare.
	ar [2]float64
	// walkShare, 0 to 1, is the variance of the random walk's steps (retained pages,
	// high-water marks).
	walkShare float64
	// filter holds the Kalman filter's step for each reading; the last is for all later ones.
	filter []filterStep
}

// filterStep is the Kalman filter at one reading: the standard
// deviation of the prediction error, and the gain. The state is the AR(2) part at
// this reading and at the one before, and the random walk.
type filterStep struct {
	deviation   float64
	gain        [3]float64
	logJacobian float64 // log determinant of the transformation of the readings so far
}

// noiseModels are the models over which the slope is averaged. Stationary noise that
// decays has a prior probability of 30% (the first three; 0 is white noise, as from a
// garbage collector that is caught anywhere in its cycle). Oscillating noise has 30%
// (the next six), as from a collector or an allocator in step with the iterations. A
// random walk has 40%. Oscillations cancel out, which makes intervals narrow, so in
// one of five there is a random walk beneath. A larger prior for the random walk makes
// the intervals of ten readings so wide that a full cache stays inconclusive. A
// smaller one makes them too narrow where the noise is a random walk.
var noiseModels = []noiseModel{
	newNoiseModel(0.10, ar1(0), 0),
	newNoiseModel(0.10, ar1(0.3), 0),
	newNoiseModel(0.10, ar1(0.6), 0),
	newNoiseModel(0.08, ar1(-0.5), 0),
	newNoiseModel(0.08, cycle(3), 0),
	newNoiseModel(0.08, cycle(6), 0),
	newNoiseModel(0.02, ar1(-0.5), 0.05),
	newNoiseModel(0.02, cycle(3), 0.05),
	newNoiseModel(0.02, cycle(6), 0.05),
	newNoiseModel(0.03, ar1(0), 0.01),
	newNoiseModel(0.07, ar1(0), 0.1),
	newNoiseModel(0.10, ar1(0), 0.5),
	newNoiseModel(0.20, ar1(0), 1),
}

// nonOscillating are the models without oscillation, under which the end of a warm-up
// is searched: to the others, growth that has not stopped may be part of a cycle.
var nonOscillating = slices.Concat(noiseModels[:3], noiseModels[9:])

// ar1 returns the coefficients of an AR(1) process with the given lag-1
// autocorrelation, -1 < autocorrelation < 1. Below 0 it oscillates with a period of 2.
func ar1(autocorrelation float64) [2]float64 {
	return [2]float64{autocorrelation}
}

// cycle returns the coefficients of an AR(2) process that oscillates with the given
// period in iterations and slowly loses its phase: complex roots (Yule 1927).
func cycle(period float64) [2]float64 {
	const damping = 0.8
	return [2]float64{2 * damping * math.Cos(2*math.Pi/period), -damping * damping}
}

// newNoiseModel iterates the Riccati recursion of the Kalman filter, which does not
// depend on the readings, from the stationary covariance until it converges.
func newNoiseModel(prior float64, ar [2]float64, walkShare float64) noiseModel {
	z := noiseModel{prior: prior, ar: ar, walkShare: walkShare}
	variance := 1 - walkShare
	next := variance * ar[0] / (1 - ar[1])                                                   // covariance with the next reading
	afterNext := ar[0]*next + ar[1]*variance                                                 // and with the one after it
	fresh := math.Max(0, variance-ar[0]*next-ar[1]*afterNext)                                // innovation variance
	covariance := [3][3]float64{{variance, next, 0}, {next, variance, 0}, {0, 0, walkShare}} // of the state, before a reading
	logJacobian := 0.0
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
		logJacobian -= math.Log(step.deviation)
		step.logJacobian = logJacobian
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
		advanced[2][2] += walkShare
		covariance = advanced
	}
}

// near reports if the two steps are equal up to rounding.
func (s filterStep) near(other filterStep) bool {
	const rounding = 1e-12
	return math.Abs(s.deviation-other.deviation) < rounding && floats.EqualApprox(s.gain[:], other.gain[:], rounding)
}

// advance is the state's prediction for the next reading.
func (z noiseModel) advance(state [3]float64) [3]float64 {
	return [3]float64{z.ar[0]*state[0] + z.ar[1]*state[1], state[0], state[2]}
}

// whiten is whitenInto with new columns.
func (z noiseModel) whiten(columns [][]float64) (whitened [][]float64, logJacobian float64) {
	whitened = newColumns(len(columns), len(columns[0]))
	return whitened, z.whitenInto(whitened, columns)
}

// newColumns are columns of zeros with the given number of rows.
func newColumns(columns, rows int) [][]float64 {
	all := make([][]float64, columns)
	for n := range all {
		all[n] = make([]float64, rows)
	}
	return all
}

// whitenInto transforms the columns (all of the same length) into the standardised
// prediction errors of the Kalman filter (Harvey 1989), and writes them to whitened. Errors that follow the model
// become independent with equal variance. logJacobian is the log determinant of the
// transformation, which the log likelihood contains.
func (z noiseModel) whitenInto(whitened, columns [][]float64) (logJacobian float64) {
	for n := 0; n < len(columns); n += 2 {
		other := min(n+1, len(columns)-1)
		z.predict(columns[n], columns[other], whitened[n], whitened[other])
	}
	rows, last := len(columns[0]), len(z.filter)-1
	if rows <= last {
		return z.filter[rows-1].logJacobian
	}
	return z.filter[last].logJacobian - float64(rows-last-1)*math.Log(z.filter[last].deviation)
}

// filterState is the state of the Kalman filter: the prediction of the AR(2) part and of the random walk at the next
// reading, and the AR(2) part at the one before.
type filterState struct{ now, before, walk float64 }

// predict writes the standardised prediction errors of two columns. Each step of the filter waits for the one before, so
// two columns side by side take little longer than one.
func (z noiseModel) predict(one, other, oneErrors, otherErrors []float64) {
	last := len(z.filter) - 1
	other, oneErrors, otherErrors = other[:len(one)], oneErrors[:len(one)], otherErrors[:len(one)]
	var a, b filterState
	ar0, ar1 := z.ar[0], z.ar[1]
	for i := range one {
		step := &z.filter[min(i, last)]
		errorA, errorB := one[i]-a.now-a.walk, other[i]-b.now-b.walk
		oneErrors[i], otherErrors[i] = errorA/step.deviation, errorB/step.deviation
		nowA, nowB := a.now+step.gain[0]*errorA, b.now+step.gain[0]*errorB
		a.now, a.before = ar0*nowA+ar1*(a.before+step.gain[1]*errorA), nowA
		b.now, b.before = ar0*nowB+ar1*(b.before+step.gain[1]*errorB), nowB
		a.walk += step.gain[2] * errorA
		b.walk += step.gain[2] * errorB
	}
}
