package chart

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/record/recordtest"
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
