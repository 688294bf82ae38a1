package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"leaklab/loader/chart"
	"leaklab/loader/text"
)

// drawing is a chart in units of its view box, which is 960 wide.
type drawing struct {
	ID, Kind, About            string // id of the element, class of its curve, and what it shows
	Height, Top, Bottom, Inner float64
	TickLabels, AxisLabel      float64
	Centre                     float64
	Horizontal, Vertical       []mark
	Rects, Others              []rect // of the server, of the baseline
	WarmUp, Judged, Split      bool   // whether there are such bars
	Ends, OtherEnds            []spot
	Line, Other, Fit, Band     string // points of polylines
}

type mark struct {
	At    float64
	Label string
}

type rect struct {
	X, Y, Width, Height float64
	Class               string
	Title               string
}

type spot struct {
	X, Y  float64
	Title string
}

// The sides of both drawings, and the room below them for ticks and the name of the axis.
const (
	chartLeft  = 70
	chartRight = 950
	chartTop   = 8
	chartBelow = 48
)

// Where all drawings have the data, the labels of their ticks, and the name of the axis below.
func (drawing) Left() float64   { return chartLeft }
func (drawing) Right() float64  { return chartRight }
func (drawing) Width() float64  { return chartRight - chartLeft }
func (drawing) Labels() float64 { return chartLeft - 8 }
func (drawing) Middle() float64 { return (chartLeft + chartRight) / 2 }

func newDrawing(height float64) drawing {
	bottom := height - chartBelow
	return drawing{
		Height: height, Top: chartTop, Bottom: bottom, Inner: bottom - chartTop,
		TickLabels: bottom + 21, AxisLabel: height - 6, Centre: (chartTop + bottom) / 2,
	}
}

// scale returns what places a value of an axis between from and to.
func scale(a chart.Axis, from, to float64) func(float64) float64 {
	return func(value float64) float64 {
		return math.Round(100*(from+(value-a.Low)/(a.High-a.Low)*(to-from))) / 100
	}
}

func marks(a chart.Axis, place func(float64) float64) []mark {
	var all []mark
	for _, tick := range a.Ticks {
		all = append(all, mark{place(tick), a.Label(tick)})
	}
	return all
}

// barDrawing is a bar for each iteration, up to its end reading; or of what held memory consists of, where it is known.
func barDrawing(f chart.Figure) drawing {
	d := newDrawing(270)
	vertical := f.BarAxis()
	y := scale(vertical, d.Bottom, d.Top)
	d.Horizontal = marks(vertical, y)
	slot := (chartRight - chartLeft) / max(float64(len(f.Bars)), 4)
	step := 1 + (len(f.Bars)-1)/30
	width := 0.76 * slot
	if f.Baseline {
		width /= 2
	}
	for n, b := range f.Bars {
		left := chartLeft + float64(n)*slot
		i := b.Iteration
		if b.Baseline > 0 {
			d.Others = append(d.Others, rect{
				X: round(left + 0.12*slot + width), Y: y(b.Baseline), Width: round(width), Height: round(d.Bottom - y(b.Baseline)),
				Title: fmt.Sprintf("iteration %d of the baseline: %.1f MiB at its end", i.Iteration, b.Baseline),
			})
		}
		if b.Parts != nil {
			d.Split = true
			d.Rects = append(d.Rects, stack(b, y, round(left+0.12*slot), round(width))...)
		} else {
			class := "bar"
			if b.Judged {
				class += " judged"
			}
			d.Rects = append(d.Rects, rect{
				X: round(left + 0.12*slot), Y: y(b.MiB), Width: round(width), Height: round(d.Bottom - y(b.MiB)), Class: class,
				Title: fmt.Sprintf("iteration %d: %.1f MiB at its end, %+d KiB; %d requests", i.Iteration, b.MiB, i.LeakedBytes()/text.Kibibyte, i.Requests),
			})
			d.Judged, d.WarmUp = d.Judged || b.Judged, d.WarmUp || !b.Judged
		}
		if n%step == 0 {
			d.Vertical = append(d.Vertical, mark{round(left + slot/2), strconv.Itoa(i.Iteration)})
		}
	}
	return d
}

