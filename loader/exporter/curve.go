package exporter

import (
	"math"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// mostPoints is how many points a curve has at most, and firstStep the time between them at first.
const (
	mostPoints = 240
	firstStep  = 250 * time.Millisecond
)

// mostShaded is up to how many iterations the curve tells when there was load: more would be thinner than a pixel.
const mostShaded = 50

// Fitted is the line of the growth, and the lines of the ends of its interval, in bytes, at a time in seconds since the
// run began.
type Fitted struct{ Elapsed, Estimate, Lower, Upper float64 }

// mostFitted is how many points of the line of the growth are shown: it is nearly straight.
const mostFitted = 50

// goneFor is how long a point that is no longer part of the line is NaN before it is left out. Prometheus scrapes in this
// time; it would go on with the value that it had otherwise.
const goneFor = 5 * time.Second

// fit is the line of the growth, by Elapsed.
type fit map[float64]fitted

type fitted struct {
	Fitted
	gone time.Time // when it was no longer part of the line; zero if it is
}

// set replaces the line at a time.
func (f *fit) set(line []Fitted, now time.Time) {
	if *f == nil {
		*f = make(fit)
	}
	for at, p := range *f {
		switch {
		case p.gone.IsZero():
			(*f)[at] = fitted{Fitted{at, math.NaN(), math.NaN(), math.NaN()}, now}
		case now.Sub(p.gone) > goneFor:
			delete(*f, at)
		}
	}
	every := 1 + len(line)/mostFitted
	for n, p := range line {
		if n%every == 0 || n == len(line)-1 {
			p.Elapsed = hundredths(p.Elapsed)
			(*f)[p.Elapsed] = fitted{Fitted: p}
		}
	}
}

// points returns the points, those that are NaN included.
func (f fit) points() []Fitted {
	var all []Fitted
	for _, p := range f {
		all = append(all, p.Fitted)
	}
	return all
}

// curve is resident memory at equal distances of time since the run began. When there would be more than mostPoints,
// the distance doubles, so that the points that stay are some of those before: as labels, they are bounded as well.
type curve struct {
	step time.Duration
	at   map[int]int64 // number of steps -> bytes
}

// add takes the first reading after each step.
func (c *curve) add(elapsed time.Duration, bytes int64) {
	if elapsed < 0 || bytes == 0 {
		return
	}
	if c.at == nil {
		c.step, c.at = firstStep, make(map[int]int64)
	}
	for int(elapsed/c.step) >= mostPoints {
		wider := make(map[int]int64)
		for n, bytes := range c.at {
			if n%2 == 0 {
				wider[n/2] = bytes
			}
		}
		c.step, c.at = 2*c.step, wider
	}
	if n := int(elapsed / c.step); c.at[n] == 0 {
		c.at[n] = bytes
	}
}

// points returns bytes by seconds since the run began.
func (c *curve) points() map[float64]int64 {
	all := make(map[float64]int64, len(c.at))
	for n, bytes := range c.at {
		all[(time.Duration(n) * c.step).Seconds()] = bytes
	}
	return all
}

// elapsed is seconds since the run began as a label.
func elapsed(seconds float64) string { return strconv.FormatFloat(seconds, 'f', -1, 64) }

// since is the seconds between the beginning of the run and a time, in hundredths.
func (s *snapshot) since(t time.Time) float64 { return hundredths(t.Sub(s.Started).Seconds()) }

// hundredths rounds to them, so that a label is short.
func hundredths(seconds float64) float64 { return math.Round(seconds*100) / 100 }

func collectCurve(s *snapshot, desc *prometheus.Desc, out chan<- prometheus.Metric) {
	for seconds, bytes := range s.curve {
		gauge(out, desc, float64(bytes), elapsed(seconds))
	}
}

// collectShade sends 1 where load began and 0 where it ended.
func collectShade(s *snapshot, desc *prometheus.Desc, out chan<- prometheus.Metric) {
	if len(s.iterations) > mostShaded {
		return
	}
	shade := make(map[float64]float64)
	for _, i := range s.iterations {
		shade[s.since(i.begun)] = 1
		shade[s.since(i.begun.Add(i.Load.Elapsed))] = 0
	}
	if s.burst.Active && len(s.iterations) < mostShaded {
		shade[s.since(s.burst.StartedAt)] = 1
	}
	for seconds, active := range shade {
		gauge(out, desc, active, elapsed(seconds))
	}
}

func collectFit(s *snapshot, desc *prometheus.Desc, out chan<- prometheus.Metric) {
	for _, p := range s.fit {
		at := elapsed(p.Elapsed)
		gauge(out, desc, p.Estimate, at, "estimate")
		gauge(out, desc, p.Lower, at, "lower")
		gauge(out, desc, p.Upper, at, "upper")
	}
}
