//go:build pictures

package report

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

	"leaklab/loader/verdict"
)

// comparedHeight is that of the picture of a comparison, which is 960 by 480 pixels.
const comparedHeight = 5 * vg.Inch

// DrawComparison draws the end readings of two recorded runs, each a folder or a table, into one picture, an .svg or a
// .png.
func DrawComparison(before, after, path string) error {
	var runs [2][]verdict.Iteration
	for n, from := range []string{before, after} {
		var err error
		if runs[n], err = ReadIterations(from); err != nil {
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
	return replace(filepath.Dir(path), filepath.Base(path), func(out io.Writer) error {
		_, err := canvas.WriteTo(out)
		return err
	})
}

// comparedPlot shows both runs over their requests, each with the growth that was judged and its interval.
func comparedPlot(before, after []verdict.Iteration) (*plot.Plot, error) {
	c := verdict.Compare(before, after, verdict.Options{})
	title := "leaklab: the runs are too short to compare"
	if c.Estimated {
		title = fmt.Sprintf("leaklab: new - old = %.1f bytes/request (%.1f to %.1f, 95%%)", c.Difference, c.Lower, c.Upper)
	}
	p := newPlot(title, "requests since the run began", "resident memory, MiB")
	curves := []curve{newCurve("old", before, c.Old), newCurve("new", after, c.New)}
	horizontal, vertical := axesAround(slices.Concat(curves[0].ends, curves[1].ends), slices.Concat(curves[0].fit, curves[1].fit))
	vertical.high += 0.2 * (vertical.high - vertical.low) // room for the legend
	horizontal.set(&p.X)
	vertical.set(&p.Y)
	colours := []color.RGBA{colourOther, colourJudged}
	for n, one := range curves {
		if err := addInterval(p, one, vertical, colours[n]); err != nil {
			return nil, err
		}
	}
	for n, one := range curves {
		if len(one.ends) == 0 {
			continue
		}
		line, points, err := plotter.NewLinePoints(xys(one.ends))
		if err != nil {
			return nil, err
		}
		line.Color, line.Width = colours[n], vg.Points(1.5)
		points.Color, points.Radius, points.Shape = colours[n], vg.Points(2.5), draw.CircleGlyph{}
		p.Add(line, points)
		p.Legend.Add(one.label, line, points)
	}
	return p, nil
}

// addInterval adds the interval of a curve's growth.
func addInterval(p *plot.Plot, c curve, vertical axis, colour color.RGBA) error {
	if len(c.fit) == 0 {
		return nil
	}
	within := func(y float64) float64 { return min(max(y, vertical.low), vertical.high) }
	var band plotter.XYs
	for _, point := range c.fit {
		band = append(band, plotter.XY{X: point.x, Y: within(point.high)})
	}
	for n := len(c.fit) - 1; n >= 0; n-- {
		band = append(band, plotter.XY{X: c.fit[n].x, Y: within(c.fit[n].low)})
	}
	interval, err := plotter.NewPolygon(band)
	if err != nil {
		return err
	}
	interval.Color, interval.LineStyle.Width = color.NRGBA{R: colour.R, G: colour.G, B: colour.B, A: 0x30}, 0
	p.Add(interval)
	return nil
}

// curve is a run as one of several in a plot: its end readings, in MiB, over the requests so far.
type curve struct {
	label string
	ends  []position
	fit   []fitted // by the requests; empty if no growth was estimated
}

// newCurve shows iterations that were judged.
func newCurve(name string, iterations []verdict.Iteration, v verdict.Verdict) curve {
	c := curve{label: name}
	var judged []position // requests, bytes
	var at []float64
	requests := 0.0
	for n, i := range iterations {
		requests += float64(i.Requests)
		c.ends = append(c.ends, position{requests, float64(i.EndBytes) / mebibyte})
		if v.Estimated && n+1 >= v.Judged.First-1 && n+1 <= v.Judged.Last {
			judged = append(judged, position{requests, float64(i.EndBytes)})
			at = append(at, requests)
		}
	}
	if v.Estimated {
		c.label += fmt.Sprintf(", growth of %.1f bytes/request (%.1f to %.1f, %s) shaded", v.Growth, v.Lower, v.Upper, percent(v.Confidence))
		c.fit = fitThrough(judged, at, v.Growth, v.Lower, v.Upper)
	}
	return c
}