// stack is a bar of the parts of held memory, live memory at the bottom.
func stack(b chart.Bar, y func(float64) float64, x, width float64) []rect {
	var all []rect
	below := 0.0
	for _, part := range b.Parts.Named() {
		low, high := y(below), y(below+part.MiB)
		all = append(all, rect{
			X: x, Y: high, Width: width, Height: round(low - high), Class: "bar " + part.Class,
			Title: fmt.Sprintf("iteration %d: %s %.3f MiB at its end; %d requests", b.Iteration.Iteration, part.Name, part.MiB, b.Iteration.Requests),
		})
		below += part.MiB
	}
	return all
}

// courseDrawing is what was read of a part at the end of each iteration, with the load shaded, and with the fitted growth.
func courseDrawing(f chart.Figure, c chart.Course, id, about string) drawing {
	d := newDrawing(330)
	d.ID, d.Kind, d.About = id, id, about
	horizontal, vertical := f.AxesOf(c)
	x, y := scale(horizontal, chartLeft, chartRight), scale(vertical, d.Bottom, d.Top)
	d.Horizontal, d.Vertical = marks(vertical, y), marks(horizontal, x)
	d.Rects = loads(f, d, x)
	var line []string
	for n, p := range c.Ends {
		d.Ends = append(d.Ends, spot{x(p.X), y(p.Y), fmt.Sprintf("iteration %d: %.3f MiB", c.Bars[n].Iteration.Iteration, p.Y)})
		line = append(line, point(x(p.X), y(p.Y)))
	}
	d.Line = strings.Join(line, " ")
	d.fit(c.Fit, x, y)
	return d
}

// loads shades the load of the iterations.
func loads(f chart.Figure, d drawing, x func(float64) float64) (all []rect) {
	for _, b := range f.Bars {
		all = append(all, rect{
			X: x(b.From), Y: d.Top, Width: max(round(x(b.To)-x(b.From)), 0), Height: d.Inner, Class: "load",
			Title: fmt.Sprintf("load of iteration %d", b.Iteration.Iteration),
		})
	}
	return all
}

// seriesDrawing is resident memory over time, with the load shaded, and with the fitted growth.
func seriesDrawing(f chart.Figure) drawing {
	d := newDrawing(330)
	d.ID, d.About = "course", "Resident memory over time"
	horizontal, vertical := f.Axes()
	x, y := scale(horizontal, chartLeft, chartRight), scale(vertical, d.Bottom, d.Top)
	d.Horizontal, d.Vertical = marks(vertical, y), marks(horizontal, x)
	d.Rects = loads(f, d, x)
	for n, b := range f.Bars {
		d.Ends = append(d.Ends, spot{x(f.Ends[n].X), y(f.Ends[n].Y), fmt.Sprintf("end of iteration %d: %.1f MiB", b.Iteration.Iteration, b.MiB)})
	}
	for n, load := range f.Loads {
		d.Others = append(d.Others, rect{X: x(load.From), Y: d.Top, Width: max(round(x(load.To)-x(load.From)), 0), Height: d.Inner, Title: "load of the baseline"})
		d.OtherEnds = append(d.OtherEnds, spot{x(f.Others[n].X), y(f.Others[n].Y), fmt.Sprintf("baseline: %.1f MiB", f.Others[n].Y)})
	}
	var line, other []string
	for _, p := range f.Line {
		line = append(line, point(x(p.X), y(p.Y)))
	}
	for _, p := range f.Other {
		other = append(other, point(x(p.X), y(p.Y)))
	}
	d.Line, d.Other = strings.Join(line, " "), strings.Join(other, " ")
	d.fit(f.Fit, x, y)
	return d
}

// fit draws the line of a growth and its interval.
func (d *drawing) fit(line []chart.Fitted, x, y func(float64) float64) {
	var fit, above, below []string
	for _, p := range line {
		fit = append(fit, point(x(p.X), y(p.Middle)))
		above = append(above, point(x(p.X), y(p.High)))
		below = append(below, point(x(p.X), y(p.Low)))
	}
	slices.Reverse(below) // the band goes on to the right above, and back below
	d.Fit, d.Band = strings.Join(fit, " "), strings.Join(append(above, below...), " ")
}

func round(value float64) float64 { return math.Round(100*value) / 100 }

func point(x, y float64) string {
	return strconv.FormatFloat(x, 'f', -1, 64) + "," + strconv.FormatFloat(y, 'f', -1, 64)
}
