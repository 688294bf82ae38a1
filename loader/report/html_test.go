package report

import (
	"bytes"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func exampleCourse(run Run) []Point {
	var points []Point
	for n, i := range run.Iterations {
		for tenth := range 40 {
			at := run.StartedAt.Add(time.Duration(n)*4*time.Second + time.Duration(tenth)*100*time.Millisecond)
			points = append(points, Point{at, i.RSSStartBytes + i.LeakedBytes()*int64(tenth)/40})
		}
	}
	return points
}

func pageOf(t *testing.T, run Run) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, writeHTML(&out, run, newFigure(run, exampleCourse(run), nil)))
	return out.String()
}

func TestPage(t *testing.T) {
	page := pageOf(t, exampleRun(12))
	assert.Contains(t, page, `<h1 id="verdict" class="leak">Verdict: leak, 1000.0 bytes/request (`)
	assert.Equal(t, 12, strings.Count(page, `<rect class="bar`))
	assert.Equal(t, 12, strings.Count(page, `<rect class="load"`))
	assert.Contains(t, page, `<polyline class="fit"`)
	assert.Contains(t, page, "<td>Live heap</td><td>3.0 MiB</td><td>28.6 bytes/request</td>")
	assert.Contains(t, page, "<code>main.handler (main.go:7)</code>")
	assert.Contains(t, page, "iteration 12: 124.0 MiB at its end, &#43;9765 KiB; 10000 requests")
	assert.NotContains(t, page, "NaN")
	assert.NotContains(t, page, "Inf")
}

func TestPageIsSelfContainedAndEscaped(t *testing.T) {
	run := exampleRun(12)
	run.State, run.Reason = EndedEarly, hostile
	page := pageOf(t, run)
	assert.NotContains(t, page, "<script")
	assert.NotRegexp(t, regexp.MustCompile(`(?i)https?:|src=|href=|@import|url\([^#]`), page)
	assert.Contains(t, page, "&lt;script&gt;")
	assert.NotContains(t, page, "\x1b")
}

func TestPageWithoutIterations(t *testing.T) {
	page := pageOf(t, exampleRun(0))
	assert.Contains(t, page, "Verdict: inconclusive")
	assert.Contains(t, page, "There is none that was completed.")
	assert.NotContains(t, page, "<svg")
}

func TestFitGoesThroughTheReadings(t *testing.T) {
	run := exampleRun(12)
	f := newFigure(run, nil, nil)
	require.Len(t, f.fit, run.Verdict.JudgedLast-run.Verdict.JudgedFirst+2, "from the last of the warm-up on")
	for n, p := range f.fit {
		end := f.ends[n+run.Verdict.JudgedFirst-2]
		assert.InDelta(t, end.x, p.x, 1e-9)
		assert.InDelta(t, end.y, p.middle, 0.01)
		assert.LessOrEqual(t, p.low, p.middle+1e-9)
		assert.LessOrEqual(t, p.middle, p.high+1e-9)
	}
	assert.Empty(t, newFigure(exampleRun(3), nil, nil).fit, "nothing is estimated of so few")
}

func TestOfManyIterationsSomeAreShown(t *testing.T) {
	f := newFigure(exampleRun(450), nil, nil)
	assert.Equal(t, 3, f.every)
	assert.Len(t, f.bars, 150)
	assert.Contains(t, pageOf(t, exampleRun(450)), "(one of 3 is shown)")
}

func TestAxis(t *testing.T) {
	for _, test := range []struct {
		low, high float64
		labels    string
	}{
		{0, 54, "0 10 20 30 40 50"},
		{0, 0.9, "0.0 0.2 0.4 0.6 0.8"},
		{11.52, 11.61, "11.52 11.54 11.56 11.58 11.60"},
		{-3, 3, "-3 -2 -1 0 1 2 3"},
		{0, 250_000, "0 50000 100000 150000 200000 250000"},
		{0, 0, "-0.4 -0.2 0.0 0.2 0.4"},
		{7, 7, "4 5 6 7 8 9 10"},
		{0, math.Inf(1), "0.0 0.2 0.4 0.6 0.8 1.0"},
	} {
		a := newAxis(test.low, test.high, 5)
		var labels []string
		for _, tick := range a.ticks {
			labels = append(labels, a.label(tick))
		}
		assert.Equal(t, test.labels, strings.Join(labels, " "), "%g to %g", test.low, test.high)
	}
}
