package main

import (
	"fmt"
	"image/color"
	"io"
	"path/filepath"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"

	"leaklab/loader/chart"
	"leaklab/loader/record"
	"leaklab/loader/verdict"
)

// comparedHeight is that of the picture of a comparison, which is 960 by 480 pixels.
const comparedHeight = 5 * vg.Inch

// drawComparison draws the end readings of two recorded runs, each a folder or a table, into one picture, an .svg or a
// .png.
func drawComparison(before, after, path string) error {
	var runs [2][]verdict.Iteration
	for n, from := range []string{before, after} {
		var err error
		if runs[n], err = record.ReadIterations(from); err != nil {
			return err
		}
	}
	p, err := comparedPlot(runs[0], runs[1])
	if err != nil {
		return err
	}
	var canvas interface {
		vg.CanvasSizer
		io.WriterTo
	}
	switch filepath.Ext(path) {
	case ".svg":
		canvas = vgsvg.New(pictureWidth, comparedHeight)
	case ".png":
		canvas = vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(pictureWidth, comparedHeight), vgimg.UseDPI(pictureDPI))}
	default:
		return fmt.Errorf("%s: expected a name that ends with .svg or .png", path)
	}
	whole := draw.New(canvas)
	whole.SetColor(color.White)
	whole.Fill(whole.Rectangle.Path())
	const margin = vg.Length(12)
	p.Draw(draw.Crop(whole, margin, -margin, margin, -margin))
	return record.Replace(filepath.Dir(path), filepath.Base(path), func(out io.Writer) error {
		_, err := canvas.WriteTo(out)
		return err
	})
}

// comparedPlot shows both runs over their requests, each with the growth that was judged and its interval.
func comparedPlot(before, after []verdict.Iteration) (*plot.Plot, error) {
	c := verdict.Compare(before, after, verdict.Options{})
	title := "leaklab: the runs are too short to compare"
	switch {
	case c.Estimated:
		title = fmt.Sprintf("leaklab: new - old = %.1f bytes/request (%.1f to %.1f, 95%%)", c.Difference, c.Lower, c.Upper)
	case c.Old.Estimated && c.New.Estimated:
		title = "leaklab: workers were replaced, which hides how the growths differ"
	}
	of, compared := c.Of, string(verdict.Resident)
	switch of {
	case verdict.Live:
		compared = string(of)
	case verdict.Workers: // the server as a whole is drawn
		of = verdict.Held
	}
	p := newPlot(title, "requests since the run began", compared+", MiB")
	curves := []chart.Curve{chart.NewCurve("old", before, c.Old, of), chart.NewCurve("new", after, c.New, of)}
	horizontal, vertical := chart.AxesAround(slices.Concat(curves[0].Ends, curves[1].Ends), slices.Concat(curves[0].Fit, curves[1].Fit))
	vertical.High += 0.2 * (vertical.High - vertical.Low) // room for the legend
	setAxis(&p.X, horizontal)
	setAxis(&p.Y, vertical)
	colours := []color.RGBA{colourOther, colourJudged}
	for n, one := range curves {
		if err := addInterval(p, one, vertical, colours[n]); err != nil {
			return nil, err
		}
	}
	for n, one := range curves {
		if len(one.Ends) == 0 {
			continue
		}
		line, points, err := plotter.NewLinePoints(xys(one.Ends))
		if err != nil {
			return nil, err
		}
		line.Color, line.Width = colours[n], vg.Points(1.5)
		points.Color, points.Radius, points.Shape = colours[n], vg.Points(2.5), draw.CircleGlyph{}
		p.Add(line, points)
		p.Legend.Add(one.Label, line, points)
	}
	return p, nil
}

// addInterval adds the interval of a curve's growth.
func addInterval(p *plot.Plot, c chart.Curve, vertical chart.Axis, colour color.RGBA) error {
	if len(c.Fit) == 0 {
		return nil
	}
	within := func(y float64) float64 { return min(max(y, vertical.Low), vertical.High) }
	var band plotter.XYs
	for _, point := range c.Fit {
		band = append(band, plotter.XY{X: point.X, Y: within(point.High)})
	}
	for n := len(c.Fit) - 1; n >= 0; n-- {
		band = append(band, plotter.XY{X: c.Fit[n].X, Y: within(c.Fit[n].Low)})
	}
	interval, err := plotter.NewPolygon(band)
	if err != nil {
		return err
	}
	interval.Color, interval.LineStyle.Width = color.NRGBA{R: colour.R, G: colour.G, B: colour.B, A: 0x30}, 0
	p.Add(interval)
	return nil
}
