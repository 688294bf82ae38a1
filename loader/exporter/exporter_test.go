package exporter

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/lab"
	"leaklab/loader/load"
	"leaklab/loader/memory"
	"leaklab/loader/verdict"
)

func newExporter(tries int) *Exporter {
	sampler := memory.NewSampler(func(context.Context) (memory.Reading, error) {
		return memory.Reading{Total: 6000, Parts: &memory.Parts{Anonymous: 3000, File: 2000, Shared: 1000}}, nil
	})
	_, _ = sampler.Read(context.Background())
	return New(Run{Started: time.Unix(1_700_000_000, 0), Tries: tries, Tolerance: 4, Shape: "churn", Protocol: "h2c"}, sampler, load.NewMeter())
}

func iteration(number int) lab.Iteration {
	return lab.Iteration{
		Number: number,
		Load:   load.Result{Totals: load.Totals{Requests: 500}, Elapsed: 2 * time.Second},
		Start:  memory.Reading{Total: 1000}, End: memory.Reading{Total: 900}, Peak: 1500,
	}
}

func TestMetricsOfARun(t *testing.T) {
	e := newExporter(100)
	e.run.AtMost = true
	e.meter.StartBurst(1, time.Unix(1_700_000_001, 500_000_000))
	e.meter.EndBurst()
	e.Add(iteration(1))
	e.meter.StartBurst(2, time.Unix(1_700_000_004, 0))

	require.NoError(t, testutil.CollectAndCompare(e, strings.NewReader(`
# HELP leaklab_iteration Number of the iteration whose load began last; 0 before the first.
# TYPE leaklab_iteration gauge
leaklab_iteration 2
# HELP leaklab_iteration_requests Requests answered in the iteration.
# TYPE leaklab_iteration_requests gauge
leaklab_iteration_requests{iteration="001"} 500
# HELP leaklab_iteration_requests_per_second Requests answered per second while the load of the iteration lasted.
# TYPE leaklab_iteration_requests_per_second gauge
leaklab_iteration_requests_per_second{iteration="001"} 250
# HELP leaklab_iteration_rss_end_bytes Resident memory of the server after the load of the iteration and settling, in bytes.
# TYPE leaklab_iteration_rss_end_bytes gauge
leaklab_iteration_rss_end_bytes{iteration="001"} 900
# HELP leaklab_iteration_rss_leaked_bytes Resident memory at the end of the iteration less that at its start, in bytes; negative if it shrank.
# TYPE leaklab_iteration_rss_leaked_bytes gauge
leaklab_iteration_rss_leaked_bytes{iteration="001"} -100
# HELP leaklab_iteration_rss_peak_bytes Highest resident memory of the server from before the load to the end of the iteration, in bytes.
# TYPE leaklab_iteration_rss_peak_bytes gauge
leaklab_iteration_rss_peak_bytes{iteration="001"} 1500
# HELP leaklab_iteration_rss_start_bytes Resident memory of the server before the load of the iteration, in bytes.
# TYPE leaklab_iteration_rss_start_bytes gauge
leaklab_iteration_rss_start_bytes{iteration="001"} 1000
# HELP leaklab_iteration_start_timestamp_seconds Unix time at which the load of the iteration began.
# TYPE leaklab_iteration_start_timestamp_seconds gauge
leaklab_iteration_start_timestamp_seconds{iteration="001"} 1.7000000015e+09
leaklab_iteration_start_timestamp_seconds{iteration="002"} 1.700000004e+09
# HELP leaklab_iterations Number of iterations of the run, or the most that there may be with TRIES=auto.
# TYPE leaklab_iterations gauge
leaklab_iterations 100
# HELP leaklab_iterations_at_most 1 if leaklab_iterations is the most that there may be, 0 if it is the number of iterations.
# TYPE leaklab_iterations_at_most gauge
leaklab_iterations_at_most 1
# HELP leaklab_load_active 1 while load is running, 0 while the server rests.
# TYPE leaklab_load_active gauge
leaklab_load_active 1
# HELP leaklab_run_start_timestamp_seconds Unix time at which the run began.
# TYPE leaklab_run_start_timestamp_seconds gauge
leaklab_run_start_timestamp_seconds 1.7e+09
# HELP leaklab_server_resident_memory_bytes Resident memory of the server's process tree, seen from outside, by kind, in bytes.
# TYPE leaklab_server_resident_memory_bytes gauge
leaklab_server_resident_memory_bytes{kind="anonymous"} 3000
leaklab_server_resident_memory_bytes{kind="file"} 2000
leaklab_server_resident_memory_bytes{kind="shared"} 1000
leaklab_server_resident_memory_bytes{kind="total"} 6000
# HELP leaklab_request_errors_total Requests that failed or were answered with a 4xx or 5xx status, by reason.
# TYPE leaklab_request_errors_total counter
leaklab_request_errors_total{reason="bad_response"} 0
leaklab_request_errors_total{reason="connect"} 0
leaklab_request_errors_total{reason="other"} 0
leaklab_request_errors_total{reason="reset"} 0
leaklab_request_errors_total{reason="status_4xx"} 0
leaklab_request_errors_total{reason="status_5xx"} 0
leaklab_request_errors_total{reason="timeout"} 0
`),
		"leaklab_iteration", "leaklab_iterations", "leaklab_iterations_at_most", "leaklab_iteration_requests", "leaklab_iteration_requests_per_second",
		"leaklab_iteration_rss_start_bytes", "leaklab_iteration_rss_end_bytes", "leaklab_iteration_rss_peak_bytes",
		"leaklab_iteration_rss_leaked_bytes", "leaklab_iteration_start_timestamp_seconds", "leaklab_load_active",
		"leaklab_run_start_timestamp_seconds", "leaklab_server_resident_memory_bytes", "leaklab_request_errors_total",
	))
}

