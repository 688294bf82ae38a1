package judge

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/lab"
	"leaklab/loader/load"
	"leaklab/loader/memory"
	"leaklab/loader/record"
	"leaklab/loader/verdict"
)

// deliberate judges n iterations of 1 s with 1000 requests each that keep the given bytes a request.
func deliberate(n int, bytesPerRequest int64, limit memory.Limit) *Judge {
	j := New(Plan{Options: verdict.Options{Tolerance: 4}, Limit: limit})
	for number := range n {
		add(j, lab.Iteration{
			Number: number + 1, Of: n, Requests: 1000,
			Load:  load.Result{Totals: totals(1000), Elapsed: time.Second},
			Start: memory.Reading{Total: 10<<20 + int64(number)*1000*bytesPerRequest},
			End:   memory.Reading{Total: 10<<20 + int64(number+1)*1000*bytesPerRequest},
		})
	}
	return j
}

// add adds an iteration as a run does.
func add(j *Judge, i lab.Iteration) { j.Add(i, record.NewIteration(i)) }

// totals are those of as many requests that were answered with 200.
func totals(requests uint64) load.Totals {
	t := load.NewMeter().Snapshot()
	t.Requests, t.Codes[200] = requests, requests
	return t
}

func TestTimeToLimit(t *testing.T) {
	limit := memory.Limit{Bytes: 110 << 20, Of: "its cgroup"}
	leaking := deliberate(10, 10_000, limit)
	assert.Equal(t, verdict.Leak, leaking.verdict.Kind)
	left := float64(100<<20) - 10*1000*10_000
	assert.InEpsilon(t, left/(10_000*1000), leaking.TimeToLimit(), 0.01)

	assert.True(t, math.IsInf(deliberate(10, 0, limit).TimeToLimit(), 1), "no growth")
	assert.True(t, math.IsInf(deliberate(10, 10_000, memory.Limit{}).TimeToLimit(), 1), "no limit")
	assert.True(t, math.IsInf(deliberate(3, 10_000, limit).TimeToLimit(), 1), "too early to tell")
	assert.Zero(t, deliberate(10, 10_000, memory.Limit{Bytes: 10 << 20}).TimeToLimit(), "it is reached")
}

// A judgement takes the longer the more iterations there are, so that later ones are judged now and then: those that are
// reported, those after which a run of unknown length may end, and the last.
func TestLongRunsAreJudgedLessOften(t *testing.T) {
	later := func(maxIterations, last int) *Judge {
		j := deliberate(0, 0, memory.Limit{})
		j.options.MaxIterations = maxIterations
		for number := 101; number <= last; number++ {
			add(j, lab.Iteration{Number: number, Requests: 1000, Load: load.Result{Totals: totals(1000)}, End: memory.Reading{Total: 10 << 20}})
		}
		return j
	}
	j := later(0, 109)
	assert.Zero(t, j.verdict.Judged.Last)
	j.Renew()
	assert.Equal(t, 9, j.verdict.Judged.Last, "before it is decided whether to rest")
	j = later(0, 109)
	j.End(nil)
	assert.Equal(t, 9, j.verdict.Judged.Last)

	assert.Equal(t, 10, later(0, 111).verdict.Judged.Last)
	require.Contains(t, verdict.Looks(1000), 111)
	assert.Equal(t, 11, later(1000, 111).verdict.Judged.Last)
}

// The histogram of latencies is most of what an iteration takes.
func TestLatenciesAreNotKept(t *testing.T) {
	j := deliberate(0, 0, memory.Limit{})
	i := lab.Iteration{Number: 1, Load: load.Result{Totals: load.NewMeter().Snapshot()}}
	add(j, i)
	assert.Nil(t, j.iterations[0].Load.Latency)
	assert.NotNil(t, i.Load.Latency, "others still need it")
}

func TestRequestsThatAreUnknown(t *testing.T) {
	j := deliberate(0, 0, memory.Limit{})
	j.options.Tolerance = 100_000
	for n := range 12 {
		add(j, lab.Iteration{
			Number: n + 1, Of: 12, Requests: 1, Uncounted: true, Load: load.Result{Totals: totals(0), Elapsed: time.Second, Uncounted: true},
			Start: memory.Reading{Total: 10<<20 + int64(n)<<20}, End: memory.Reading{Total: 10<<20 + int64(n+1)<<20},
		})
	}
	assert.Equal(t, verdict.Leak, j.Verdict().Kind)
	assert.Equal(t, verdict.PerIteration, j.Verdict().Unit)
	assert.InDelta(t, 1<<20, j.Verdict().Growth, 1)
	assert.Equal(t, []string{"The number of requests is unknown: neither LOAD_COMMAND's output nor METRICS_URL reports it. " +
		"The growth, and TOLERANCE, are in bytes per iteration."}, j.Remarks(0, 0))
}

