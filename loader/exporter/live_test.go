package exporter

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"leaklab/loader/lab"
	"leaklab/loader/memory"
	"leaklab/loader/verdict"
)

func withLive(i lab.Iteration) lab.Iteration {
	i.Live = &lab.Live{Live: memory.Live{Bytes: 300, Heap: 500, Committed: 600, Outside: 350, Stopped: 250 * time.Millisecond}, Idle: -1}
	return i
}

func TestLiveMemoryOfTheIterationsThatHaveIt(t *testing.T) {
	e := newExporter(9)
	e.Add(withLive(iteration(1)))
	unknown := withLive(iteration(2))
	unknown.Live.Outside = -1
	e.Add(unknown)
	e.Add(iteration(3))
	for name, want := range map[string]map[string]float64{
		"leaklab_iteration_live_bytes":           {`{iteration="1"}`: 300, `{iteration="2"}`: 300},
		"leaklab_iteration_heap_committed_bytes": {`{iteration="1"}`: 600, `{iteration="2"}`: 600},
		"leaklab_iteration_outside_bytes":        {`{iteration="1"}`: 350},
		"leaklab_iteration_stopped_seconds":      {`{iteration="1"}`: 0.25, `{iteration="2"}`: 0.25},
	} {
		assert.Equal(t, want, series(t, e, name), name)
	}
}

// shownGrowth is what the metrics have of growth: the values that are known, and the part that the verdict rests on.
func shownGrowth(t *testing.T, v verdict.Verdict) (known map[string]float64, judged []string) {
	t.Helper()
	e := newExporter(9)
	e.SetVerdict(v, 60)
	known = map[string]float64{}
	all := series(t, e, "leaklab_growth_bytes_per_request")
	assert.Len(t, all, 5*3)
	for labels, value := range all {
		if !math.IsNaN(value) {
			known[labels] = value
		}
	}
	for labels, value := range series(t, e, "leaklab_verdict_part") {
		if value == 1 {
			judged = append(judged, labels)
		}
	}
	return known, judged
}

func TestGrowthByPart(t *testing.T) {
	held := []string{`{part="held"}`}
	resident := map[string]float64{`{bound="estimate",part="held"}`: 100, `{bound="lower",part="held"}`: 90, `{bound="upper",part="held"}`: 110}

	known, judged := shownGrowth(t, verdict.Verdict{})
	assert.Empty(t, known)
	assert.Equal(t, held, judged)

	known, judged = shownGrowth(t, verdict.Verdict{Kind: verdict.Leak, Estimated: true, Growth: 100, Lower: 90, Upper: 110})
	assert.Equal(t, resident, known, "without live memory the others are not known")
	assert.Equal(t, held, judged)

	byPart := []verdict.PartGrowth{{Part: verdict.Live, Growth: 48, Lower: 47, Upper: 49}, {Part: verdict.Outside, Growth: 1, Lower: -2, Upper: 3}, {Part: verdict.Held, Growth: 100, Lower: 90, Upper: 110}}
	known, judged = shownGrowth(t, verdict.Verdict{Of: verdict.Live, Estimated: true, Growth: 48, Lower: 47, Upper: 49, Growths: byPart})
	assert.Equal(t, []string{`{part="live"}`}, judged)
	assert.Len(t, known, 9)
	for labels, want := range resident {
		assert.Equal(t, want, known[labels], labels)
	}
	assert.Equal(t, 47.0, known[`{bound="lower",part="live"}`])
	assert.Equal(t, 3.0, known[`{bound="upper",part="outside"}`])

	_, judged = shownGrowth(t, verdict.Verdict{Of: verdict.Outside, Estimated: true, Growths: byPart})
	assert.Equal(t, []string{`{part="outside"}`}, judged)

	known, judged = shownGrowth(t, verdict.Verdict{Of: verdict.Workers, Estimated: true, Growth: 7, Lower: 6, Upper: 8, Growths: byPart[2:]})
	assert.Equal(t, []string{`{part="worker"}`}, judged)
	assert.Equal(t, 7.0, known[`{bound="estimate",part="worker"}`])
	assert.Equal(t, 100.0, known[`{bound="estimate",part="held"}`])
}
