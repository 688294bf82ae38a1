// Package exporter shows a run to Prometheus while it lasts.
package exporter

import (
	"fmt"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"leaklab/loader/lab"
	"leaklab/loader/load"
	"leaklab/loader/memory"
	"leaklab/loader/verdict"
)

// Exporter is a prometheus.Collector for the state of a run, and an observer of it. The last mostIterations stay in the
// metrics until the process ends, so that a scraper that comes late misses none.
type Exporter struct {
	Run
	sampler *memory.Sampler
	meter   *load.Meter

	mu         sync.Mutex
	current    int
	loading    bool
	begun      []begun
	iterations []finished

	verdict     verdict.Verdict
	timeToLimit float64 // seconds
	givenBack   float64 // bytes
}

// mostIterations is how many iterations there are series of. A run may have ten times as many.
const mostIterations = 1000

// newest returns all, or the last of them.
func newest[T any](all []T) []T { return all[max(0, len(all)-mostIterations):] }

// begun is the load of an iteration.
type begun struct {
	number int
	at     time.Time
}

// finished is an iteration with the time at which it was observed.
type finished struct {
	lab.Iteration
	at time.Time
}

// Run is what is known of a run from the beginning.
type Run struct {
	Started         time.Time
	Tries           int     // iterations, at most
	Tolerance       float64 // bytes per request
	Shape, Protocol string  // of the load
}

// New returns an Exporter for a run.
func New(run Run, sampler *memory.Sampler, meter *load.Meter) *Exporter {
	return &Exporter{
		Run: run, sampler: sampler, meter: meter,
		verdict: verdict.Verdict{Kind: verdict.Inconclusive}, timeToLimit: math.Inf(1), givenBack: math.NaN(),
	}
}

// LoadBegins notes the iteration that is now under load.
func (e *Exporter) LoadBegins(number int, at time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.current, e.loading = number, true
	e.begun = newest(append(e.begun, begun{number, at}))
}

// LoadEnded notes that the server is at rest.
func (e *Exporter) LoadEnded() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.loading = false
}

// IterationEnded adds the iteration to the metrics.
func (e *Exporter) IterationEnded(i lab.Iteration) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.iterations = newest(append(e.iterations, finished{i.WithoutLatencies(), time.Now()}))
	return nil
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

var (
	startDesc      = iterationDesc("rss_start_bytes", "Resident memory of the server before the load of the iteration, in bytes.")
	endDesc        = iterationDesc("rss_end_bytes", "Resident memory of the server after the load of the iteration and settling, in bytes.")
	peakDesc       = iterationDesc("rss_peak_bytes", "Highest resident memory of the server during the load of the iteration, in bytes.")
	leakedDesc     = iterationDesc("rss_leaked_bytes", "Resident memory at the end of the iteration less that at its start, in bytes; negative if it shrank.")
	requestsDesc   = iterationDesc("requests", "Requests answered in the iteration.")
	rateDesc       = iterationDesc("requests_per_second", "Requests answered per second while the load of the iteration lasted.")
	threadsDesc    = iterationDesc("server_threads", "Threads of the server's process tree at the end of the iteration.")
	openDesc       = iterationDesc("server_open_files", "Open files and connections of the server's process tree at the end of the iteration.")
	liveHeapDesc   = iterationDesc("server_live_heap_bytes", "What the server's last garbage collection found in use at the end of the iteration, in bytes; of Go servers that show it.")
	cgroupDesc     = prometheus.NewDesc("leaklab_iteration_server_cgroup_bytes", "Memory of the server's own control group at the end of the iteration, by kind, in bytes.", []string{"iteration", "kind"}, nil)
	nowDesc        = prometheus.NewDesc("leaklab_server_processes", "Processes of the server's process tree.", nil, nil)
	nowThreadsDesc = prometheus.NewDesc("leaklab_server_threads", "Threads of the server's process tree.", nil, nil)
	nowOpenDesc    = prometheus.NewDesc("leaklab_server_open_files", "Open files and connections of the server's process tree.", nil, nil)
	givenBackDesc  = prometheus.NewDesc("leaklab_given_back_bytes", "Resident memory that the server gave back in the rest after the last iteration, in bytes; NaN before.", nil, nil)
	endTimeDesc    = iterationDesc("end_timestamp_seconds", "Unix time at which the iteration was complete.")
	loadStartDesc  = iterationDesc("start_timestamp_seconds", "Unix time at which the load of the iteration began.")
	runInfoDesc    = prometheus.NewDesc("leaklab_run_info", "Always 1; the labels name the shape of the load, and its protocol.", []string{"shape", "protocol"}, nil)
	runStartDesc   = prometheus.NewDesc("leaklab_run_start_timestamp_seconds", "Unix time at which the run began.", nil, nil)
	runSeenDesc    = prometheus.NewDesc("leaklab_run_seen_timestamp_seconds", "Unix time of this reading; the last one tells when the run was over.", nil, nil)
	currentDesc    = prometheus.NewDesc("leaklab_iteration", "Number of the iteration whose load began last; 0 before the first.", nil, nil)
	triesDesc      = prometheus.NewDesc("leaklab_iterations", "Number of iterations of the run.", nil, nil)
	loadingDesc    = prometheus.NewDesc("leaklab_load_active", "1 while load is running, 0 while the server rests.", nil, nil)
	residentDesc   = prometheus.NewDesc("leaklab_server_resident_memory_bytes", "Resident memory of the server's process tree, seen from outside, by kind, in bytes.", []string{"kind"}, nil)
	codesDesc      = prometheus.NewDesc("leaklab_requests_total", "Requests answered, by HTTP status code, \"unknown\" if a load tool does not tell it.", []string{"code"}, nil)
	errorsDesc     = prometheus.NewDesc("leaklab_request_errors_total", "Requests that failed or were answered with a 4xx or 5xx status, by reason.", []string{"reason"}, nil)
	latencyDesc    = prometheus.NewDesc("leaklab_request_duration_seconds", "Time from sending a request to the end of its answer, in seconds.", nil, nil)
	verdictDesc    = prometheus.NewDesc("leaklab_verdict", "1 for the verdict on the iterations so far, 0 for the others.", []string{"verdict"}, nil)
	growthDesc     = prometheus.NewDesc("leaklab_growth_bytes_per_request", "Growth of the server's resident memory after warm-up, in bytes per request: the estimate and its 95% interval; NaN before the fifth iteration.", []string{"bound"}, nil)
	toleranceDesc  = prometheus.NewDesc("leaklab_tolerance_bytes_per_request", "Growth below which nobody cares, in bytes per request.", nil, nil)
	limitDesc      = prometheus.NewDesc("leaklab_time_to_memory_limit_seconds", "Time until the server reaches its memory limit under this load, in seconds; +Inf if it is not sure to grow.", nil, nil)
	latencyBuckets = []float64{50e-6, 100e-6, 200e-6, 500e-6, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10}
)

