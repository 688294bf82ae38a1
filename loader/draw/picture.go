package main

import (
	"errors"
	"fmt"
	"image/color"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"

	"leaklab/loader/chart"
	"leaklab/loader/record"
)

// The size of memory.svg and memory.png: 960 by 760 pixels, and 340 more for each course.
const (
	pictureWidth  = 10 * vg.Inch
	pictureHeight = 7.9 * vg.Inch
	courseHeight  = 3.5 * vg.Inch
	pictureDPI    = 96
)

// The colours of the pictures, on white.
var (
	colourJudged   = color.RGBA{R: 0x2a, G: 0x78, B: 0xd6, A: 0xff}
	colourWarmUp   = color.RGBA{R: 0xa9, G: 0xc7, B: 0xee, A: 0xff}
	colourLine     = color.RGBA{R: 0x4a, G: 0x4a, B: 0x48, A: 0xff}
	colourOther    = color.RGBA{R: 0x1f, G: 0x8a, B: 0x70, A: 0xff} // the baseline
	colourItsLoad  = color.RGBA{R: 0xdc, G: 0xef, B: 0xe9, A: 0xff}
	colourLoad     = color.RGBA{R: 0xe4, G: 0xe4, B: 0xde, A: 0xff}
	colourFit      = color.RGBA{R: 0xc8, G: 0x45, B: 0x1b, A: 0xff}
	colourInterval = color.NRGBA{R: 0xc8, G: 0x45, B: 0x1b, A: 0x38}
)

// colourOf is the colour of a part of what the server holds, by its class.
var colourOf = map[string]color.RGBA{
	"live": {R: 0x82, G: 0x50, B: 0xc8, A: 0xff}, "slack": {R: 0xc3, G: 0xc3, B: 0xbc, A: 0xff},
	"outside": {R: 0xa6, G: 0x7c, B: 0x52, A: 0xff}, "files": {R: 0x6e, G: 0x84, B: 0xa3, A: 0xff},
}

// drawRun draws memory.svg and memory.png of the folder of a run, from run.json and samples.csv.
func drawRun(folder string) error {
	f, err := readFigure(folder)
	if err != nil {
		return fmt.Errorf("cannot draw %s: %w", folder, err)
	}
	return errors.Join(
		record.Replace(folder, "memory.svg", func(out io.Writer) error { return writeSVG(out, f) }),
		record.Replace(folder, "memory.png", func(out io.Writer) error { return writePNG(out, f) }),
	)
}

func readFigure(folder string) (chart.Figure, error) {
	file, err := os.Open(filepath.Join(folder, "run.json"))
	if err != nil {
		return chart.Figure{}, err
	}
	defer file.Close()
	run, err := record.ReadRun(file)
	if err != nil {
		return chart.Figure{}, err
	}
	points, err := record.ReadSamples(folder, "samples.csv")
	if err != nil {
		return chart.Figure{}, err
	}
	var other []record.Point
	if run.Baseline != nil {
		other, err = record.ReadSamples(folder, "baseline-samples.csv")
	}
	return chart.New(run, points, other), err
}

// writeSVG draws memory.svg.
func writeSVG(out io.Writer, f chart.Figure) error {
	canvas := vgsvg.New(pictureWidth, heightOf(f))
	if err := drawFigure(draw.New(canvas), f); err != nil {
		return err
	}
	_, err := canvas.WriteTo(out)
	return err
}

// writePNG draws memory.png.
func writePNG(out io.Writer, f chart.Figure) error {
	canvas := vgimg.NewWith(vgimg.UseWH(pictureWidth, heightOf(f)), vgimg.UseDPI(pictureDPI))
	if err := drawFigure(draw.New(canvas), f); err != nil {
		return err
	}
	_, err := vgimg.PngCanvas{Canvas: canvas}.WriteTo(out)
	return err
}

// drawnCourse is a course that is drawn above the bars.
type drawnCourse struct {
	chart.Course
	name, class string
}

