// Package exporter shows a run to Prometheus while it lasts. It knows nothing of how a run is reported elsewhere.
package exporter

import (
	"math"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"leaklab/loader/lab"
	"leaklab/loader/load"
	"leaklab/loader/memory"
	"leaklab/loader/verdict"
)

// Exporter is a prometheus.Collector for the state of a run. The last mostIterations stay in the metrics until the
// process ends, so that a scraper that comes late misses none.
type Exporter struct {
	run     Run
	sampler *memory.Sampler
	meter   *load.Meter
	metrics []metric
	descs   []*prometheus.Desc // of metrics

	mu          sync.Mutex
	iterations  []finished
	verdict     verdict.Verdict
	timeToLimit float64 // seconds
	givenBack   float64 // bytes
	curve       curve
	fit         fit
	sites       []Site
	end         *End // nil while the run goes on
}

// mostIterations is how many iterations there are series of. A run may have ten times as many.
const mostIterations = 1000

// finished is an iteration with the times at which its load began and at which it was added.
type finished struct {
	lab.Iteration
	begun, at time.Time
}

// Run is what is known of a run from the beginning.
type Run struct {
	Started         time.Time
	Tries           int     // iterations, at most
	AtMost          bool    // there may be fewer than Tries
	Tolerance       float64 // bytes per request
	Shape, Protocol string  // of the load
}

// New returns an Exporter for a run. It reads memory from sampler, and the requests and the burst that runs from meter.
func New(run Run, sampler *memory.Sampler, meter *load.Meter) *Exporter {
	e := &Exporter{
		run: run, sampler: sampler, meter: meter, metrics: list(),
		verdict: verdict.Verdict{Kind: verdict.Inconclusive}, timeToLimit: math.Inf(1), givenBack: math.NaN(),
	}
	for _, m := range e.metrics {
		e.descs = append(e.descs, prometheus.NewDesc(m.name, m.help, m.labels, nil))
	}
	return e
}

// Add adds a complete iteration to the metrics.
func (e *Exporter) Add(i lab.Iteration) {
	added := finished{Iteration: i.WithoutLatencies(), begun: i.Load.StartedAt, at: time.Now()}
	if burst := e.meter.Burst(); burst.Number == i.Number { // as it was shown while the load ran
		added.begun = burst.StartedAt
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.iterations = append(e.iterations, added)
	e.iterations = e.iterations[max(0, len(e.iterations)-mostIterations):]
}

// Sample adds a reading of resident memory, in bytes, to the curve of the run. Readings come in order of time.
func (e *Exporter) Sample(at time.Time, bytes int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.curve.add(at.Sub(e.run.Started), bytes)
}

// SetFit shows the line of the growth that is judged, in place of the one before: at most mostFitted of its points.
func (e *Exporter) SetFit(line []Fitted) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.fit.set(line, time.Now())
}

// SetEnd shows that the run is over, and how it ended.
func (e *Exporter) SetEnd(end End) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.end = &end
}

// SetVerdict shows the verdict on the iterations so far, and in how many seconds the server reaches its memory
// limit under this load: +Inf if it does not.
func (e *Exporter) SetVerdict(v verdict.Verdict, timeToLimit float64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.verdict, e.timeToLimit = v, timeToLimit
}

// SetGivenBack shows how many bytes the server gave back in the rest after the last iteration.
func (e *Exporter) SetGivenBack(bytes float64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.givenBack = bytes
}

// Describe sends nothing: which series there are depends on the run.
func (e *Exporter) Describe(chan<- *prometheus.Desc) {}

// Collect sends the state of the run at this moment.
func (e *Exporter) Collect(out chan<- prometheus.Metric) {
	s := e.snapshot()
	for n, m := range e.metrics {
		m.collect(s, e.descs[n], out)
	}
}

// snapshot asks the sampler before it locks: a sampler holds its lock while it tells of a sample, which Sample takes.
func (e *Exporter) snapshot() *snapshot {
	reading := e.sampler.Latest()
	e.mu.Lock()
	defer e.mu.Unlock()
	return &snapshot{
		Run: e.run, now: time.Now(), burst: e.meter.Burst(), iterations: slices.Clone(e.iterations),
		verdict: e.verdict, timeToLimit: e.timeToLimit, givenBack: e.givenBack,
		reading: reading, totals: e.meter.Snapshot(),
		curve: e.curve.points(), fit: e.fit.points(), sites: e.sites, end: e.end,
	}
}