func iterationDesc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("leaklab_iteration_"+name, help, []string{"iteration"}, nil)
}

// Describe sends nothing: which series there are depends on the run.
func (e *Exporter) Describe(chan<- *prometheus.Desc) {}

// Collect sends the state of the run at this moment.
func (e *Exporter) Collect(metrics chan<- prometheus.Metric) {
	e.collectIterations(metrics)
	e.collectVerdict(metrics)
	e.collectMemory(metrics)
	e.collectLoad(metrics)
}

func (e *Exporter) collectIterations(metrics chan<- prometheus.Metric) {
	e.mu.Lock()
	defer e.mu.Unlock()
	gauge(metrics, runInfoDesc, 1, e.Shape, e.Protocol)
	gauge(metrics, runStartDesc, unixSeconds(e.Started))
	gauge(metrics, runSeenDesc, unixSeconds(time.Now()))
	gauge(metrics, triesDesc, float64(e.Tries))
	gauge(metrics, currentDesc, float64(e.current))
	loading := 0.0
	if e.loading {
		loading = 1
	}
	gauge(metrics, loadingDesc, loading)
	for _, b := range e.begun {
		gauge(metrics, loadStartDesc, unixSeconds(b.at), e.label(b.number))
	}
	for _, i := range e.iterations {
		label := e.label(i.Number)
		gauge(metrics, startDesc, float64(i.Start.Total), label)
		gauge(metrics, endDesc, float64(i.End.Total), label)
		gauge(metrics, peakDesc, float64(i.Peak), label)
		gauge(metrics, leakedDesc, float64(i.Leaked()), label)
		if !i.Uncounted {
			gauge(metrics, requestsDesc, float64(i.Load.Requests), label)
			gauge(metrics, rateDesc, i.RequestsPerSecond(), label)
		}
		gauge(metrics, endTimeDesc, unixSeconds(i.at), label)
		known(metrics, threadsDesc, float64(i.End.Threads), label)
		known(metrics, openDesc, float64(i.End.OpenFiles), label)
		known(metrics, liveHeapDesc, float64(i.End.LiveHeap), label)
		if group := i.End.Cgroup; group != nil {
			gauge(metrics, cgroupDesc, float64(group.Anonymous), label, "anonymous")
			gauge(metrics, cgroupDesc, float64(group.File), label, "file")
			gauge(metrics, cgroupDesc, float64(group.Socket), label, "socket")
		}
	}
}

// label is the iteration's number with leading zeros to the width of the last, so that it sorts as text.
func (e *Exporter) label(number int) string {
	return fmt.Sprintf("%0*d", len(strconv.Itoa(e.Tries)), number)
}