// coursesOf are those of which anything is known, live memory first.
func coursesOf(f chart.Figure) []drawnCourse {
	all := []drawnCourse{{f.Live, "live memory", "live"}, {f.Outside, "memory outside the heap", "outside"}}
	return slices.DeleteFunc(all, func(c drawnCourse) bool { return len(c.Ends) == 0 })
}

// heightOf is the height of the picture.
func heightOf(f chart.Figure) vg.Length {
	return pictureHeight + vg.Length(len(coursesOf(f)))*courseHeight
}

// drawFigure draws the courses above, the bars below them, and memory over time at the bottom.
func drawFigure(canvas draw.Canvas, f chart.Figure) error {
	canvas.SetColor(color.White)
	canvas.Fill(canvas.Rectangle.Path())
	const margin = vg.Length(12)
	rest := draw.Crop(canvas, margin, -margin, margin, -margin)
	var plots []*plot.Plot
	var parts []draw.Canvas
	title := "leaklab: " + f.Title // of the topmost
	for _, c := range coursesOf(f) {
		p, err := coursePlot(f, c, title)
		if err != nil {
			return err
		}
		plots, parts = append(plots, p), append(parts, draw.Crop(rest, 0, 0, rest.Size().Y-courseHeight+margin, 0))
		rest, title = draw.Crop(rest, 0, 0, 0, -courseHeight), ""
	}
	bars, err := barPlot(f, title)
	if err != nil {
		return err
	}
	series, err := seriesPlot(f)
	if err != nil {
		return err
	}
	middle := rest.Size().Y * 0.56
	drawAligned(append(plots, bars, series), append(parts,
		draw.Crop(rest, 0, 0, middle+margin, 0),
		draw.Crop(rest, 0, 0, 0, middle-rest.Size().Y),
	))
	return nil
}

// drawAligned draws each plot in its part of the picture, with their axes of memory in one line.
func drawAligned(plots []*plot.Plot, parts []draw.Canvas) {
	room := make([]vg.Length, len(plots)) // left of the axis
	for n, p := range plots {
		room[n] = p.DataCanvas(parts[n]).Min.X - parts[n].Min.X
	}
	for n, p := range plots {
		p.Draw(draw.Crop(parts[n], slices.Max(room)-room[n], 0, 0, 0))
	}
}

func newPlot(title, x, y string) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	p.Title.TextStyle.Font.Size = vg.Points(13)
	p.Title.Padding = vg.Points(8)
	p.Legend.Top = true
	p.Legend.Left = true
	p.Legend.Padding = vg.Points(3)
	p.Legend.XOffs = vg.Points(8)
	p.Legend.TextStyle.Font.Size = vg.Points(10)
	p.Title.TextStyle.Font.Variant, p.Legend.TextStyle.Font.Variant = "Sans", "Sans"
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Label.TextStyle.Font.Variant, a.Tick.Label.Font.Variant = "Sans", "Sans"
		a.Label.TextStyle.Font.Size = vg.Points(11)
		a.Label.Padding = vg.Points(4)
		a.Tick.Label.Font.Size = vg.Points(10)
		a.Padding = 0
	}
	return p
}

// setAxis gives a plot's axis the range and the ticks of a.
func setAxis(to *plot.Axis, a chart.Axis) {
	to.Min, to.Max = a.Low, a.High
	var ticks []plot.Tick
	for _, value := range a.Ticks {
		ticks = append(ticks, plot.Tick{Value: value, Label: a.Label(value)})
	}
	to.Tick.Marker = plot.ConstantTicks(ticks)
}

