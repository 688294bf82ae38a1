package exporter

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"leaklab/loader/lab"
	"leaklab/loader/load"
	"leaklab/loader/memory"
	"leaklab/loader/verdict"
)

// Metric is what is documented of a metric: its name, what it says, and where the dashboard shows it.
type Metric struct {
	Name, Help string
	Labels     []string
	Panel      string // title of the panel that shows it; empty if none does
	Unshown    string // why no panel shows it; empty if one does
}

// Metrics lists the metrics of a run, in the order of the documentation.
func Metrics() []Metric {
	var all []Metric
	for _, m := range list() {
		all = append(all, Metric{Name: m.name, Help: m.help, Labels: m.labels, Panel: m.panel, Unshown: m.unshown})
	}
	return all
}

// metric is one entry of the list: what is documented of it, and how it is collected.
type metric struct {
	name, help string
	labels     []string
	panel      string
	unshown    string
	collect    collect
}

// collect sends the series of a metric as they are in a snapshot.
type collect func(s *snapshot, desc *prometheus.Desc, out chan<- prometheus.Metric)

// snapshot is the state of a run at the moment of a scrape.
type snapshot struct {
	Run
	now         time.Time
	burst       load.Burst
	iterations  []finished
	verdict     verdict.Verdict
	timeToLimit float64 // seconds
	givenBack   float64 // bytes
	reading     memory.Reading
	totals      load.Totals
	curve       map[float64]int64 // seconds since the run began -> bytes
	fit         []Fitted
	sites       []Site
	end         *End
}

// label is the iteration's number with leading zeros to the width of the last, so that it sorts as text.
func (s *snapshot) label(number int) string {
	return fmt.Sprintf("%0*d", len(strconv.Itoa(s.Tries)), number)
}

var byIteration = []string{"iteration"}