func (e *Exporter) collectVerdict(metrics chan<- prometheus.Metric) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, kind := range []verdict.Kind{verdict.Leak, verdict.NoLeak, verdict.Inconclusive} {
		current := 0.0
		if kind == e.verdict.Kind {
			current = 1
		}
		gauge(metrics, verdictDesc, current, string(kind))
	}
	gauge(metrics, limitDesc, e.timeToLimit)
	gauge(metrics, givenBackDesc, e.givenBack)
	gauge(metrics, toleranceDesc, e.Tolerance)
	for bound, value := range map[string]float64{"estimate": e.verdict.Growth, "lower": e.verdict.Lower, "upper": e.verdict.Upper} {
		if !e.verdict.Estimated {
			value = math.NaN() // rather than nothing, or Prometheus would go on with the value of the run before
		}
		gauge(metrics, growthDesc, value, bound)
	}
}

func (e *Exporter) collectMemory(metrics chan<- prometheus.Metric) {
	reading := e.sampler.Latest()
	if reading.Total == 0 {
		return
	}
	gauge(metrics, residentDesc, float64(reading.Total), "total")
	if parts := reading.Parts; parts != nil {
		gauge(metrics, residentDesc, float64(parts.Anonymous), "anonymous")
		gauge(metrics, residentDesc, float64(parts.File), "file")
		gauge(metrics, residentDesc, float64(parts.Shared), "shared")
	}
	known(metrics, nowDesc, float64(reading.Processes))
	known(metrics, nowThreadsDesc, float64(reading.Threads))
	known(metrics, nowOpenDesc, float64(reading.OpenFiles))
}

func (e *Exporter) collectLoad(metrics chan<- prometheus.Metric) {
	totals := e.meter.Snapshot()
	for code, n := range totals.Codes {
		label := strconv.Itoa(code)
		if code == 0 {
			label = "unknown" // the client did not wait for an answer, or a tool does not tell
		}
		counter(metrics, codesDesc, n, label)
	}
	for _, reason := range load.Reasons() {
		counter(metrics, errorsDesc, totals.Errors[reason], string(reason))
	}
	metrics <- latencyMetric(&totals)
}

// latencyMetric shows the latencies in both of Prometheus's kinds of histogram: in classic buckets, and in native
// ones that are 9% apart.
func latencyMetric(totals *load.Totals) prometheus.Metric {
	count, sum := uint64(totals.Latency.TotalCount()), totals.SumLatency.Seconds()
	buckets, zero := nativeBuckets(totals)
	return bothKinds{
		Metric: prometheus.MustNewConstHistogram(latencyDesc, count, sum, cumulative(totals)),
		native: prometheus.MustNewConstNativeHistogram(latencyDesc, count, sum, buckets, nil, zero, nativeSchema, zeroThreshold, time.Now()),
	}
}

const (
	nativeSchema  = 3    // bucket n ends at 2^(n/8) seconds
	zeroThreshold = 1e-9 // seconds; what is not longer has no bucket of its own
)

// bothKinds is a classic histogram with the buckets of a native one beside it.
type bothKinds struct {
	prometheus.Metric
	native prometheus.Metric
}

// Write writes both.
func (b bothKinds) Write(out *dto.Metric) error {
	if err := b.Metric.Write(out); err != nil {
		return err
	}
	var native dto.Metric
	if err := b.native.Write(&native); err != nil {
		return err
	}
	h, n := out.Histogram, native.Histogram
	h.Schema, h.ZeroThreshold, h.ZeroCount = n.Schema, n.ZeroThreshold, n.ZeroCount
	h.PositiveSpan, h.PositiveDelta = n.PositiveSpan, n.PositiveDelta
	return nil
}

// nativeBuckets counts the answers by the number of their native bucket, and those that took no time.
func nativeBuckets(totals *load.Totals) (buckets map[int]int64, zero uint64) {
	buckets = make(map[int]int64)
	for _, bar := range totals.Latency.Distribution() {
		switch seconds := time.Duration(bar.To).Seconds(); {
		case bar.Count == 0:
		case seconds > zeroThreshold:
			buckets[int(math.Ceil(math.Log2(seconds)*(1<<nativeSchema)))] += bar.Count
		default:
			zero += uint64(bar.Count)
		}
	}
	return buckets, zero
}

// cumulative returns, for each bucket's upper bound in seconds, the number of answers that took at most as
// long. A latency within 1% of a bound may be counted on its other side.
func cumulative(totals *load.Totals) map[float64]uint64 {
	buckets := make(map[float64]uint64, len(latencyBuckets))
	bars := totals.Latency.Distribution()
	var sum uint64
	for _, bound := range latencyBuckets {
		for len(bars) > 0 && time.Duration(bars[0].To).Seconds() <= bound {
			sum += uint64(bars[0].Count)
			bars = bars[1:]
		}
		buckets[bound] = sum
	}
	return buckets
}

func gauge(metrics chan<- prometheus.Metric, desc *prometheus.Desc, value float64, labels ...string) {
	metrics <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
}

// known is gauge for what is 0 only where it is not known.
func known(metrics chan<- prometheus.Metric, desc *prometheus.Desc, value float64, labels ...string) {
	if value > 0 {
		gauge(metrics, desc, value, labels...)
	}
}

func counter(metrics chan<- prometheus.Metric, desc *prometheus.Desc, value uint64, labels ...string) {
	metrics <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(value), labels...)
}

func unixSeconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