func TestRequestsThatTheServerCounted(t *testing.T) {
	j := deliberate(4, 0, memory.Limit{})
	assert.Empty(t, j.counted())
	last := &j.iterations[3]
	last.Load.Uncounted, last.End.RequestsCounter = true, "http_requests_total"
	assert.Equal(t, "The requests were counted by the server: http_requests_total at METRICS_URL.", j.counted())

	// Those of other loaders too, of which there were none in the last iteration.
	j = deliberate(4, 0, memory.Limit{})
	second := &j.iterations[1]
	second.Requests, second.End.RequestsCounter = second.Load.Requests+1, "http_requests_total"
	assert.Equal(t, "The requests were counted by the server: http_requests_total at METRICS_URL.", j.counted())
}

// Events that arrived between two iterations are in the requests as well.
func TestRequestsThatTheServerSentByItself(t *testing.T) {
	j := deliberate(4, 0, memory.Limit{})
	for n := range j.iterations {
		i := &j.iterations[n]
		i.Load.Unasked, i.Requests, i.End.RequestsCounter = 7, i.Load.Requests+7, "http_requests_total"
	}
	assert.Empty(t, j.counted())
}

func TestWhatALoadToolDoesNotCount(t *testing.T) {
	j := deliberate(4, 0, memory.Limit{})
	assert.Empty(t, j.tool())
	for n := range j.iterations {
		i := &j.iterations[n]
		i.Load.Reported, i.Load.Notes = true, []string{"Its warm-up."}
		i.ServerCount = i.Load.Requests + 10
	}
	assert.Equal(t, "Its warm-up.", j.tool(), "said once; some more may be in flight at the end")

	j.iterations[2].ServerCount += 1990
	assert.Equal(t, "Its warm-up. The server has counted 6030 requests where LOAD_COMMAND reports 4000. "+
		"A tool may follow redirects, or send a request again, without counting that. The growth is per request that it reports.", j.tool())
	assert.Contains(t, j.Remarks(0, 0), j.tool())
	for n := range j.iterations {
		j.iterations[n].Requests = j.iterations[n].ServerCount
	}
	assert.Equal(t, "Its warm-up.", j.tool(), "the growth is per request that the server has counted")
	j.iterations[2].Requests, j.iterations[2].Load.Errors = j.iterations[2].Load.Requests, map[load.Reason]uint64{load.Reset: 1990}
	assert.Equal(t, "Its warm-up.", j.tool(), "requests without a response")
}

func TestHeapThatTheServerReports(t *testing.T) {
	j := deliberate(4, 0, memory.Limit{})
	assert.Empty(t, j.ownHeap())
	for n := range j.iterations {
		j.iterations[n].End.HeapInUse, j.iterations[n].End.HeapMetric = int64(12+n)<<20, "nodejs_heap_size_used_bytes"
	}
	const want = "The server's metric nodejs_heap_size_used_bytes went from 12 to 15 MiB, from the first end reading to the last. " +
		"It is not judged, since garbage that was not collected yet is in it: it is no live memory."
	assert.Equal(t, want, j.ownHeap())
	assert.Contains(t, j.Remarks(0, 0), want)
	j.iterations[3].Live = &lab.Live{}
	assert.Empty(t, j.ownHeap(), "live memory tells more")
	j = deliberate(1, 0, memory.Limit{})
	j.iterations[0].End.HeapInUse, j.iterations[0].End.HeapMetric = 12<<20, "nodejs_heap_size_used_bytes"
	assert.Empty(t, j.ownHeap(), "one reading does not change")
}

func TestRemarks(t *testing.T) {
	remarks := deliberate(12, 10_000, memory.Limit{Bytes: 2 << 30, Of: "its cgroup"}).Remarks(64, 64)
	require.Len(t, remarks, 2)
	assert.Equal(t, "The server had all 64 files open that it may have, sockets included (ulimit -n): what connects beyond that has to wait.", remarks[0])
	assert.Contains(t, remarks[1], "Under this load the server reaches the limit of its cgroup, 2048 MiB, in 3 min 2")

	unlimited := deliberate(12, 10_000, memory.Limit{})
	assert.Empty(t, unlimited.Remarks(63, 64), "it may have one more")
	assert.Empty(t, unlimited.Remarks(64, 0), "the limit is unknown")
}

