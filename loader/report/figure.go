package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"leaklab/loader/verdict"
)

const mebibyte = 1 << 20

// mostBars is how many iterations a figure can show side by side; of more, every so many are shown.
const mostBars = 200

// figure is what the pictures show, in seconds since the run started and in MiB. It knows no colours and no pixels.
type figure struct {
	title string
	every int // of so many iterations one is shown
	bars  []bar
	line  []position // resident memory over time
	ends  []position // the end readings
	fit   []fitted   // the growth that was judged; empty if none was

	baseline bool       // whether there is one
	other    []position // its resident memory over time
	loads    []span     // when it was under load
	others   []position // its end readings
}

// span is a part of the time, in seconds.
type span struct{ from, to float64 }

// bar is an iteration.
type bar struct {
	iteration Iteration
	mebibytes float64 // at its end
	judged    bool    // false: before what is judged
	from, to  float64 // while its load ran
	baseline  float64 // MiB of the baseline at its end; 0 if there is none
}

type position struct{ x, y float64 }

// fitted is the line of the growth, and the lines of the ends of its interval, at the end of an iteration.
type fitted struct{ x, middle, low, high float64 }

// newFigure shows a run. course is resident memory over time, and other that of the baseline, if there is one.
func newFigure(run Run, course, other []Point) figure {
	f := figure{title: headline(run), every: 1 + (len(run.Iterations)-1)/mostBars}
	seconds := func(at time.Time) float64 { return at.Sub(run.StartedAt).Seconds() }
	over := func(points []Point) (line []position) {
		for _, p := range points {
			line = append(line, position{seconds(p.At), float64(p.Bytes) / mebibyte})
		}
		return line
	}
	f.line = over(course)
	if run.Baseline != nil {
		f.title, f.baseline, f.other = run.Baseline.Difference.headline(), true, over(other)
	}
	for n, i := range run.Iterations {
		from := seconds(i.StartedAt)
		b := bar{
			iteration: i, mebibytes: float64(i.RSSEndBytes) / mebibyte,
			judged: run.Verdict.judges(i), from: from, to: from + i.DurationSeconds,
		}
		if n%f.every != 0 {
			continue
		}
		if other, found := run.Baseline.of(i); found {
			from, end := seconds(other.StartedAt), float64(other.RSSEndBytes)/mebibyte
			b.baseline = end
			f.loads = append(f.loads, span{from, from + other.DurationSeconds})
			f.others = append(f.others, position{from + other.DurationSeconds + run.SettleSeconds, end})
		}
		f.bars = append(f.bars, b)
		f.ends = append(f.ends, position{b.to + run.SettleSeconds, b.mebibytes})
	}
	f.fit = fit(run, seconds)
	return f
}

// fit returns the line of the growth through the readings that are judged, beginning with the last of the warm-up.
func fit(run Run, seconds func(time.Time) float64) []fitted {
	v := run.Verdict
	if !v.Estimated {
		return nil
	}
	var points []position // requests, bytes
	var at []float64
	requests := 0.0
	for _, i := range run.Iterations {
		requests += float64(i.Requests)
		if i.Iteration >= v.JudgedFirst-1 && i.Iteration <= v.JudgedLast {
			points = append(points, position{requests, float64(i.RSSEndBytes)})
			at = append(at, seconds(i.StartedAt)+i.DurationSeconds+run.SettleSeconds)
		}
	}
	return fitThrough(points, at, v.GrowthBytesPerRequest, v.LowerBytesPerRequest, v.UpperBytesPerRequest)
}

