package exporter

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/memory"
	"leaklab/loader/verdict"
)

// series returns the values of a metric by its labels, as they are written.
func series(t *testing.T, e *Exporter, name string) map[string]float64 {
	t.Helper()
	text, err := testutil.CollectAndFormat(e, expfmt.TypeTextPlain, name)
	require.NoError(t, err)
	values := make(map[string]float64)
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "#") {
			continue
		}
		end := strings.LastIndex(line, " ")
		value, err := strconv.ParseFloat(line[end+1:], 64)
		require.NoError(t, err)
		values[strings.TrimPrefix(line[:end], name)] = value
	}
	return values
}

// shownState is the one state that is 1.
func shownState(t *testing.T, e *Exporter) string {
	t.Helper()
	all := series(t, e, "leaklab_run_state")
	require.Len(t, all, len(States()))
	var shown []string
	for labels, value := range all {
		if value == 1 {
			shown = append(shown, strings.TrimSuffix(strings.TrimPrefix(labels, `{state="`), `"}`))
		}
	}
	require.Len(t, shown, 1)
	return shown[0]
}

func TestStateOfARun(t *testing.T) {
	judged := func(kind verdict.Kind, estimated bool) func(*Exporter) {
		return func(e *Exporter) { e.SetVerdict(verdict.Verdict{Kind: kind, Estimated: estimated}, 60) }
	}
	ended := func(state State) func(*Exporter) {
		return func(e *Exporter) { e.SetEnd(End{State: state, Reason: "x"}) }
	}
	load := func(e *Exporter) { e.meter.StartBurst(1, time.Unix(1_700_000_001, 0)) }
	for _, test := range []struct {
		want  string
		steps []func(*Exporter)
	}{
		{"waiting", nil},
		{"too early", []func(*Exporter){load}},
		{"too early", []func(*Exporter){load, judged(verdict.Inconclusive, false)}},
		{"inconclusive", []func(*Exporter){load, judged(verdict.Inconclusive, true)}},
		{"leak", []func(*Exporter){load, judged(verdict.Leak, true)}},
		{"no leak", []func(*Exporter){load, judged(verdict.NoLeak, true), ended("")}},
		{"inconclusive", []func(*Exporter){load, judged(verdict.Inconclusive, false), ended("")}},
		{"died", []func(*Exporter){load, judged(verdict.Leak, true), ended(Died)}},
		{"interrupted", []func(*Exporter){ended(Interrupted)}},
		{"failed", []func(*Exporter){load, ended(Failed)}},
	} {
		e := newExporter(10)
		for _, step := range test.steps {
			step(e)
		}
		assert.Equal(t, test.want, shownState(t, e))
	}
}

func TestEndTellsReasonAndIteration(t *testing.T) {
	e := newExporter(10)
	assert.Empty(t, series(t, e, "leaklab_run_end_info"), "it goes on")
	e.SetEnd(End{State: Died, Reason: "killed (SIGKILL)", Iteration: 5})
	assert.Equal(t, map[string]float64{`{iteration="5",reason="killed (SIGKILL)"}`: 1}, series(t, e, "leaklab_run_end_info"))
}

func TestPeakIsNeverBelowTheEnd(t *testing.T) {
	e := newExporter(9)
	i := iteration(1)
	i.End.Total, i.Peak = 1700, 1500
	e.Add(i)
	assert.Equal(t, map[string]float64{`{iteration="1"}`: 1700}, series(t, e, "leaklab_iteration_rss_peak_bytes"))
}

// A tmpfs that fills is in no process's resident memory.
func TestWhatIsHeldBesideResidentMemory(t *testing.T) {
	e := newExporter(9)
	e.Add(iteration(1))
	i := iteration(2)
	i.End.Held = &memory.Held{Swapped: 10, LazyFree: 20, HugeTLB: 30, Unmapped: 40}
	i.End.Cgroup = &memory.Cgroup{Anonymous: 1, File: 2, Shared: 3, Socket: 4}
	e.Add(i)
	i = iteration(3)
	i.End.Held = &memory.Held{Unmapped: 50}
	e.Add(i)
	assert.Equal(t, map[string]float64{
		`{iteration="2",kind="swapped"}`: 10, `{iteration="2",kind="hugetlb"}`: 30, `{iteration="2",kind="unmapped"}`: 40,
		`{iteration="3",kind="unmapped"}`: 50,
	}, series(t, e, "leaklab_iteration_server_beside_rss_bytes"))
	assert.Equal(t, map[string]float64{
		`{iteration="2",kind="anonymous"}`: 1, `{iteration="2",kind="file"}`: 2, `{iteration="2",kind="shared"}`: 3, `{iteration="2",kind="socket"}`: 4,
	}, series(t, e, "leaklab_iteration_server_cgroup_bytes"))
}

