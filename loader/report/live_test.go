package report

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/record"
	"leaklab/loader/record/recordtest"
	"leaklab/loader/verdict"
)

func TestLiveMemoryInTheReports(t *testing.T) {
	run := recordtest.LiveRun(12)
	page := pageOf(t, run)
	order := []string{`<table id="growths"`, `<svg id="live"`, `<svg id="bars"`, `<svg id="course"`, `<table id="iterations"`, `<table id="live-memory"`}
	for n, element := range order {
		require.Equal(t, 1, strings.Count(page, element), element)
		if n > 0 {
			assert.Less(t, strings.Index(page, order[n-1]), strings.Index(page, element), element)
		}
	}
	assert.Equal(t, 12, strings.Count(page, `<circle class="end live"`))
	assert.Equal(t, 2, strings.Count(page, `<polyline class="fit"`), "of live memory, and of held memory")
	assert.Equal(t, 24, strings.Count(page, `<rect class="load"`))
	for _, class := range []string{"live", "slack", "outside", "files"} {
		assert.Equal(t, 12, strings.Count(page, `<rect class="bar `+class+`"`), class)
	}
	assert.NotContains(t, page, "not judged (warm-up)", "no bar is of resident memory alone")
	assert.Contains(t, page, `<tr class="judged"><td class="part">live memory, which the verdict rests on</td><td>20.981</td><td>150.0</td><td>148.5</td><td>151.5</td></tr>`)
	assert.Contains(t, page, `<tr><td class="part">memory outside the heap</td><td>39.116</td><td>0.1</td><td>-2.5</td><td>2.5</td></tr>`)
	assert.Contains(t, page, "<td>5371</td><td>40039</td><td>30</td></tr>")
	assert.NotContains(t, page, "<script")
	assert.NotRegexp(t, regexp.MustCompile(`(?i)https?:|src=|href=|@import|url\([^#]`), page)
	ids := map[string]bool{}
	for _, id := range regexp.MustCompile(` id="([^"]+)"`).FindAllStringSubmatch(page, -1) {
		assert.False(t, ids[id[1]], "the id %s is there twice", id[1])
		ids[id[1]] = true
	}

	rendered, text := rendered(t, run)
	assert.Contains(t, rendered, "<h3>What grows</h3>")
	assert.Contains(t, text, "| **live memory**, which the verdict rests on | 20.981 | 150.0 | 148.5 | 151.5 |\n")
	assert.Contains(t, text, "| yes | 9765 | 40039 | 33 |\n")
	assert.Contains(t, rendered, "<h3>How live memory was read</h3>")
	assert.Contains(t, text, "| Done to the server | `environment: NODE_OPTIONS=--inspect=127.0.0.1:0` |\n")
	assert.Contains(t, text, "| Server stood still | `0.041 s at each reading, at most` |\n")
	assert.NotContains(t, rendered, "<script")
}

func TestReportWithoutLiveMemoryHasNothingOfIt(t *testing.T) {
	run := recordtest.Run(12)
	page := pageOf(t, run)
	markdown, _ := rendered(t, run)
	for _, document := range []string{page, markdown} {
		assert.NotContains(t, document, "live memory")
		assert.NotContains(t, document, "outside")
		assert.NotContains(t, document, "What grows")
	}
	assert.NotContains(t, page, "--live")

	run.Live = &record.Live{Setting: "off", Offer: "LIVE=auto would tell live memory"}
	assert.Equal(t, page, pageOf(t, run), "an offer is a remark")
}

func TestLiveMemoryThatFailsInTheMiddle(t *testing.T) {
	run := recordtest.LiveRun(12)
	run.Verdict, run.Live.Failed = recordtest.Run(12).Verdict, "the inspector <b> is gone"
	run.Live.RateChange = nil
	for n := range run.Iterations[5:] {
		i := &run.Iterations[5+n]
		i.LiveEndBytes, i.OutsideEndBytes, i.HeapCommittedEndBytes, i.StoppedSeconds = nil, nil, nil, nil
	}
	page := pageOf(t, run)
	assert.Equal(t, 5, strings.Count(page, `<circle class="end live"`))
	assert.Equal(t, 5, strings.Count(page, `<rect class="bar live"`))
	assert.Equal(t, 7, strings.Count(page, `<rect class="bar judged"`), "the others are of resident memory")
	assert.NotContains(t, page, `id="growths"`)
	assert.Contains(t, page, "the inspector &lt;b&gt; is gone")
	assert.NotContains(t, page, "since the first iteration")
	_, text := rendered(t, run)
	assert.Contains(t, text, "| Failed | `the inspector <b> is gone` |\n")
	assert.Contains(t, text, "| yes |  |  |  |\n")
}

func TestMemoryOutsideTheHeapThatTheVerdictRestsOn(t *testing.T) {
	run := recordtest.LiveRun(12)
	run.Verdict.Of = verdict.Outside
	page := pageOf(t, run)
	assert.Contains(t, page, `<svg id="outside"`)
	assert.Contains(t, page, `<tr class="judged"><td class="part">memory outside the heap, which the verdict rests on</td>`)
	assert.Less(t, strings.Index(page, `<svg id="live"`), strings.Index(page, `<svg id="outside"`))
}

func TestLiveMemoryOfARunThatGoesOn(t *testing.T) {
	for count := range 4 {
		run := recordtest.LiveRun(count)
		run.State = record.Running
		page := pageOf(t, run)
		assert.Equal(t, count, strings.Count(page, `<circle class="end live"`))
		var out bytes.Buffer
		require.NoError(t, writeMarkdown(&out, run))
		assert.NotContains(t, page+out.String(), "NaN")
	}
}

// A leak that the replacement of workers hides is in no part of what the server holds as a whole.
func TestALeakInWorkersInTheReports(t *testing.T) {
	run := recordtest.LiveRun(12)
	run.Verdict.Kind, run.Verdict.Of = verdict.Leak, verdict.Workers
	run.Verdict.GrowthBytesPerRequest, run.Verdict.LowerBytesPerRequest, run.Verdict.UpperBytesPerRequest = 1000, 900, 1100
	_, text := rendered(t, run)
	assert.Contains(t, text, "## Verdict: leak, memory of a worker 1000.0 bytes/request (900.0 to 1100.0, 95%)\n")
	assert.Contains(t, text, "| **memory of a worker**, which the verdict rests on |  | 1000.0 | 900.0 | 1100.0 |\n")
	assert.Contains(t, text, "| live memory | 20.981 | 150.0 | 148.5 | 151.5 |\n")
}