// list is the one list of metrics. A metric of an iteration that is added here is collected, documented, and expected in
// the panel that it names.
func list() []metric {
	return append([]metric{
		{name: "leaklab_run_info", labels: []string{"shape", "protocol"}, help: "Always 1; the labels name the shape of the load, and its protocol.",
			panel: "Demo server and load", collect: func(s *snapshot, desc *prometheus.Desc, out chan<- prometheus.Metric) {
				gauge(out, desc, 1, s.Shape, s.Protocol)
			}},
		{name: "leaklab_run_state", labels: []string{"state"},
			help:  "1 for how far the run has come or how it ended, 0 for the others: waiting, too early, leak, no leak, inconclusive, died, interrupted, failed.",
			panel: "Verdict", collect: collectState},
		{name: "leaklab_run_end_info", labels: []string{"reason", "iteration"},
			help:  "Always 1, and there when the run is over; the labels name the reason, and the iteration that was under way or was the last.",
			panel: "Verdict", collect: collectEnd},
		{name: "leaklab_run_start_timestamp_seconds", help: "Unix time at which the run began.",
			panel: "Runs", collect: value(func(s *snapshot) float64 { return unixSeconds(s.Started) })},
		{name: "leaklab_run_seen_timestamp_seconds", help: "Unix time of this reading; the last one tells when the run was over.",
			panel: "Runs", collect: value(func(s *snapshot) float64 { return unixSeconds(s.now) })},
		{name: "leaklab_iterations", help: "Number of iterations of the run, or the most that there may be with TRIES=auto.",
			panel: "Verdict", collect: value(func(s *snapshot) float64 { return float64(s.Tries) })},
		{name: "leaklab_iterations_at_most", help: "1 if leaklab_iterations is the most that there may be, 0 if it is the number of iterations.",
			panel: "Verdict", collect: value(func(s *snapshot) float64 { return one(s.AtMost) })},
		{name: "leaklab_iteration", help: "Number of the iteration whose load began last; 0 before the first.",
			panel: "Verdict", collect: value(func(s *snapshot) float64 { return float64(s.burst.Number) })},
		{name: "leaklab_load_active", help: "1 while load is running, 0 while the server rests.",
			unshown: "the panel Memory over the run shades the load, by leaklab_run_load_active", collect: value(func(s *snapshot) float64 { return one(s.burst.Active) })},
		{name: "leaklab_iteration_start_timestamp_seconds", labels: byIteration, help: "Unix time at which the load of the iteration began.",
			panel: "Iterations", collect: collectStarts},
		{name: "leaklab_iteration_end_timestamp_seconds", labels: byIteration, help: "Unix time at which the iteration was complete.",
			unshown: "the start of the next iteration is as good a mark", collect: iterations(func(i finished) float64 { return unixSeconds(i.at) })},
		{name: "leaklab_iteration_rss_start_bytes", labels: byIteration, help: "Resident memory of the server before the load of the iteration, in bytes.",
			panel: "Memory per iteration", collect: iterations(func(i finished) float64 { return float64(i.Start.Total) })},
		{name: "leaklab_iteration_rss_end_bytes", labels: byIteration, help: "Resident memory of the server after the load of the iteration and settling, in bytes.",
			panel: "Memory per iteration", collect: iterations(func(i finished) float64 { return float64(i.End.Total) })},
		{name: "leaklab_iteration_rss_peak_bytes", labels: byIteration, help: "Highest resident memory of the server from before the load to the end of the iteration, in bytes.",
			panel: "Memory per iteration", collect: iterations(func(i finished) float64 { return float64(max(i.Start.Total, i.Peak, i.End.Total)) })},
		{name: "leaklab_iteration_rss_leaked_bytes", labels: byIteration, help: "Resident memory at the end of the iteration less that at its start, in bytes; negative if it shrank.",
			panel: "Leaked per iteration", collect: iterations(func(i finished) float64 { return float64(i.Leaked()) })},
		{name: "leaklab_iteration_requests", labels: byIteration, help: "Requests answered in the iteration.",
			panel: "Requests per iteration", collect: counted(func(i lab.Iteration) float64 { return float64(i.Load.Requests) })},
		{name: "leaklab_iteration_requests_per_second", labels: byIteration, help: "Requests answered per second while the load of the iteration lasted.",
			panel: "Requests/s", collect: counted(lab.Iteration.RequestsPerSecond)},
		{name: "leaklab_iteration_server_threads", labels: byIteration, help: "Threads of the server's process tree at the end of the iteration.",
			panel: "Threads per iteration", collect: unlessZero(func(i finished) float64 { return float64(i.End.Threads) })},
		{name: "leaklab_iteration_server_open_files", labels: byIteration, help: "Open files and connections of the server's process tree at the end of the iteration.",
			panel: "Open files per iteration", collect: unlessZero(func(i finished) float64 { return float64(i.End.OpenFiles) })},
		{name: "leaklab_iteration_server_live_heap_bytes", labels: byIteration,
			help:  "What the server's last garbage collection found in use at the end of the iteration, in bytes; of Go servers that show it.",
			panel: "Beside resident memory, per iteration", collect: unlessZero(func(i finished) float64 { return float64(i.End.LiveHeap) })},
		{name: "leaklab_iteration_server_cgroup_bytes", labels: []string{"iteration", "kind"},
			help:  "Memory of the server's own control group at the end of the iteration, by kind, in bytes.",
			panel: "Beside resident memory, per iteration", collect: collectCgroup},
		{name: "leaklab_iteration_server_beside_rss_bytes", labels: []string{"iteration", "kind"},
			help: "What the server holds beside resident memory at the end of the iteration, in bytes, by kind, without kinds of which there is nothing: " +
				"swapped out, pages of hugetlbfs, and files in memory (memfd, tmpfs) that no process maps.",
			panel: "Beside resident memory, per iteration", collect: collectBeside},
	}, append(append(ofLive(), ofVerdict()...), []metric{
		{name: "leaklab_server_resident_memory_bytes", labels: []string{"kind"}, help: "Resident memory of the server's process tree, seen from outside, by kind, in bytes.",
			panel: "Resident memory over time, by kind", collect: collectResident},
		{name: "leaklab_server_processes", help: "Processes of the server's process tree.",
			unshown: "it seldom changes within a run; for alerts and queries by hand", collect: sampled(func(r memory.Reading) float64 { return float64(r.Processes) })},
		{name: "leaklab_server_threads", help: "Threads of the server's process tree.",
			unshown: "the panel Threads per iteration shows them at rest, when they can be compared", collect: sampled(func(r memory.Reading) float64 { return float64(r.Threads) })},
		{name: "leaklab_server_open_files", help: "Open files and connections of the server's process tree.",
			unshown: "the panel Open files per iteration shows them at rest, when they can be compared", collect: sampled(func(r memory.Reading) float64 { return float64(r.OpenFiles) })},
		{name: "leaklab_requests_total", labels: []string{"code"}, help: "Requests answered, by HTTP status code, \"unknown\" if a load tool does not tell it.",
			panel: "Requests/s by status code", collect: collectCodes},
		{name: "leaklab_request_errors_total", labels: []string{"reason"}, help: "Requests that failed or were answered with a 4xx or 5xx status, by reason.",
			panel: "Errors/s by reason", collect: collectErrors},
		{name: "leaklab_request_duration_seconds", help: "Time from sending a request to the end of its answer, in seconds.",
			panel: "Latency", collect: collectLatency},
	}...)...)
}