func TestPartsThatAreNotKnownAreNaN(t *testing.T) {
	e := newExporter(10)
	e.SetVerdict(verdict.Verdict{Estimated: true, Parts: []verdict.PartGrowth{
		{Part: verdict.LiveHeap, Growth: 64, Lower: 60, Upper: 68}, {Part: verdict.Threads, Growth: 1, Lower: 1, Upper: 1},
	}}, 60)
	all := series(t, e, "leaklab_part_growth_bytes_per_request")
	assert.Len(t, all, 3*9, "those in bytes")
	assert.Equal(t, 60.0, all[`{bound="lower",part="live heap"}`])
	assert.True(t, math.IsNaN(all[`{bound="lower",part="anonymous memory"}`]))
}

// The curve has a bounded number of points, each of which was there before the distance between them doubled.
func TestCurveIsBounded(t *testing.T) {
	e := newExporter(10)
	start := time.Unix(1_700_000_000, 0)
	labels := make(map[string]bool)
	before := map[string]float64{}
	for n := range 36_000 { // an hour
		e.Sample(start.Add(time.Duration(n)*memory.SampleInterval), int64(1000+n))
		if n%600 != 599 {
			continue
		}
		now := series(t, e, "leaklab_run_resident_memory_bytes")
		assert.LessOrEqual(t, len(now), mostPoints)
		assert.Greater(t, len(now), mostPoints/2-1)
		for label, value := range now {
			if old, shown := before[label]; shown {
				assert.Equal(t, old, value)
			}
			labels[label] = true
		}
		before = now
	}
	assert.Less(t, len(labels), 6*mostPoints)
	assert.Equal(t, 1000.0, before[`{elapsed="0"}`])
	assert.Equal(t, 1000.0+16*10, before[`{elapsed="16"}`])
}

func TestReadingsFromBeforeTheRunAreNoPoints(t *testing.T) {
	e := newExporter(10)
	e.Sample(time.Unix(1_699_999_999, 0), 5)
	e.Sample(time.Unix(1_700_000_000, 0), 0) // not known
	assert.Empty(t, series(t, e, "leaklab_run_resident_memory_bytes"))
}

func TestLoadIsShaded(t *testing.T) {
	e := newExporter(10)
	i := iteration(1)
	i.Load.StartedAt, i.Load.Elapsed = time.Unix(1_700_000_001, 504_000_000), 1437*time.Millisecond
	e.Add(i)
	e.meter.StartBurst(2, time.Unix(1_700_000_004, 0))
	assert.Equal(t, map[string]float64{`{elapsed="1.5"}`: 1, `{elapsed="2.94"}`: 0, `{elapsed="4"}`: 1}, series(t, e, "leaklab_run_load_active"))
}

func TestFitThatIsNotJudgedAnyMoreIsNaN(t *testing.T) {
	e := newExporter(10)
	e.SetFit([]Fitted{{1, 10, 9, 11}, {2.004, 20, 18, 22}})
	e.SetFit([]Fitted{{2.004, 21, 19, 23}, {3, 30, 28, 33}})
	all := series(t, e, "leaklab_run_fitted_memory_bytes")
	for label, want := range map[string]float64{
		`{bound="estimate",elapsed="2"}`: 21, `{bound="lower",elapsed="2"}`: 19, `{bound="upper",elapsed="2"}`: 23, `{bound="estimate",elapsed="3"}`: 30,
	} {
		assert.Equal(t, want, all[label], label)
	}
	assert.True(t, math.IsNaN(all[`{bound="estimate",elapsed="1"}`]), fmt.Sprint(all))
	assert.Len(t, all, 9)
}

func TestFitOfALongRunIsBounded(t *testing.T) {
	var f fit
	var line []Fitted
	now := time.Unix(1_700_000_000, 0)
	for n := range 3000 {
		line = append(line, Fitted{float64(n), 1, 1, 1})
		now = now.Add(time.Second)
		f.set(line, now)
		shown := 0
		for _, p := range f.points() {
			if !math.IsNaN(p.Estimate) {
				shown++
			}
		}
		assert.LessOrEqual(t, shown, mostFitted+2)
		assert.GreaterOrEqual(t, shown, min(n+1, mostFitted/2))
		assert.LessOrEqual(t, len(f), 3*mostFitted)
		assert.Contains(t, f, float64(n), "the line has its end")
	}
}
