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
	carried     float64 // what the gains move the AR(2) part of the next reading by
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
		step.carried = ar[0]*step.gain[0] + ar[1]*step.gain[1]
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
	last := len(columns) - 1
	for n := 0; n <= last; n += 3 {
		second, third := min(n+1, last), min(n+2, last)
		z.predict([3][]float64{columns[n], columns[second], columns[third]}, [3][]float64{whitened[n], whitened[second], whitened[third]})
	}
	rows, steps := len(columns[0]), len(z.filter)
	if rows <= steps {
		return z.filter[rows-1].logJacobian
	}
	return z.filter[steps-1].logJacobian - float64(rows-steps)*math.Log(z.filter[steps-1].deviation)
}

// filterState is what the Kalman filter predicts of a reading: the AR(2) part at it and at the one before, the random walk,
// and the reading itself.
type filterState struct{ now, before, walk, reading float64 }

// next is the state for the next reading, given the prediction error of this one.
func (s filterState) next(one, two float64, step *filterStep, error float64) filterState {
	now := one*s.now + two*s.before
	return filterState{
		now:     now + step.carried*error,
		before:  s.now + step.gain[0]*error,
		walk:    s.walk + step.gain[2]*error,
		reading: now + s.walk + (step.carried+step.gain[2])*error,
	}
}

// predict writes the standardised prediction errors of three columns. Each step of the filter waits for the one before, so
// three columns side by side take little longer than one.
func (z noiseModel) predict(columns, errors [3][]float64) {
	last := len(z.filter) - 1
	rows := len(columns[0])
	columnA, columnB, columnC := columns[0], columns[1][:rows], columns[2][:rows]
	errorsA, errorsB, errorsC := errors[0][:rows], errors[1][:rows], errors[2][:rows]
	var a, b, c filterState
	one, two := z.ar[0], z.ar[1]
	for i := range rows {
		step := &z.filter[min(i, last)]
		errorA, errorB, errorC := columnA[i]-a.reading, columnB[i]-b.reading, columnC[i]-c.reading
		errorsA[i], errorsB[i], errorsC[i] = errorA/step.deviation, errorB/step.deviation, errorC/step.deviation
		a, b, c = a.next(one, two, step, errorA), b.next(one, two, step, errorB), c.next(one, two, step, errorC)
	}
}
