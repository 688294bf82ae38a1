// Package chart is the geometry of the charts of a run: what is shown, and where, in seconds, requests and MiB. It knows
// no colours and no pixels. Package report and command draw draw it.
package chart

import (
	"slices"
	"time"

	"leaklab/loader/record"
	"leaklab/loader/text"
	"leaklab/loader/verdict"
)

// mostBars is how many iterations a figure can show side by side; of more, one in a few is shown.
const mostBars = 200

// Figure is what the charts of a run show, in seconds since the run started and in MiB.
type Figure struct {
	Title string
	Every int // one iteration in Every is shown
	Bars  []Bar
	Line  []Position // resident memory over time
	Ends  []Position // the end readings, one for each bar
	Fit   []Fitted   // the growth of held memory; empty if it is not estimated

	Live    Course // live memory
	Outside Course // memory outside the heap, if the verdict rests on it

	Baseline bool       // whether there is one
	Other    []Position // its resident memory over time
	Loads    []Span     // when it was under load
	Others   []Position // its end readings, one for each of Loads
}

// Course is what was read of a kind of memory at the end of each iteration that is shown, where it is known.
type Course struct {
	Bars []Bar // of the iterations
	Ends []Position
	Fit  []Fitted // its growth; empty if it is not estimated
}

// Parts are what held memory consists of, in MiB.
type Parts struct{ Live, Slack, Outside, Files float64 }

// NamedPart is a part with its name and a word for its class.
type NamedPart struct {
	Name, Class string
	MiB         float64
}

// Named are the parts as a bar shows them, from the bottom.
func (p Parts) Named() []NamedPart {
	return []NamedPart{
		{string(verdict.Live), "live", p.Live}, {string(verdict.Slack), "slack", p.Slack},
		{string(verdict.Outside), "outside", p.Outside}, {"files and shared memory", "files", p.Files},
	}
}

func (p Parts) sum() float64 { return p.Live + p.Slack + p.Outside + p.Files }

// Span is a part of the time, in seconds.
type Span struct{ From, To float64 }

// Bar is an iteration.
type Bar struct {
	Iteration record.Iteration
	MiB       float64 // resident at its end
	Parts     *Parts  // nil if live memory is not known
	Judged    bool    // false: before what is judged
	From, To  float64 // while its load ran
	Baseline  float64 // MiB of the baseline at its end; 0 if there is none
}

// Position is a point of a chart: seconds or requests, and MiB.
type Position struct{ X, Y float64 }

// Fitted is the line of the growth, and the lines of the ends of its interval, at the end of an iteration.
type Fitted struct{ X, Middle, Low, High float64 }

// New returns the figure of a run. series is resident memory over time, and other that of the baseline, if there is one.
func New(run record.Run, series, other []record.Point) Figure {
	f := Figure{Title: run.Verdict.Headline(), Every: 1 + (len(run.Iterations)-1)/mostBars}
	seconds := func(at time.Time) float64 { return at.Sub(run.StartedAt).Seconds() }
	over := func(points []record.Point) (line []Position) {
		for _, p := range points {
			line = append(line, Position{seconds(p.At), float64(p.Bytes) / text.Mebibyte})
		}
		return line
	}
	f.Line = over(series)
	if run.Baseline != nil {
		f.Title, f.Baseline, f.Other = run.Baseline.Difference.Headline(), true, over(other)
	}
	for n, i := range run.Iterations {
		if n%f.Every != 0 {
			continue
		}
		from := seconds(i.StartedAt)
		b := Bar{
			Iteration: i, MiB: float64(i.RSSEndBytes) / text.Mebibyte, Parts: partsOf(i),
			Judged: run.Verdict.Judges(i), From: from, To: from + i.DurationSeconds,
		}
		if other, found := run.Baseline.Of(i); found {
			from, end := seconds(other.StartedAt), float64(other.RSSEndBytes)/text.Mebibyte
			b.Baseline = end
			f.Loads = append(f.Loads, Span{from, from + other.DurationSeconds})
			f.Others = append(f.Others, Position{from + other.DurationSeconds + run.SettleSeconds, end})
		}
		f.Bars = append(f.Bars, b)
		f.Ends = append(f.Ends, Position{b.To + run.SettleSeconds, b.MiB})
	}
	f.Fit = fit(run, verdict.Held, seconds)
	f.Live = f.course(run, verdict.Live, seconds)
	if run.Verdict.RestsOn() == verdict.Outside {
		f.Outside = f.course(run, verdict.Outside, seconds)
	}
	return f
}