// ofLive are the metrics of live memory. There are none of an iteration without it.
func ofLive() []metric {
	return []metric{
		{name: "leaklab_iteration_live_bytes", labels: byIteration,
			help:  "Live memory at the end of the iteration, in bytes: what the server's programs hold after a full collection.",
			panel: "Live memory per iteration", collect: live(func(l *lab.Live) float64 { return float64(l.Bytes) })},
		{name: "leaklab_iteration_heap_committed_bytes", labels: byIteration,
			help:  "What the server's runtimes have committed for their heaps at the end of the iteration, in bytes.",
			panel: "Beside resident memory, per iteration", collect: live(func(l *lab.Live) float64 { return float64(l.Committed) })},
		{name: "leaklab_iteration_outside_bytes", labels: byIteration,
			help:  "What the server holds outside its heaps after a full collection at the end of the iteration, without mapped files and shared segments, in bytes.",
			panel: "Memory by part, per iteration", collect: live(func(l *lab.Live) float64 { return float64(l.Outside) })},
		{name: "leaklab_iteration_stopped_seconds", labels: byIteration,
			help:  "How long the server stood still for the reading of live memory, at most, in seconds.",
			panel: "Stopped for live memory, per iteration", collect: live(func(l *lab.Live) float64 { return l.Stopped.Seconds() })},
	}
}