// barPlot is a bar for each iteration, up to its end reading; or of what the server holds, where it is known.
func barPlot(f chart.Figure, title string) (*plot.Plot, error) {
	label := "iteration; memory at its end"
	if f.Every > 1 {
		label += "; one of " + strconv.Itoa(f.Every) + " is shown"
	}
	b := bars{Plot: newPlot(title, label, "resident memory, MiB"), kinds: make(map[string]*plotter.Polygon)}
	var ticks []plot.Tick
	step := 1 + (len(f.Bars)-1)/30
	for n, bar := range f.Bars {
		if err := b.add(float64(n), bar, f.Baseline); err != nil {
			return nil, err
		}
		if n%step == 0 {
			ticks = append(ticks, plot.Tick{Value: float64(n), Label: strconv.Itoa(bar.Iteration.Iteration)})
		}
	}
	vertical := f.BarAxis()
	vertical.High *= 1.15 // room for the legend
	order := []string{"not judged (warm-up)", "judged", "baseline"}
	for n, part := range slices.Backward(chart.Parts{}.Named()) { // as they are stacked
		order = append(order, part.Name)
		if n == 0 && b.kinds[part.Name] != nil {
			vertical.High *= 1.2
			b.Y.Label.Text = "held memory, MiB"
		}
	}
	setAxis(&b.Y, vertical)
	b.X.Min, b.X.Max = -0.6, max(float64(len(f.Bars)), 4)-0.4
	b.X.Tick.Marker = plot.ConstantTicks(ticks)
	b.X.Tick.Length = 0
	for _, name := range order {
		if polygon := b.kinds[name]; polygon != nil {
			b.Legend.Add(name, polygon)
		}
	}
	return b.Plot, nil
}

// bars is a plot of bars.
type bars struct {
	*plot.Plot
	kinds map[string]*plotter.Polygon // one of each, by name
}

// add adds the bar of an iteration around x, in its left half if there is a baseline.
func (b *bars) add(x float64, bar chart.Bar, baseline bool) error {
	const half = 0.38
	right := x + half
	if baseline {
		right = x
	}
	if bar.Baseline > 0 {
		if err := b.rectangle("baseline", colourOther, x, x+half, 0, bar.Baseline); err != nil {
			return err
		}
	}
	switch {
	case bar.Parts != nil:
		below := 0.0
		for _, part := range bar.Parts.Named() {
			if err := b.rectangle(part.Name, colourOf[part.Class], x-half, right, below, below+part.MiB); err != nil {
				return err
			}
			below += part.MiB
		}
		return nil
	case bar.Judged:
		return b.rectangle("judged", colourJudged, x-half, right, 0, bar.MiB)
	default:
		return b.rectangle("not judged (warm-up)", colourWarmUp, x-half, right, 0, bar.MiB)
	}
}

func (b *bars) rectangle(name string, colour color.RGBA, left, right, low, high float64) error {
	polygon, err := rectangle(left, right, low, high)
	if err != nil {
		return err
	}
	polygon.Color = colour
	b.kinds[name] = polygon
	b.Add(polygon)
	return nil
}

func rectangle(left, right, low, high float64) (*plotter.Polygon, error) {
	polygon, err := plotter.NewPolygon(plotter.XYs{{X: left, Y: low}, {X: right, Y: low}, {X: right, Y: high}, {X: left, Y: high}})
	if err == nil {
		polygon.LineStyle.Width = 0
	}
	return polygon, err
}

// strokeLength is how many points are drawn at once: the time that a line takes goes with the square of its length.
const strokeLength = 20