// course returns the readings of a part, at the times of the end readings.
func (f Figure) course(run record.Run, part verdict.Part, seconds func(time.Time) float64) (c Course) {
	for n, b := range f.Bars {
		if bytes, known := b.Iteration.EndBytes(part); known {
			c.Bars = append(c.Bars, b)
			c.Ends = append(c.Ends, Position{f.Ends[n].X, float64(bytes) / text.Mebibyte})
		}
	}
	if len(c.Ends) > 0 {
		c.Fit = fit(run, part, seconds)
	}
	return c
}

// partsOf is nil unless live memory and what is outside the heap are known.
func partsOf(i record.Iteration) *Parts {
	evidence := i.Evidence()
	mebibytes := func(part verdict.Part) float64 {
		bytes, _ := evidence.EndOf(part)
		return bytes / text.Mebibyte
	}
	if _, known := evidence.EndOf(verdict.Slack); !known {
		return nil
	}
	p := Parts{Live: mebibytes(verdict.Live), Slack: mebibytes(verdict.Slack), Outside: mebibytes(verdict.Outside)}
	p.Files = max(0, mebibytes(verdict.Held)-p.sum())
	return &p
}

// fit returns the line of the growth of a part through the readings that are judged, beginning with the last of the
// warm-up. It is empty if one of them is not known.
func fit(run record.Run, part verdict.Part, seconds func(time.Time) float64) []Fitted {
	growth, known := run.Verdict.GrowthOf(part)
	if !known {
		return nil
	}
	var points []reading
	var at []float64
	requests := 0.0
	for _, i := range run.Iterations {
		requests += float64(i.Requests)
		if i.Iteration >= growth.JudgedFirst-1 && i.Iteration <= growth.JudgedLast {
			bytes, known := i.EndBytes(part)
			if !known {
				return nil
			}
			points = append(points, reading{requests, float64(bytes)})
			at = append(at, seconds(i.StartedAt)+i.DurationSeconds+run.SettleSeconds)
		}
	}
	return fitThrough(points, at, growth.GrowthBytesPerRequest, growth.LowerBytesPerRequest, growth.UpperBytesPerRequest)
}

// reading is an end reading after a number of requests.
type reading struct{ requests, bytes float64 }

// fitThrough returns the line of a growth, with its interval in bytes per request, through readings that are drawn at
// the places at. The growth only determines the slope. The line is as high as the median reading requires, and the ends
// of the interval turn around its centre.
func fitThrough(readings []reading, at []float64, growth, lower, upper float64) []Fitted {
	if len(readings) < 2 {
		return nil
	}
	centre := (readings[0].requests + readings[len(readings)-1].requests) / 2
	heights := make([]float64, len(readings))
	for n, r := range readings {
		heights[n] = r.bytes - growth*(r.requests-centre)
	}
	height := median(heights)
	line := make([]Fitted, len(readings))
	for n, r := range readings {
		from := r.requests - centre
		one, other := height+lower*from, height+upper*from
		line[n] = Fitted{
			X: at[n], Middle: (height + growth*from) / text.Mebibyte,
			Low: min(one, other) / text.Mebibyte, High: max(one, other) / text.Mebibyte,
		}
	}
	return line
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// BarAxis is the axis of memory for the bars, which begin at 0.
func (f Figure) BarAxis() Axis {
	highest := 0.0
	for _, b := range f.Bars {
		highest = max(highest, b.MiB, b.Baseline)
		if b.Parts != nil {
			highest = max(highest, b.Parts.sum())
		}
	}
	return newAxis(0, highest*1.08, 5)
}

// Axes are the axes of time, in seconds, and of memory over it.
func (f Figure) Axes() (seconds, mebibytes Axis) {
	return AxesAround(slices.Concat(f.Line, f.Ends, f.Other, f.Others), f.Fit)
}

// AxesOf are the axes of time, in seconds, which is that of Axes, and of memory for a course.
func (f Figure) AxesOf(c Course) (seconds, mebibytes Axis) {
	seconds, _ = f.Axes()
	_, mebibytes = AxesAround(c.Ends, c.Fit)
	return seconds, mebibytes
}