func TestTheVerdictForms(t *testing.T) {
	e := newExporter(10)
	names := []string{"leaklab_verdict", "leaklab_tolerance_bytes_per_request", "leaklab_time_to_memory_limit_seconds"}
	const help = `
# HELP leaklab_time_to_memory_limit_seconds Time until the server reaches its memory limit under this load, in seconds; +Inf if it is not sure to grow, NaN before the fifth iteration.
# TYPE leaklab_time_to_memory_limit_seconds gauge
leaklab_time_to_memory_limit_seconds %s
# HELP leaklab_tolerance_bytes_per_request Growth that still counts as no leak, in bytes per request.
# TYPE leaklab_tolerance_bytes_per_request gauge
leaklab_tolerance_bytes_per_request 4
# HELP leaklab_verdict 1 for the verdict on the iterations so far, 0 for the others.
# TYPE leaklab_verdict gauge
leaklab_verdict{verdict="inconclusive"} %d
leaklab_verdict{verdict="leak"} %d
leaklab_verdict{verdict="no leak"} 0
`
	require.NoError(t, testutil.CollectAndCompare(e, strings.NewReader(fmt.Sprintf(help, "NaN", 1, 0)), names...))

	e.SetVerdict(verdict.Verdict{Kind: verdict.Leak, Estimated: true, Growth: 100, Lower: 90, Upper: 110}, 3600)
	require.NoError(t, testutil.CollectAndCompare(e, strings.NewReader(fmt.Sprintf(help, "3600", 0, 1)), names...))
}

func TestMetricsFollowTheConventions(t *testing.T) {
	e := newExporter(10)
	e.Add(iteration(1))
	problems, err := testutil.CollectAndLint(e)
	require.NoError(t, err)
	assert.Empty(t, problems)
}

func TestIterationsSortAsText(t *testing.T) {
	for tries, want := range map[int][2]string{9: {"1", "9"}, 10: {"01", "10"}, 100: {"001", "100"}} {
		s := &snapshot{Run: Run{Tries: tries}}
		assert.Equal(t, want[0], s.label(1))
		assert.Equal(t, want[1], s.label(tries))
	}
}

// Each metric is documented once, and shown by a panel or not for a reason.
func TestMetricsAreDocumented(t *testing.T) {
	seen := make(map[string]bool)
	for _, m := range Metrics() {
		assert.False(t, seen[m.Name], "%s is there twice", m.Name)
		seen[m.Name] = true
		assert.NotEmpty(t, m.Help, m.Name)
		assert.NotEqual(t, m.Panel == "", m.Unshown == "", "%s: a panel or a reason for none", m.Name)
	}
}