// fitThrough returns the line of a growth, with its interval in bytes per request, through points of requests and bytes,
// which are drawn at the places at. The growth tells only how steep it is. It is drawn as high as the middle one of the
// points asks for, and the ends of the interval turn around its centre.
func fitThrough(points []position, at []float64, growth, lower, upper float64) []fitted {
	if len(points) < 2 {
		return nil
	}
	centre := (points[0].x + points[len(points)-1].x) / 2
	heights := make([]float64, len(points))
	for n, p := range points {
		heights[n] = p.y - growth*(p.x-centre)
	}
	height := median(heights)
	line := make([]fitted, len(points))
	for n, p := range points {
		from := p.x - centre
		one, other := height+lower*from, height+upper*from
		line[n] = fitted{
			x: at[n], middle: (height + growth*from) / mebibyte,
			low: min(one, other) / mebibyte, high: max(one, other) / mebibyte,
		}
	}
	return line
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// headline says the verdict in a few words: "leak, 178.5 bytes/request (176.3 to 180.0, 95%)".
func headline(run Run) string {
	v := run.Verdict
	switch {
	case !v.Estimated:
		return string(v.Kind)
	case v.Kind == verdict.NoLeak:
		return fmt.Sprintf("%s, less than %.1f bytes/request (%s)", v.Kind, v.UpperBytesPerRequest, percent(v.Confidence))
	default:
		return fmt.Sprintf("%s, %.1f bytes/request (%.1f to %.1f, %s)", v.Kind, v.GrowthBytesPerRequest,
			v.LowerBytesPerRequest, v.UpperBytesPerRequest, percent(v.Confidence))
	}
}

// progressOf says how many iterations there are, and why not all.
func progressOf(run Run) string {
	done := fmt.Sprintf("%d of %d iterations", len(run.Iterations), run.Tries)
	switch run.State {
	case Running:
		return done + " so far. If the run is not going on any more, it was killed."
	case EndedEarly:
		return done + "; then it ended early."
	default:
		return done + "."
	}
}

// axis is the range of an axis and where its ticks are.
type axis struct {
	low, high float64
	ticks     []float64
	digits    int // after the point
}

// mostTicks is more than any axis has.
const mostTicks = 50

// newAxis covers low to high with round ticks, about as many as asked for.
func newAxis(low, high float64, about int) axis {
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
	a := axis{low: low, high: high, digits: max(0, int(math.Ceil(-math.Log10(step)-1e-9)))}
	for n := math.Ceil(low/step - 1e-9); n*step <= high+step*1e-9 && len(a.ticks) < mostTicks; n++ {
		a.ticks = append(a.ticks, n*step)
	}
	return a
}

func (a axis) label(tick float64) string {
	text := strconv.FormatFloat(tick, 'f', a.digits, 64)
	if strings.Trim(text, "-0.") == "" {
		return strings.TrimPrefix(text, "-")
	}
	return text
}

// barAxis is that of memory for the bars, which begin at 0.
func (f figure) barAxis() axis {
	highest := 0.0
	for _, b := range f.bars {
		highest = max(highest, b.mebibytes, b.baseline)
	}
	return newAxis(0, highest*1.08, 5)
}

// axes are those of time and of memory over it.
func (f figure) axes() (seconds, mebibytes axis) {
	return axesAround(slices.Concat(f.line, f.ends, f.other, f.others), f.fit)
}

// axesAround returns axes that leave some room around all that is shown.
func axesAround(points []position, fits []fitted) (horizontal, mebibytes axis) {
	low, high, last := math.Inf(1), math.Inf(-1), 0.0
	include := func(x float64, ys ...float64) {
		last = max(last, x)
		low, high = min(low, slices.Min(ys)), max(high, slices.Max(ys))
	}
	for _, p := range points {
		include(p.x, p.y)
	}
	if math.IsInf(low, 1) {
		low, high = 0, 1
	}
	// An interval that is much wider than what was read is cut off.
	floor, ceiling := low-(high-low), high+(high-low)
	for _, p := range fits {
		include(p.x, max(p.low, floor), min(p.high, ceiling))
	}
	room := max(0.06*(high-low), 0.01*high, 0.01)
	return newAxis(0, last*1.02, 10), newAxis(max(0, low-room), high+room, 5)
}
