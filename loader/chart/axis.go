package chart

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// Axis is the range of an axis and where its ticks are.
type Axis struct {
	Low, High float64
	Ticks     []float64
	digits    int // after the point
}

// mostTicks is more than any axis has.
const mostTicks = 50

// newAxis covers low to high with round ticks, about as many as asked for.
func newAxis(low, high float64, about int) Axis {
	switch spread := high - low; {
	case math.IsInf(spread, 0) || math.IsNaN(spread):
		low, high = 0, 1
	case spread <= 1e-9*math.Abs(high): // no ticks could be told apart
		room := max(0.5, math.Abs(high)/2)
		low, high = low-room, low+room
	}
	unit := math.Pow(10, math.Floor(math.Log10((high-low)/float64(about))))
	step := unit
	for _, factor := range []float64{2, 5, 10} {
		if (high-low)/step > float64(about)*1.6 {
			step = unit * factor
		}
	}
	a := Axis{Low: low, High: high, digits: max(0, int(math.Ceil(-math.Log10(step)-1e-9)))}
	for n := math.Ceil(low/step - 1e-9); n*step <= high+step*1e-9 && len(a.Ticks) < mostTicks; n++ {
		a.Ticks = append(a.Ticks, n*step)
	}
	return a
}

// Label is the text at a tick.
func (a Axis) Label(tick float64) string {
	label := strconv.FormatFloat(tick, 'f', a.digits, 64)
	if strings.Trim(label, "-0.") == "" {
		return strings.TrimPrefix(label, "-")
	}
	return label
}

// AxesAround returns axes that leave some room around everything that is shown.
func AxesAround(points []Position, fits []Fitted) (horizontal, mebibytes Axis) {
	low, high, last := math.Inf(1), math.Inf(-1), 0.0
	include := func(x float64, ys ...float64) {
		last = max(last, x)
		low, high = min(low, slices.Min(ys)), max(high, slices.Max(ys))
	}
	for _, p := range points {
		include(p.X, p.Y)
	}
	if math.IsInf(low, 1) {
		low, high = 0, 1
	}
	// An interval that is much wider than what was read is cut off.
	floor, ceiling := low-(high-low), high+(high-low)
	for _, p := range fits {
		include(p.X, max(p.Low, floor), min(p.High, ceiling))
	}
	room := max(0.06*(high-low), 0.01*high, 0.01)
	return newAxis(0, last*1.02, 10), newAxis(max(0, low-room), high+room, 5)
}