// A run of any length has as many series as one of mostIterations: those of the newest, and of the load that runs.
func TestSeriesAreBounded(t *testing.T) {
	series := func(iterations int) (e *Exporter, count int) {
		e = newExporter(10_000)
		for n := range iterations {
			e.meter.StartBurst(n+1, time.Unix(1_700_000_000, 0))
			e.Add(withLive(iteration(n + 1)))
		}
		return e, testutil.CollectAndCount(e)
	}
	_, one := series(1)
	_, two := series(2)
	assert.LessOrEqual(t, two-one, 18, "of an iteration")
	_, most := series(mostIterations)
	const shaded = 2 // all bursts of this test begin and end at the same time
	assert.Equal(t, one+(mostIterations-1)*(two-one)-shaded, most, "of so many iterations the load is not shaded")
	e, more := series(3 * mostIterations / 2)
	assert.Equal(t, most, more)
	assert.Equal(t, mostIterations/2+1, e.iterations[0].Number)
}

func TestHistogramHasEveryAnswerInItsBucket(t *testing.T) {
	totals := load.NewMeter().Snapshot()
	for _, latency := range []time.Duration{10 * time.Microsecond, time.Millisecond, 20 * time.Millisecond, time.Minute} {
		require.NoError(t, totals.Latency.RecordValue(int64(latency)))
	}
	for bound, count := range cumulative(&totals) {
		want := 1 // what is below the lowest bound
		if bound > 0.0011 {
			want = 2
		}
		if bound > 0.021 {
			want = 3 // and what is above the highest is in none
		}
		assert.EqualValues(t, want, count, "up to %v s", bound)
	}
}

func TestNativeHistogramHasEveryAnswerToo(t *testing.T) {
	totals := load.NewMeter().Snapshot()
	for _, latency := range []time.Duration{time.Millisecond, time.Millisecond, 20 * time.Millisecond, time.Minute} {
		require.NoError(t, totals.Latency.RecordValue(int64(latency)))
	}
	totals.Requests = 4
	var out dto.Metric
	require.NoError(t, latencyMetric(prometheus.NewDesc("latency_seconds", "", nil, nil), &totals).Write(&out))
	h := out.GetHistogram()
	assert.EqualValues(t, 4, h.GetSampleCount())
	assert.NotEmpty(t, h.Bucket, "and the classic buckets")
	assert.EqualValues(t, nativeSchema, h.GetSchema())
	assert.Zero(t, h.GetZeroCount())
	counts := map[int]int64{}
	index, count := int32(0), int64(0)
	next := 0
	for _, span := range h.PositiveSpan {
		index += span.GetOffset()
		for range span.GetLength() {
			count += h.PositiveDelta[next]
			next++
			if count > 0 {
				counts[int(index)] = count
			}
			index++
		}
	}
	// A bucket n holds what is above 2^((n-1)/8) s and not above 2^(n/8) s.
	assert.Equal(t, map[int]int64{-79: 2, -45: 1, 48: 1}, counts)
}

func scrape(t *testing.T, e *Endpoint) string { return get(t, e, "/metrics") }

func get(t *testing.T, e *Endpoint, path string) string {
	resp, err := http.Get(fmt.Sprintf("http://%s%s", e.listener.Addr(), path))
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(body)
}

func TestEndpointServesTheRunAndTheProcess(t *testing.T) {
	e, err := Listen("127.0.0.1:0")
	require.NoError(t, err)
	e.Serve("20261123T144625Z", newExporter(10))
	body := scrape(t, e)
	assert.Contains(t, body, "\nleaklab_iterations 10\n")
	assert.Contains(t, body, "\nleaklab_iterations_at_most 0\n")
	assert.Contains(t, body, "\ngo_goroutines ")
	assert.NotContains(t, body, "run=")

	// The same, for a scraper that keeps several runs.
	named := get(t, e, "/metrics/run")
	for _, line := range strings.Split(strings.TrimSpace(named), "\n") {
		assert.True(t, strings.HasPrefix(line, "#") || strings.Contains(line, `run="20261123T144625Z"`), line)
	}
	assert.Contains(t, named, "\nleaklab_iterations{run=\"20261123T144625Z\"} 10\n")
	assert.Contains(t, named, "\nleaklab_run_info{protocol=\"h2c\",run=\"20261123T144625Z\",shape=\"churn\"} 1\n")
	assert.Contains(t, named, "\ngo_goroutines{run=")
	require.NoError(t, e.Close())
	_, err = http.Get(fmt.Sprintf("http://%s/metrics", e.listener.Addr()))
	assert.Error(t, err)
}

