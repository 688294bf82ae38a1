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

// The size of memory.svg and memory.png: 960 by 760 pixels.
const (
	pictureWidth  = 10 * vg.Inch
	pictureHeight = 7.9 * vg.Inch
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
	canvas := vgsvg.New(pictureWidth, pictureHeight)
	if err := drawFigure(draw.New(canvas), f); err != nil {
		return err
	}
	_, err := canvas.WriteTo(out)
	return err
}

// writePNG draws memory.png.
func writePNG(out io.Writer, f chart.Figure) error {
	canvas := vgimg.NewWith(vgimg.UseWH(pictureWidth, pictureHeight), vgimg.UseDPI(pictureDPI))
	if err := drawFigure(draw.New(canvas), f); err != nil {
		return err
	}
	_, err := vgimg.PngCanvas{Canvas: canvas}.WriteTo(out)
	return err
}

// draw draws the bars above, and memory over time below.
func drawFigure(canvas draw.Canvas, f chart.Figure) error {
	canvas.SetColor(color.White)
	canvas.Fill(canvas.Rectangle.Path())
	bars, err := barPlot(f)
	if err != nil {
		return err
	}
	series, err := seriesPlot(f)
	if err != nil {
		return err
	}
	const margin = vg.Length(12)
	padded := draw.Crop(canvas, margin, -margin, margin, -margin)
	middle := padded.Size().Y * 0.56
	drawAligned([]*plot.Plot{bars, series}, []draw.Canvas{
		draw.Crop(padded, 0, 0, middle+margin, 0),
		draw.Crop(padded, 0, 0, 0, middle-padded.Size().Y),
	})
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

// barPlot is a bar for each iteration, up to its end reading.
func barPlot(f chart.Figure) (*plot.Plot, error) {
	label := "iteration; memory at its end"
	if f.Every > 1 {
		label += "; one of " + strconv.Itoa(f.Every) + " is shown"
	}
	p := newPlot("leaklab: "+f.Title, label, "resident memory, MiB")
	var warmUp, judged, other *plotter.Polygon
	var ticks []plot.Tick
	step := 1 + (len(f.Bars)-1)/30
	for n, b := range f.Bars {
		const half = 0.38
		x := float64(n)
		right := x + half
		if f.Baseline {
			right = x
		}
		bar, err := rectangle(x-half, right, 0, b.MiB)
		if err != nil {
			return nil, err
		}
		if b.Baseline > 0 {
			if other, err = rectangle(x, x+half, 0, b.Baseline); err != nil {
				return nil, err
			}
			other.Color = colourOther
			p.Add(other)
		}
		if b.Judged {
			bar.Color, judged = colourJudged, bar
		} else {
			bar.Color, warmUp = colourWarmUp, bar
		}
		p.Add(bar)
		if n%step == 0 {
			ticks = append(ticks, plot.Tick{Value: x, Label: strconv.Itoa(b.Iteration.Iteration)})
		}
	}
	vertical := f.BarAxis()
	vertical.High *= 1.15 // room for the legend
	setAxis(&p.Y, vertical)
	p.X.Min, p.X.Max = -0.6, max(float64(len(f.Bars)), 4)-0.4
	p.X.Tick.Marker = plot.ConstantTicks(ticks)
	p.X.Tick.Length = 0
	if warmUp != nil {
		p.Legend.Add("not judged (warm-up)", warmUp)
	}
	if judged != nil {
		p.Legend.Add("judged", judged)
	}
	if other != nil {
		p.Legend.Add("baseline", other)
	}
	return p, nil
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

	for n, b := range f.Bars {
		shade, err := rectangle(b.From, b.To, vertical.Low, ceiling)
		if err != nil {
			return nil, err
		}
		shade.Color = colourLoad
		p.Add(shade)
		if n == 0 {
			p.Legend.Add("load", shade)
		}
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
	return p, addFit(p, f, vertical)
}

// addFit adds the fitted growth and its interval.
func addFit(p *plot.Plot, f chart.Figure, vertical chart.Axis) error {
	if len(f.Fit) == 0 {
		return nil
	}
	within := func(y float64) float64 { return min(max(y, vertical.Low), vertical.High) }
	var middle, band plotter.XYs
	for _, point := range f.Fit {
		middle = append(middle, plotter.XY{X: point.X, Y: within(point.Middle)})
		band = append(band, plotter.XY{X: point.X, Y: within(point.High)})
	}
	for n := len(f.Fit) - 1; n >= 0; n-- {
		band = append(band, plotter.XY{X: f.Fit[n].X, Y: within(f.Fit[n].Low)})
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
