package chart

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/record/recordtest"
	"leaklab/loader/text"
	"leaklab/loader/verdict"
)

func TestFitGoesThroughTheReadings(t *testing.T) {
	run := recordtest.Run(12)
	f := New(run, nil, nil)
	require.Len(t, f.Fit, run.Verdict.JudgedLast-run.Verdict.JudgedFirst+2, "from the last of the warm-up on")
	for n, p := range f.Fit {
		end := f.Ends[n+run.Verdict.JudgedFirst-2]
		assert.InDelta(t, end.X, p.X, 1e-9)
		assert.InDelta(t, end.Y, p.Middle, 0.01)
		assert.LessOrEqual(t, p.Low, p.Middle+1e-9)
		assert.LessOrEqual(t, p.Middle, p.High+1e-9)
	}
	assert.Empty(t, New(recordtest.Run(3), nil, nil).Fit, "nothing is estimated of so few")
}

func TestOfManyIterationsSomeAreShown(t *testing.T) {
	f := New(recordtest.Run(450), nil, nil)
	assert.Equal(t, 3, f.Every)
	assert.Len(t, f.Bars, 150)
}

func TestLiveMemoryOfAFigure(t *testing.T) {
	run := recordtest.LiveRun(12)
	f := New(run, nil, nil)
	require.Len(t, f.Live.Ends, 12)
	for n, i := range run.Iterations {
		assert.InDelta(t, f.Ends[n].X, f.Live.Ends[n].X, 1e-9)
		assert.InDelta(t, float64(*i.LiveEndBytes)/text.Mebibyte, f.Live.Ends[n].Y, 1e-9)
		parts := f.Bars[n].Parts
		require.NotNil(t, parts)
		assert.InDelta(t, float64(*i.LiveEndBytes)/text.Mebibyte, parts.Live, 1e-9)
		assert.InDelta(t, float64(*i.OutsideEndBytes)/text.Mebibyte, parts.Outside, 1e-9)
		assert.InDelta(t, f.Bars[n].MiB, parts.sum(), 1e-9, "together they are what is held")
	}
	require.Len(t, f.Live.Fit, 11, "from the last of the warm-up on")
	for n, p := range f.Live.Fit {
		assert.InDelta(t, f.Live.Ends[n+1].Y, p.Middle, 1e-3, "the growth is that of live memory")
	}
	assert.NotEmpty(t, f.Fit, "and that of held memory has a line as well")
	assert.Greater(t, f.Fit[0].High-f.Fit[0].Low, 10*(f.Live.Fit[0].High-f.Live.Fit[0].Low))
	assert.Empty(t, f.Outside.Ends, "the verdict does not rest on it")

	run.Verdict.Of = verdict.Outside
	f = New(run, nil, nil)
	assert.Len(t, f.Outside.Ends, 12)
	assert.NotEmpty(t, f.Outside.Fit)

	f = New(recordtest.Run(12), nil, nil)
	assert.Empty(t, f.Live.Ends)
	assert.Nil(t, f.Bars[0].Parts)
}

func TestLiveMemoryThatIsNotKnownEverywhere(t *testing.T) {
	run := recordtest.LiveRun(12)
	run.Iterations[6].LiveEndBytes, run.Iterations[7].OutsideEndBytes = nil, nil
	f := New(run, nil, nil)
	assert.Len(t, f.Live.Ends, 11)
	assert.Equal(t, 8, f.Live.Bars[6].Iteration.Iteration, "each reading is at its iteration")
	assert.InDelta(t, f.Ends[7].X, f.Live.Ends[6].X, 1e-9)
	assert.Empty(t, f.Live.Fit, "the growth is not that of these readings")
	assert.Nil(t, f.Bars[6].Parts)
	assert.Nil(t, f.Bars[7].Parts)
}

// Pages of files are neither slack nor outside the heap; more of them than there is room for are cut.
func TestPartsAddUpToWhatIsHeld(t *testing.T) {
	run := recordtest.LiveRun(1)
	i := &run.Iterations[0]
	mebibytes := func(n uint64) *uint64 { n *= text.Mebibyte; return &n }
	i.RSSEndBytes, i.LiveEndBytes, i.OutsideEndBytes = 100*text.Mebibyte, mebibytes(20), mebibytes(30)
	i.FileEndBytes, i.SharedEndBytes, i.SwapEndBytes, i.LazyfreeEndBytes = mebibytes(12), mebibytes(3), mebibytes(7), mebibytes(2)
	assert.Equal(t, Parts{Live: 20, Outside: 30, Files: 15, Slack: 40}, *New(run, nil, nil).Bars[0].Parts)
	i.HugetlbEndBytes, i.UnmappedEndBytes = mebibytes(6), mebibytes(5)
	assert.Equal(t, Parts{Live: 20, Outside: 35, Files: 15, Slack: 46}, *New(run, nil, nil).Bars[0].Parts)
	i.HugetlbEndBytes, i.UnmappedEndBytes = nil, nil
	i.FileEndBytes = mebibytes(500)
	assert.Equal(t, Parts{Live: 20, Outside: 30, Files: 55}, *New(run, nil, nil).Bars[0].Parts)
	i.LiveEndBytes = mebibytes(400)
	f := New(run, nil, nil)
	assert.Equal(t, Parts{Live: 400, Outside: 30}, *f.Bars[0].Parts)
	assert.GreaterOrEqual(t, f.BarAxis().High, 430.0)
}

func TestCurveIsOfWhatIsJudged(t *testing.T) {
	iterations := recordtest.LiveRun(6).Evidence()
	judged := verdict.Range{First: 2, Last: 6}
	v := verdict.Verdict{
		Of: verdict.Live, Estimated: true, Growth: 150, Lower: 149, Upper: 151, Judged: judged,
		Growths: []verdict.PartGrowth{{Part: verdict.Live, Growth: 150, Lower: 149, Upper: 151, Judged: judged}, {Part: verdict.Held, Growth: 200, Lower: 100, Upper: 300, Judged: verdict.Range{First: 4, Last: 6}}},
	}
	held, live := NewCurve("old", iterations, v, verdict.Held), NewCurve("new", iterations, v, verdict.Live)
	for n, i := range iterations {
		assert.InDelta(t, float64(i.EndBytes)/text.Mebibyte, held.Ends[n].Y, 1e-9)
		assert.InDelta(t, float64(i.Parts[verdict.Live])/text.Mebibyte, live.Ends[n].Y, 1e-9)
	}
	require.Len(t, live.Fit, 6)
	assert.InDelta(t, live.Ends[5].Y, live.Fit[5].Middle, 1e-3)
	assert.Len(t, held.Fit, 4, "from its warm-up on")
	assert.Contains(t, held.Label, "growth of 200.0 bytes/request")
	assert.Contains(t, live.Label, "growth of 150.0 bytes/request")
	v.Growths = nil
	assert.Len(t, NewCurve("a table", iterations, v, verdict.Held).Fit, 6)
}