// ofVerdict are the metrics of what is said of the iterations so far, and of memory over the whole run.
func ofVerdict() []metric {
	return []metric{
		{name: "leaklab_verdict", labels: []string{"verdict"}, help: "1 for the verdict on the iterations so far, 0 for the others.",
			unshown: "leaklab_run_state tells it with how the run ended; for alerts and queries by hand", collect: collectVerdict},
		{name: "leaklab_growth_bytes_per_request", labels: []string{"part", "bound"},
			help:  "Growth of live memory, heap slack, memory outside the heap, held memory, and a worker, after warm-up, in bytes per request: the estimate and its 95% interval; NaN before the fifth iteration, and where the part is unknown.",
			panel: "Growth by part", collect: collectGrowth},
		{name: "leaklab_verdict_part", labels: []string{"part"},
			help:  "1 for the part of leaklab_growth_bytes_per_request that the verdict rests on, 0 for the others.",
			panel: "Growth per request", collect: collectJudged},
		{name: "leaklab_part_growth_bytes_per_request", labels: []string{"part", "bound"},
			help:  "Growth of a part of the server's memory, in bytes per request: the estimate and its 95% interval; NaN before the fifth iteration.",
			panel: "Grows", collect: collectParts},
		{name: "leaklab_site_growth_bytes_per_request", labels: []string{"site", "bound"},
			help:  "Growth of the sites that surely grow, in bytes per request: the estimate and its 95% interval, of at most three sites, the largest; known when the run is over.",
			panel: "Growth by site", collect: collectSites},
		{name: "leaklab_tolerance_bytes_per_request", help: "Growth that still counts as no leak, in bytes per request.",
			panel: "Growth per request", collect: value(func(s *snapshot) float64 { return s.Tolerance })},
		{name: "leaklab_time_to_memory_limit_seconds", help: "Time until the server reaches its memory limit under this load, in seconds; +Inf if it is not sure to grow, NaN before the fifth iteration.",
			panel: "Limit in", collect: value(timeToLimit)},
		{name: "leaklab_given_back_bytes", help: "Resident memory that the server gave back in the rest after the last iteration, in bytes; NaN before.",
			unshown: "it is known only after the last iteration; the verdict tells it", collect: value(func(s *snapshot) float64 { return s.givenBack })},
		{name: "leaklab_run_resident_memory_bytes", labels: []string{"elapsed"},
			help:  "Resident memory of the server, in bytes, at seconds since the run began; at most 240 points.",
			panel: "Memory over the run", collect: collectCurve},
		{name: "leaklab_run_load_active", labels: []string{"elapsed"},
			help:  "1 at the seconds since the run began where load began, 0 where it ended; of the first 50 iterations.",
			panel: "Memory over the run", collect: collectShade},
		{name: "leaklab_run_fitted_memory_bytes", labels: []string{"elapsed", "bound"},
			help:  "The growth of held memory as a line, with its interval, in bytes, at the seconds since the run began where iterations ended; NaN where it is not judged.",
			panel: "Memory over the run", collect: collectFit},
	}
}

// value collects a gauge without labels.
func value(of func(*snapshot) float64) collect {
	return func(s *snapshot, desc *prometheus.Desc, out chan<- prometheus.Metric) { gauge(out, desc, of(s)) }
}

// iterations collects a gauge of each iteration.
func iterations(of func(finished) float64) collect {
	return func(s *snapshot, desc *prometheus.Desc, out chan<- prometheus.Metric) {
		for _, i := range s.iterations {
			gauge(out, desc, of(i), s.label(i.Number))
		}
	}
}

// unlessZero collects a gauge of each iteration in which it is not 0, which stands for unknown.
func unlessZero(of func(finished) float64) collect {
	return func(s *snapshot, desc *prometheus.Desc, out chan<- prometheus.Metric) {
		for _, i := range s.iterations {
			if v := of(i); v > 0 {
				gauge(out, desc, v, s.label(i.Number))
			}
		}
	}
}

// counted collects a gauge of each iteration whose requests were counted.
func counted(of func(lab.Iteration) float64) collect {
	return func(s *snapshot, desc *prometheus.Desc, out chan<- prometheus.Metric) {
		for _, i := range s.iterations {
			if !i.Uncounted {
				gauge(out, desc, of(i.Iteration), s.label(i.Number))
			}
		}
	}
}

// sampled collects a gauge of the newest sample of memory, unless it is 0, which stands for unknown.
func sampled(of func(memory.Reading) float64) collect {
	return func(s *snapshot, desc *prometheus.Desc, out chan<- prometheus.Metric) {
		if v := of(s.reading); v > 0 {
			gauge(out, desc, v)
		}
	}
}

func collectStarts(s *snapshot, desc *prometheus.Desc, out chan<- prometheus.Metric) {
	last := 0
	for _, i := range s.iterations {
		last = i.Number
		gauge(out, desc, unixSeconds(i.begun), s.label(i.Number))
	}
	if s.burst.Number > last {
		gauge(out, desc, unixSeconds(s.burst.StartedAt), s.label(s.burst.Number))
	}
}

