package main

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/config"
	"leaklab/loader/exporter"
	"leaklab/loader/lab"
	"leaklab/loader/load"
	"leaklab/loader/memory"
	"leaklab/loader/verdict"
)

// deliberate judges n iterations of 1 s with 1000 requests each that keep the given bytes a request.
func deliberate(t *testing.T, n int, bytesPerRequest int64, limit memory.Limit) *jury {
	t.Helper()
	state := exporter.New(exporter.Run{Started: time.Now(), Tries: n, Tolerance: 4}, memory.NewSampler(nil), load.NewMeter())
	j := newJury(verdict.Options{Tolerance: 4}, limit, state)
	for number := range n {
		require.NoError(t, j.IterationEnded(lab.Iteration{
			Number: number + 1, Of: n, Requests: 1000,
			Load:  load.Result{Totals: load.Totals{Requests: 1000}, Elapsed: time.Second},
			Start: memory.Reading{Total: 10<<20 + int64(number)*1000*bytesPerRequest},
			End:   memory.Reading{Total: 10<<20 + int64(number+1)*1000*bytesPerRequest},
		}))
	}
	return j
}

func TestTimeToLimit(t *testing.T) {
	limit := memory.Limit{Bytes: 110 << 20, Of: "its cgroup"}
	leaking := deliberate(t, 10, 10_000, limit)
	assert.Equal(t, verdict.Leak, leaking.verdict.Kind)
	left := float64(100<<20) - 10*1000*10_000
	assert.InEpsilon(t, left/(10_000*1000), leaking.timeToLimit(), 0.01)

	assert.True(t, math.IsInf(deliberate(t, 10, 0, limit).timeToLimit(), 1), "no growth")
	assert.True(t, math.IsInf(deliberate(t, 10, 10_000, memory.Limit{}).timeToLimit(), 1), "no limit")
	assert.True(t, math.IsInf(deliberate(t, 3, 10_000, limit).timeToLimit(), 1), "too early to tell")
	assert.Zero(t, deliberate(t, 10, 10_000, memory.Limit{Bytes: 10 << 20}).timeToLimit(), "it is reached")
}

// A judgement takes the longer the more iterations there are, so that later ones are judged now and then: those that are
// reported, those after which a run of unknown length may end, and the last.
func TestLongRunsAreJudgedLessOften(t *testing.T) {
	later := func(maxIterations, last int) *jury {
		j := deliberate(t, 0, 0, memory.Limit{})
		j.options.MaxIterations = maxIterations
		for number := 101; number <= last; number++ {
			require.NoError(t, j.IterationEnded(lab.Iteration{Number: number, Requests: 1000, End: memory.Reading{Total: 10 << 20}}))
		}
		return j
	}
	j := later(0, 109)
	assert.Zero(t, j.verdict.Judged.Last)
	j.end(nil)
	assert.Equal(t, 9, j.verdict.Judged.Last)

	assert.Equal(t, 10, later(0, 111).verdict.Judged.Last)
	require.Contains(t, verdict.Looks(1000), 111)
	assert.Equal(t, 11, later(1000, 111).verdict.Judged.Last)
}

// The histogram of latencies is most of what an iteration takes.
func TestLatenciesAreNotKept(t *testing.T) {
	j := deliberate(t, 0, 0, memory.Limit{})
	i := lab.Iteration{Number: 1, Load: load.Result{Totals: load.NewMeter().Snapshot()}}
	require.NoError(t, j.IterationEnded(i))
	assert.Nil(t, j.iterations[0].Load.Latency)
	assert.NotNil(t, i.Load.Latency, "others still need it")
}

func TestReportOfWhatNobodyCouldCount(t *testing.T) {
	j := deliberate(t, 0, 0, memory.Limit{})
	j.options.Tolerance = 100_000
	for n := range 12 {
		require.NoError(t, j.IterationEnded(lab.Iteration{
			Number: n + 1, Of: 12, Requests: 1, Uncounted: true, Load: load.Result{Elapsed: time.Second, Uncounted: true},
			Start: memory.Reading{Total: 10<<20 + int64(n)<<20}, End: memory.Reading{Total: 10<<20 + int64(n+1)<<20},
		}))
	}
	var out bytes.Buffer
	require.NoError(t, j.report(&out, "results/x"))
	words := strings.Join(strings.Fields(out.String()), " ")
	assert.Contains(t, words, "leak +1,048,576 bytes/iteration (95%: ")
	assert.Contains(t, words, "resident memory grows by 1,048,576 bytes an iteration (")
	assert.Contains(t, words, "Nobody could count the requests")
	assert.NotContains(t, words, "request (")
	assert.Equal(t, verdict.Leak, j.verdict.Kind)
	assert.Equal(t, verdict.PerIteration, unitOf(j.evidence), "a recorded run is judged the same")
	assert.Equal(t, verdict.PerRequest, unitOf(deliberate(t, 2, 0, memory.Limit{}).evidence))
}