func TestNothingWaitsWithoutAScrape(t *testing.T) {
	e, err := Listen("127.0.0.1:0")
	require.NoError(t, err)
	e.Serve("")
	e.AwaitFinalScrape(t.Context(), time.Hour)
	require.NoError(t, e.Close())
}

func TestTheFinalValuesAreScrapedBeforeTheEnd(t *testing.T) {
	e, err := Listen("127.0.0.1:0")
	require.NoError(t, err)
	entered, release := make(chan struct{}), make(chan struct{})
	slow := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "slow"}, func() float64 {
		entered <- struct{}{}
		<-release
		return 1
	})
	e.Serve("", slow)
	done := make(chan struct{})
	go func() { scrape(t, e); done <- struct{}{} }()
	<-entered
	release <- struct{}{}
	<-done

	// A scrape that began before the values were final does not end the wait; the next one does.
	go func() { scrape(t, e); done <- struct{}{} }()
	<-entered
	waited := make(chan struct{})
	go func() { e.AwaitFinalScrape(t.Context(), time.Hour); close(waited) }()
	require.Eventually(t, e.isFinal, time.Minute, time.Millisecond)
	release <- struct{}{}
	<-done
	select {
	case <-waited:
		t.Fatal("did not wait for a scrape of the final values")
	case <-time.After(50 * time.Millisecond):
	}
	go func() { scrape(t, e); done <- struct{}{} }()
	<-entered
	release <- struct{}{}
	<-done
	<-waited
	require.NoError(t, e.Close())
}

func TestTheWaitForTheLastScrapeIsLimited(t *testing.T) {
	e, err := Listen("127.0.0.1:0")
	require.NoError(t, err)
	e.Serve("")
	scrape(t, e)
	e.AwaitFinalScrape(t.Context(), time.Millisecond)
	require.NoError(t, e.Close())
}

func TestAwaitScrape(t *testing.T) {
	e, err := Listen("127.0.0.1:0")
	require.NoError(t, err)
	defer e.Close()
	e.Serve("")
	assert.False(t, e.AwaitScrape(t.Context(), time.Millisecond))
	over, cancel := context.WithCancel(t.Context())
	cancel()
	assert.False(t, e.AwaitScrape(over, time.Hour))
	resp, err := http.Get("http://" + e.listener.Addr().String() + "/metrics")
	require.NoError(t, err)
	_ = resp.Body.Close()
	assert.True(t, e.AwaitScrape(t.Context(), time.Hour))
}

func TestMetricsOfALoadTool(t *testing.T) {
	e := newExporter(10)
	e.meter.Add(map[int]uint64{0: 7, 200: 5}, map[load.Reason]uint64{load.Other: 2})
	uncounted := iteration(1)
	uncounted.Requests, uncounted.Uncounted, uncounted.Load.Requests = 1, true, 0
	e.Add(uncounted)
	require.NoError(t, testutil.CollectAndCompare(e, strings.NewReader(`
# HELP leaklab_requests_total Requests answered, by HTTP status code, "unknown" if a load tool does not tell it.
# TYPE leaklab_requests_total counter
leaklab_requests_total{code="200"} 5
leaklab_requests_total{code="unknown"} 7
`), "leaklab_requests_total", "leaklab_iteration_requests", "leaklab_iteration_requests_per_second"))
	gathered, err := testutil.CollectAndFormat(e, expfmt.TypeTextPlain, "leaklab_request_duration_seconds")
	require.NoError(t, err)
	assert.Contains(t, string(gathered), "leaklab_request_duration_seconds_count 0\n", "how long they took is not known")
}

// A scrape reads the sampler's newest sample, and the sampler tells the exporter of each: neither may wait for the other.
func TestScrapesWhileSamplesCome(t *testing.T) {
	e := newExporter(10)
	e.sampler.Observe = func(s memory.Sample) { e.Sample(s.At, s.Reading.Total) }
	var both sync.WaitGroup
	both.Go(func() {
		for range 20_000 {
			_, _ = e.sampler.Read(context.Background())
		}
	})
	both.Go(func() {
		for range 200 {
			e.snapshot()
		}
	})
	done := make(chan struct{})
	go func() { both.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("each waits for the other")
	}
}
