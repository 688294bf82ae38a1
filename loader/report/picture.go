//go:build pictures

package report

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

// Draw draws memory.svg and memory.png of the folder of a run, from run.json and samples.csv. Fonts and pixels take
// more memory than all the rest of the loader.
func Draw(folder string) error {
	f, err := readFigure(folder)
	if err != nil {
		return fmt.Errorf("cannot draw %s: %w", folder, err)
	}
	return errors.Join(
		replace(folder, "memory.svg", func(out io.Writer) error { return writeSVG(out, f) }),
		replace(folder, "memory.png", func(out io.Writer) error { return writePNG(out, f) }),
	)
}

func readFigure(folder string) (figure, error) {
	file, err := os.Open(filepath.Join(folder, "run.json"))
	if err != nil {
		return figure{}, err
	}
	defer file.Close()
	run, err := ReadRun(file)
	if err != nil {
		return figure{}, err
	}
	points, err := courseIn(folder, "samples.csv")
	if err != nil {
		return figure{}, err
	}
	var other []Point
	if run.Baseline != nil {
		other, err = courseIn(folder, "baseline-samples.csv")
	}
	return newFigure(run, points, other), err
}

func courseIn(folder, name string) ([]Point, error) {
	samples, err := os.Open(filepath.Join(folder, name))
	if err != nil {
		return nil, err
	}
	defer samples.Close()
	return readSamples(samples, name)
}

// writeSVG draws memory.svg.
func writeSVG(out io.Writer, f figure) error {
	canvas := vgsvg.New(pictureWidth, pictureHeight)
	if err := f.draw(draw.New(canvas)); err != nil {
		return err
	}
	_, err := canvas.WriteTo(out)
	return err
}

// writePNG draws memory.png.
func writePNG(out io.Writer, f figure) error {
	canvas := vgimg.NewWith(vgimg.UseWH(pictureWidth, pictureHeight), vgimg.UseDPI(pictureDPI))
	if err := f.draw(draw.New(canvas)); err != nil {
		return err
	}
	_, err := vgimg.PngCanvas{Canvas: canvas}.WriteTo(out)
	return err
}

// draw draws the bars above, and memory over time below.
func (f figure) draw(canvas draw.Canvas) error {
	canvas.SetColor(color.White)
	canvas.Fill(canvas.Rectangle.Path())
	bars, err := f.barPlot()
	if err != nil {
		return err
	}
	course, err := f.coursePlot()
	if err != nil {
		return err
	}
	const margin = vg.Length(12)
	padded := draw.Crop(canvas, margin, -margin, margin, -margin)
	middle := padded.Size().Y * 0.56
	drawAligned([]*plot.Plot{bars, course}, []draw.Canvas{
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

// set gives a plot's axis the range and the ticks of a.
func (a axis) set(to *plot.Axis) {
	to.Min, to.Max = a.low, a.high
	var ticks []plot.Tick
	for _, value := range a.ticks {
		ticks = append(ticks, plot.Tick{Value: value, Label: a.label(value)})
	}
	to.Tick.Marker = plot.ConstantTicks(ticks)
}

// barPlot is a bar for each iteration, up to its end reading.
func (f figure) barPlot() (*plot.Plot, error) {
	label := "iteration; memory at its end"
	if f.every > 1 {
		label += "; one of " + strconv.Itoa(f.every) + " is shown"
	}
	p := newPlot("leaklab: "+f.title, label, "resident memory, MiB")
	var warmUp, judged, other *plotter.Polygon
	var ticks []plot.Tick
	step := 1 + (len(f.bars)-1)/30
	for n, b := range f.bars {
		const half = 0.38
		x := float64(n)
		right := x + half
		if f.baseline {
			right = x
		}
		bar, err := rectangle(x-half, right, 0, b.mebibytes)
		if err != nil {
			return nil, err
		}
		if b.baseline > 0 {
			if other, err = rectangle(x, x+half, 0, b.baseline); err != nil {
				return nil, err
			}
			other.Color = colourOther
			p.Add(other)
		}
		if b.judged {
			bar.Color, judged = colourJudged, bar
		} else {
			bar.Color, warmUp = colourWarmUp, bar
		}
		p.Add(bar)
		if n%step == 0 {
			ticks = append(ticks, plot.Tick{Value: x, Label: strconv.Itoa(b.iteration.Iteration)})
		}
	}
	vertical := f.barAxis()
	vertical.high *= 1.15 // room for the legend
	vertical.set(&p.Y)
	p.X.Min, p.X.Max = -0.6, max(float64(len(f.bars)), 4)-0.4
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

// coursePlot is resident memory over time, with the load of the iterations shaded, and with the fitted growth.
func (f figure) coursePlot() (*plot.Plot, error) {
	p := newPlot("", "seconds since the run began", "resident memory, MiB")
	horizontal, vertical := f.axes()
	ceiling := vertical.high
	legend := 0.35
	if f.baseline {
		legend = 0.5
	}
	vertical.high += legend * (vertical.high - vertical.low) // room for it
	horizontal.set(&p.X)
	vertical.set(&p.Y)

	for n, b := range f.bars {
		shade, err := rectangle(b.from, b.to, vertical.low, ceiling)
		if err != nil {
			return nil, err
		}
		shade.Color = colourLoad
		p.Add(shade)
		if n == 0 {
			p.Legend.Add("load", shade)
		}
	}
	for n, load := range f.loads {
		shade, err := rectangle(load.from, load.to, vertical.low, ceiling)
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
		points []position
		colour color.Color
	}{{"baseline", f.other, colourOther}, {"resident memory", f.line, colourLine}} {
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
	if len(f.others) > 0 {
		ends, err := plotter.NewScatter(xys(f.others))
		if err != nil {
			return nil, err
		}
		ends.Color, ends.Radius, ends.Shape = colourOther, vg.Points(2.5), draw.CircleGlyph{}
		p.Add(ends)
	}
	if len(f.ends) > 0 {
		ends, err := plotter.NewScatter(xys(f.ends))
		if err != nil {
			return nil, err
		}
		ends.Color, ends.Radius, ends.Shape = colourJudged, vg.Points(2.5), draw.CircleGlyph{}
		p.Add(ends)
		p.Legend.Add("end reading", ends)
	}
	return p, f.addFit(p, vertical)
}

// addFit adds the fitted growth and its interval.
func (f figure) addFit(p *plot.Plot, vertical axis) error {
	if len(f.fit) == 0 {
		return nil
	}
	within := func(y float64) float64 { return min(max(y, vertical.low), vertical.high) }
	var middle, band plotter.XYs
	for _, point := range f.fit {
		middle = append(middle, plotter.XY{X: point.x, Y: within(point.middle)})
		band = append(band, plotter.XY{X: point.x, Y: within(point.high)})
	}
	for n := len(f.fit) - 1; n >= 0; n-- {
		band = append(band, plotter.XY{X: f.fit[n].x, Y: within(f.fit[n].low)})
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

func xys(positions []position) plotter.XYs {
	points := make(plotter.XYs, len(positions))
	for n, p := range positions {
		points[n] = plotter.XY{X: p.x, Y: p.y}
	}
	return points
}