// seriesPlot is resident memory over time, with the load of the iterations shaded, and with the fitted growth.
func seriesPlot(f chart.Figure) (*plot.Plot, error) {
	p := newPlot("", "seconds since the run began", "resident memory, MiB")
	horizontal, vertical := f.Axes()
	ceiling := vertical.High
	legend := 0.35
	if f.Baseline {
		legend = 0.5
	}
	vertical.High += legend * (vertical.High - vertical.Low) // room for it
	setAxis(&p.X, horizontal)
	setAxis(&p.Y, vertical)

	if err := addLoads(p, f, vertical.Low, ceiling); err != nil {
		return nil, err
	}
	for n, load := range f.Loads {
		shade, err := rectangle(load.From, load.To, vertical.Low, ceiling)
		if err != nil {
			return nil, err
		}
		shade.Color = colourItsLoad
		p.Add(shade)
		if n == 0 {
			p.Legend.Add("load of the baseline", shade)
		}
	}
	for _, curve := range []struct {
		name   string
		points []chart.Position
		colour color.Color
	}{{"baseline", f.Other, colourOther}, {"resident memory", f.Line, colourLine}} {
		for from := 0; from+1 < len(curve.points); from += strokeLength {
			line, err := plotter.NewLine(xys(curve.points[from:min(from+strokeLength+1, len(curve.points))]))
			if err != nil {
				return nil, err
			}
			line.Color, line.Width = curve.colour, vg.Points(1)
			p.Add(line)
			if from == 0 {
				p.Legend.Add(curve.name, line)
			}
		}
	}
	if len(f.Others) > 0 {
		ends, err := plotter.NewScatter(xys(f.Others))
		if err != nil {
			return nil, err
		}
		ends.Color, ends.Radius, ends.Shape = colourOther, vg.Points(2.5), draw.CircleGlyph{}
		p.Add(ends)
	}
	if len(f.Ends) > 0 {
		ends, err := plotter.NewScatter(xys(f.Ends))
		if err != nil {
			return nil, err
		}
		ends.Color, ends.Radius, ends.Shape = colourJudged, vg.Points(2.5), draw.CircleGlyph{}
		p.Add(ends)
		p.Legend.Add("end reading", ends)
	}
	return p, addFit(p, f.Fit, vertical)
}

// coursePlot is what was read of a part at the end of each iteration, with the load shaded, and with the fitted growth.
func coursePlot(f chart.Figure, c drawnCourse, title string) (*plot.Plot, error) {
	p := newPlot(title, "seconds since the run began", c.name+", MiB")
	horizontal, vertical := f.AxesOf(c.Course)
	ceiling := vertical.High
	vertical.High += 0.4 * (vertical.High - vertical.Low) // room for the legend
	setAxis(&p.X, horizontal)
	setAxis(&p.Y, vertical)
	if err := addLoads(p, f, vertical.Low, ceiling); err != nil {
		return nil, err
	}
	line, ends, err := plotter.NewLinePoints(xys(c.Ends))
	if err != nil {
		return nil, err
	}
	line.Color, line.Width = colourOf[c.class], vg.Points(1)
	ends.Color, ends.Radius, ends.Shape = colourOf[c.class], vg.Points(2.5), draw.CircleGlyph{}
	p.Add(line, ends)
	p.Legend.Add(c.name, line, ends)
	return p, addFit(p, c.Fit, vertical)
}

// addLoads shades the load of the iterations.
func addLoads(p *plot.Plot, f chart.Figure, low, high float64) error {
	for n, b := range f.Bars {
		shade, err := rectangle(b.From, b.To, low, high)
		if err != nil {
			return err
		}
		shade.Color = colourLoad
		p.Add(shade)
		if n == 0 {
			p.Legend.Add("load", shade)
		}
	}
	return nil
}

// addFit adds the fitted growth and its interval.
func addFit(p *plot.Plot, fit []chart.Fitted, vertical chart.Axis) error {
	if len(fit) == 0 {
		return nil
	}
	within := func(y float64) float64 { return min(max(y, vertical.Low), vertical.High) }
	var middle, band plotter.XYs
	for _, point := range fit {
		middle = append(middle, plotter.XY{X: point.X, Y: within(point.Middle)})
		band = append(band, plotter.XY{X: point.X, Y: within(point.High)})
	}
	for n := len(fit) - 1; n >= 0; n-- {
		band = append(band, plotter.XY{X: fit[n].X, Y: within(fit[n].Low)})
	}
	interval, err := plotter.NewPolygon(band)
	if err != nil {
		return err
	}
	interval.Color, interval.LineStyle.Width = colourInterval, 0
	line, err := plotter.NewLine(middle)
	if err != nil {
		return err
	}
	line.Color, line.Width = colourFit, vg.Points(1.5)
	p.Add(interval, line)
	p.Legend.Add("fitted growth", line)
	p.Legend.Add("its interval", interval)
	return nil
}

func xys(positions []chart.Position) plotter.XYs {
	points := make(plotter.XYs, len(positions))
	for n, p := range positions {
		points[n] = plotter.XY{X: p.X, Y: p.Y}
	}
	return points
}