func TestReportOfWhatTheServerCounted(t *testing.T) {
	j := deliberate(t, 4, 0, memory.Limit{})
	assert.Empty(t, j.counted())
	last := &j.iterations[3]
	last.Load.Uncounted, last.End.RequestsCounter = true, "http_requests_total"
	assert.Equal(t, "The requests were counted by the server: http_requests_total at METRICS_URL.", j.counted())

	// Those of other loaders too, of which there were none in the last iteration.
	j = deliberate(t, 4, 0, memory.Limit{})
	second := &j.iterations[1]
	second.Requests, second.End.RequestsCounter = second.Load.Requests+1, "http_requests_total"
	assert.Equal(t, "The requests were counted by the server: http_requests_total at METRICS_URL.", j.counted())
}

func TestReportOfAVerdict(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, deliberate(t, 12, 10_000, memory.Limit{Bytes: 2 << 30, Of: "its cgroup"}).report(&out, "results/x"))
	assert.Regexp(t, `\nleak  \+10,000 bytes/request \(95%: [\d,]+ to [\d,]+; tolerance 4\)\n`, out.String())
	words := strings.Join(strings.Fields(out.String()), " ")
	assert.Contains(t, words, "Under this load the server reaches the limit of its cgroup, 2048 MiB, in 3 min 2")
	assert.Contains(t, out.String(), "\nResults: results/x\n")

	out.Reset()
	require.NoError(t, deliberate(t, 3, 10_000, memory.Limit{}).report(&out, "results/x"))
	assert.Contains(t, out.String(), "\ninconclusive\n")
	assert.NotContains(t, out.String(), "tolerance")

	out.Reset()
	require.NoError(t, deliberate(t, 0, 0, memory.Limit{}).report(&out, "results/x"))
	assert.Empty(t, out.String(), "nothing to judge")
}

func TestExitCodes(t *testing.T) {
	for kind, code := range map[verdict.Kind]int{verdict.NoLeak: 0, verdict.Leak: 1, verdict.Inconclusive: 125} {
		assert.Equal(t, code, exitCode(kind))
	}
}

func TestOptionsOf(t *testing.T) {
	cfg, err := config.Parse(map[string]string{"TRIES": "20", "TOLERANCE": "8"})
	require.NoError(t, err)
	assert.Equal(t, verdict.Options{Tolerance: 8}, optionsOf(cfg))
	cfg, err = config.Parse(map[string]string{"TRIES": "auto", "MAX_TRIES": "50"})
	require.NoError(t, err)
	assert.Equal(t, verdict.Options{Tolerance: 4, MaxIterations: 50}, optionsOf(cfg))
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
	j := &jury{iterations: []lab.Iteration{answered(map[int]uint64{200: 60, 503: 40}), answered(map[int]uint64{0: 50, 206: 10, 500: 40}), answered(nil)}}
	assert.Empty(t, j.warning())
	j.iterations = append(j.iterations, answered(map[int]uint64{200: 40, 404: 50, 301: 10}))
	assert.Equal(t, "In 1 of 4 iterations most answers were not 2xx but, for the most part, 404 Not Found: this may be the verdict on an error page.", j.warning())
}

func TestRequestsWithoutAnAnswerAreWarnedAbout(t *testing.T) {
	iteration := func(requests uint64, errors map[load.Reason]uint64) lab.Iteration {
		return lab.Iteration{Load: load.Result{Totals: load.Totals{Requests: requests, Errors: errors}}}
	}
	j := &jury{iterations: []lab.Iteration{
		iteration(100, map[load.Reason]uint64{load.Status5xx: 100, load.Timeout: 60}),
		iteration(100, map[load.Reason]uint64{load.Reset: 40, load.Connect: 30}),
	}}
	assert.Empty(t, j.unanswered())
	j.iterations = append(j.iterations, iteration(100, map[load.Reason]uint64{load.Connect: 40, load.Timeout: 61}))
	assert.Equal(t, "In 1 of 3 iterations most requests got no answer but, for the most part, the error timeout: this is the verdict on the few that did.", j.unanswered())
}