func TestConnectionsThatAServerDoesNotKeepAreTold(t *testing.T) {
	j := &Judge{}
	for _, reopened := range []uint64{0, 0, 90} {
		j.iterations = append(j.iterations, lab.Iteration{Load: load.Result{Connections: 100, Reopened: reopened}})
	}
	j.iterations = append(j.iterations, lab.Iteration{Load: load.Result{Connections: 100, Reopened: 9}})
	assert.Empty(t, j.reopened(), "fewer than a quarter")
	j.iterations[0].Load.Reopened = 1
	assert.Equal(t, "The server closed connections that CONNECTIONS=kept keeps open: 100 were opened again in 4 iterations with 100 at a time. "+
		"What it keeps for each does not add up then. A longer idle timeout of the server, or more requests for each connection, would show it.", j.reopened())
	assert.Empty(t, (&Judge{iterations: make([]lab.Iteration, 2)}).reopened(), "a load tool's connections are unknown")
}

func TestErrorPagesAreWarnedAbout(t *testing.T) {
	answered := func(codes map[int]uint64) lab.Iteration {
		totals := load.NewMeter().Snapshot()
		for code, n := range codes {
			totals.Codes[code] = n
			totals.Requests += n
		}
		return lab.Iteration{Load: load.Result{Totals: totals}}
	}
	j := &Judge{iterations: []lab.Iteration{answered(map[int]uint64{200: 60, 503: 40}), answered(map[int]uint64{0: 50, 206: 10, 500: 40}), answered(nil)}}
	assert.Empty(t, j.errorPages())
	j.iterations = append(j.iterations, answered(map[int]uint64{200: 40, 404: 50, 301: 10}))
	assert.Equal(t, "In 1 of 4 iterations most answers were not 2xx but, for the most part, 404 Not Found: this may be the verdict on an error page.", j.errorPages())
}

func TestRequestsWithoutAnAnswerAreWarnedAbout(t *testing.T) {
	iteration := func(requests uint64, errors map[load.Reason]uint64) lab.Iteration {
		return lab.Iteration{Load: load.Result{Totals: load.Totals{Requests: requests, Errors: errors}}}
	}
	j := &Judge{iterations: []lab.Iteration{
		iteration(100, map[load.Reason]uint64{load.Status5xx: 100, load.Timeout: 60}),
		iteration(100, map[load.Reason]uint64{load.Reset: 40, load.Connect: 30}),
	}}
	assert.Empty(t, j.unanswered())
	j.iterations = append(j.iterations, iteration(100, map[load.Reason]uint64{load.Connect: 40, load.Timeout: 61}))
	assert.Equal(t, "In 1 of 3 iterations most requests got no answer but, for the most part, the error timeout: this is the verdict on the few that did.", j.unanswered())
}

// A reading of live memory after the rest tells growth with time.
func TestLiveMemoryThatGrowsAtRest(t *testing.T) {
	began := time.Unix(1e9, 0)
	for gained, says := range map[int64]bool{500_000: true, 0: false} {
		j := New(Plan{Options: verdict.Options{Tolerance: 4}})
		var last lab.Iteration
		for n := range 10 {
			started := began.Add(time.Duration(n) * 4 * time.Second)
			last = lab.Iteration{
				Number: n + 1, Of: 10, Requests: 1000, Load: load.Result{Totals: totals(1000), StartedAt: started, Elapsed: 3 * time.Second},
				Start: memory.Reading{Total: 90 << 20}, End: memory.Reading{Total: 90 << 20}, EndedAt: started.Add(3500 * time.Millisecond),
				Live: &lab.Live{Live: memory.Live{Bytes: 4e6 + int64(n)*400_000, Heap: 50 << 20, Outside: 10 << 20}, Idle: -1},
			}
			add(j, last)
		}
		after := last.Live.Live
		after.Bytes += gained
		j.End(&lab.Rest{Reading: memory.Reading{Total: 90 << 20}, Length: 5 * time.Second, EndedAt: last.EndedAt.Add(5 * time.Second), Live: &after, LiveAt: last.EndedAt.Add(5 * time.Second)})
		assert.Equal(t, verdict.Live, j.Verdict().Of)
		assert.Equal(t, says, strings.Contains(j.Verdict().Sentence, "Live memory grows with time, not with requests: without load by 100,000 bytes/second"), j.Verdict().Sentence)
	}
}