func collectCgroup(s *snapshot, desc *prometheus.Desc, out chan<- prometheus.Metric) {
	for _, i := range s.iterations {
		if group := i.End.Cgroup; group != nil {
			gauge(out, desc, float64(group.Anonymous), s.label(i.Number), "anonymous")
			gauge(out, desc, float64(group.File), s.label(i.Number), "file")
			gauge(out, desc, float64(group.Shared), s.label(i.Number), "shared")
			gauge(out, desc, float64(group.Socket), s.label(i.Number), "socket")
		}
	}
}

func collectBeside(s *snapshot, desc *prometheus.Desc, out chan<- prometheus.Metric) {
	for _, i := range s.iterations {
		if i.End.Held == nil {
			continue
		}
		for kind, bytes := range map[string]int64{"swapped": i.End.Held.Swapped, "hugetlb": i.End.Held.HugeTLB, "unmapped": i.End.Held.Unmapped} {
			if bytes > 0 {
				gauge(out, desc, float64(bytes), s.label(i.Number), kind)
			}
		}
	}
}

func collectVerdict(s *snapshot, desc *prometheus.Desc, out chan<- prometheus.Metric) {
	for _, kind := range []verdict.Kind{verdict.Leak, verdict.NoLeak, verdict.Inconclusive} {
		gauge(out, desc, one(kind == s.verdict.Kind), string(kind))
	}
}

// inBytes are the parts of memory that a verdict may tell the growth of.
var inBytes = []verdict.Part{verdict.Anonymous, verdict.File, verdict.Shared, verdict.LiveHeap, verdict.PageCache, verdict.Sockets,
	verdict.Swapped, verdict.HugeTLB, verdict.Unmapped}

func collectParts(s *snapshot, desc *prometheus.Desc, out chan<- prometheus.Metric) {
	grown := make(map[verdict.Part]verdict.PartGrowth)
	for _, g := range s.verdict.Parts {
		grown[g.Part] = g
	}
	for _, part := range inBytes {
		g, known := grown[part]
		if !known {
			g.Growth, g.Lower, g.Upper = math.NaN(), math.NaN(), math.NaN()
		}
		bounds(g, desc, out, string(part))
	}
}

// timeToLimit is unknown as long as growth is.
func timeToLimit(s *snapshot) float64 {
	if !s.verdict.Estimated {
		return math.NaN()
	}
	return s.timeToLimit
}

func collectResident(s *snapshot, desc *prometheus.Desc, out chan<- prometheus.Metric) {
	if s.reading.Total == 0 {
		return
	}
	gauge(out, desc, float64(s.reading.Total), "total")
	if parts := s.reading.Parts; parts != nil {
		gauge(out, desc, float64(parts.Anonymous), "anonymous")
		gauge(out, desc, float64(parts.File), "file")
		gauge(out, desc, float64(parts.Shared), "shared")
	}
}

func collectCodes(s *snapshot, desc *prometheus.Desc, out chan<- prometheus.Metric) {
	for code, n := range s.totals.Codes {
		label := strconv.Itoa(code)
		if code == 0 {
			label = "unknown" // the client did not wait for an answer, or a tool does not tell
		}
		counter(out, desc, n, label)
	}
}

func collectErrors(s *snapshot, desc *prometheus.Desc, out chan<- prometheus.Metric) {
	for _, reason := range load.Reasons() {
		counter(out, desc, s.totals.Errors[reason], string(reason))
	}
}

func collectLatency(s *snapshot, desc *prometheus.Desc, out chan<- prometheus.Metric) {
	out <- latencyMetric(desc, &s.totals)
}

func gauge(out chan<- prometheus.Metric, desc *prometheus.Desc, value float64, labels ...string) {
	out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
}

func counter(out chan<- prometheus.Metric, desc *prometheus.Desc, value uint64, labels ...string) {
	out <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(value), labels...)
}

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

func unixSeconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
