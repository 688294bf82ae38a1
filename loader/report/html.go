package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

//go:embed report.html.tmpl
var pageText string

var pageTemplate = template.Must(template.New("report.html").Funcs(template.FuncMap{
	"kibibytes":    func(bytes int64) int64 { return bytes / kibibyte },
	"leaked":       func(i Iteration) int64 { return i.RSSEndBytes/kibibyte - i.RSSStartBytes/kibibyte },
	"milliseconds": func(seconds float64) string { return fmt.Sprintf("%.2f", 1000*seconds) },
}).Parse(pageText))

// page is what the template shows.
type page struct {
	Run             Run
	Compared        string // empty without a baseline
	ChangeClass     string
	Headline, Class string
	Statements      []string
	Hidden          string
	Changed         []Setting
	Defaults        []Setting
	Surroundings    []Line
	Every           int
	Bars            chart
	Course          chart
	Left, Right     float64 // of the data, in both charts
	Labels, Middle  float64
	Width           float64
}

// chart is a drawing in units of its view box, which is 960 wide.
type chart struct {
	Height, Top, Bottom, Inner float64
	TickLabels, AxisLabel      float64
	Centre                     float64
	Horizontal, Vertical       []mark
	Rects, Others              []rect // of the server, of the baseline
	WarmUp, Judged             bool   // whether there are such bars
	Ends, OtherEnds            []spot
	Line, Other, Fit, Band     string // points of polylines
}

type mark struct {
	At    float64
	Label string
}

type rect struct {
	X, Y, Width, Height float64
	Judged              bool
	Title               string
}

type spot struct {
	X, Y  float64
	Title string
}

// The sides of both charts, and the room below them for ticks and the name of the axis.
const (
	chartLeft  = 70
	chartRight = 950
	chartTop   = 8
	chartBelow = 48
)

func newChart(height float64) chart {
	bottom := height - chartBelow
	return chart{
		Height: height, Top: chartTop, Bottom: bottom, Inner: bottom - chartTop,
		TickLabels: bottom + 21, AxisLabel: height - 6, Centre: (chartTop + bottom) / 2,
	}
}

// writeHTML writes report.html, a page by itself, without any script.
func writeHTML(out io.Writer, run Run, f figure) error {
	changed, defaults := split(run.Settings)
	compared, change := "", ""
	if run.Baseline != nil {
		compared, change = run.Baseline.Difference.headline(), strings.ReplaceAll(string(run.Baseline.Difference.Change), " ", "-")
	}
	var text strings.Builder
	err := pageTemplate.Execute(&text, page{
		Run: run, Compared: compared, ChangeClass: change, Headline: headline(run), Class: strings.ReplaceAll(string(run.Verdict.Kind), " ", "-"),
		Statements: statements(run), Hidden: strings.Join(hiddenNames(run), " and "),
		Changed: changed, Defaults: defaults, Surroundings: surroundings(run),
		Every: f.every, Bars: f.barChart(), Course: f.courseChart(),
		Left: chartLeft, Right: chartRight, Labels: chartLeft - 8, Middle: (chartLeft + chartRight) / 2, Width: chartRight - chartLeft,
	})
	if err != nil {
		return err
	}
	_, err = io.WriteString(out, Printable(text.String()))
	return err
}

// scale returns what places a value of the axis between from and to.
func (a axis) scale(from, to float64) func(float64) float64 {
	return func(value float64) float64 {
		return math.Round(100*(from+(value-a.low)/(a.high-a.low)*(to-from))) / 100
	}
}

func (a axis) marks(place func(float64) float64) []mark {
	var marks []mark
	for _, tick := range a.ticks {
		marks = append(marks, mark{place(tick), a.label(tick)})
	}
	return marks
}

func (f figure) barChart() chart {
	c := newChart(270)
	vertical := f.barAxis()
	y := vertical.scale(c.Bottom, c.Top)
	c.Horizontal = vertical.marks(y)
	slot := (chartRight - chartLeft) / max(float64(len(f.bars)), 4)
	step := 1 + (len(f.bars)-1)/30
	width := 0.76 * slot
	if f.baseline {
		width /= 2
	}
	for n, b := range f.bars {
		left := chartLeft + float64(n)*slot
		i := b.iteration
		if b.baseline > 0 {
			c.Others = append(c.Others, rect{
				X: round(left + 0.12*slot + width), Y: y(b.baseline), Width: round(width), Height: round(c.Bottom - y(b.baseline)),
				Title: fmt.Sprintf("iteration %d of the baseline: %.1f MiB at its end", i.Iteration, b.baseline),
			})
		}
		c.Rects = append(c.Rects, rect{
			X: round(left + 0.12*slot), Y: y(b.mebibytes), Width: round(width), Height: round(c.Bottom - y(b.mebibytes)), Judged: b.judged,
			Title: fmt.Sprintf("iteration %d: %.1f MiB at its end, %+d KiB; %d requests", i.Iteration, b.mebibytes, i.LeakedBytes()/kibibyte, i.Requests),
		})
		c.Judged, c.WarmUp = c.Judged || b.judged, c.WarmUp || !b.judged
		if n%step == 0 {
			c.Vertical = append(c.Vertical, mark{round(left + slot/2), strconv.Itoa(i.Iteration)})
		}
	}
	return c
}

func (f figure) courseChart() chart {
	c := newChart(330)
	horizontal, vertical := f.axes()
	x, y := horizontal.scale(chartLeft, chartRight), vertical.scale(c.Bottom, c.Top)
	c.Horizontal, c.Vertical = vertical.marks(y), horizontal.marks(x)
	for n, b := range f.bars {
		c.Rects = append(c.Rects, rect{
			X: x(b.from), Y: c.Top, Width: max(round(x(b.to)-x(b.from)), 0), Height: c.Inner,
			Title: fmt.Sprintf("load of iteration %d", b.iteration.Iteration),
		})
		c.Ends = append(c.Ends, spot{x(f.ends[n].x), y(f.ends[n].y), fmt.Sprintf("end of iteration %d: %.1f MiB", b.iteration.Iteration, b.mebibytes)})
	}
	for n, load := range f.loads {
		c.Others = append(c.Others, rect{X: x(load.from), Y: c.Top, Width: max(round(x(load.to)-x(load.from)), 0), Height: c.Inner, Title: "load of the baseline"})
		c.OtherEnds = append(c.OtherEnds, spot{x(f.others[n].x), y(f.others[n].y), fmt.Sprintf("baseline: %.1f MiB", f.others[n].y)})
	}
	var line, other, fit, above, below []string
	for _, p := range f.line {
		line = append(line, point(x(p.x), y(p.y)))
	}
	for _, p := range f.other {
		other = append(other, point(x(p.x), y(p.y)))
	}
	for _, p := range f.fit {
		fit = append(fit, point(x(p.x), y(p.middle)))
		above = append(above, point(x(p.x), y(p.high)))
		below = append(below, point(x(p.x), y(p.low)))
	}
	slices.Reverse(below) // the band goes on to the right above, and back below
	c.Line, c.Other, c.Fit, c.Band = strings.Join(line, " "), strings.Join(other, " "), strings.Join(fit, " "), strings.Join(append(above, below...), " ")
	return c
}

func round(value float64) float64 { return math.Round(100*value) / 100 }

func point(x, y float64) string {
	return strconv.FormatFloat(x, 'f', -1, 64) + "," + strconv.FormatFloat(y, 'f', -1, 64)
}
