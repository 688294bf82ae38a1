package report

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/chart"
	"leaklab/loader/record"
	"leaklab/loader/record/recordtest"
	"leaklab/loader/verdict"
)

func TestBaselineInTheReports(t *testing.T) {
	run := recordtest.Against(12, 1)
	require.Equal(t, verdict.Worse, run.Baseline.Difference.Change)
	page, text := rendered(t, run)
	assert.True(t, strings.HasPrefix(page, "<h2>Comparison: worse, 1000.0 bytes/request more than the baseline ("), page)
	assert.Contains(t, page, "<p>Worse: the suspect grows more, by 1,000 bytes a request (")
	assert.Contains(t, page, "<p>Baseline: No leak: ")
	assert.Contains(t, page, "<td>Baseline</td>")
	assert.NotContains(t, page, "<script")
	assert.Contains(t, text, "| yes | 19531 |\n")
	assert.Contains(t, text, "| yes |  |\n", "the baseline is one behind")

	f := chart.New(run, recordtest.Series(run), []record.Point{{At: run.StartedAt, Bytes: 20_000_000}, {At: run.StartedAt.Add(time.Minute), Bytes: 20_000_000}})
	assert.Equal(t, run.Baseline.Difference.Headline(), f.Title)
	var out bytes.Buffer
	require.NoError(t, writeHTML(&out, run, f))
	html := out.String()
	assert.Contains(t, html, `<h1 id="comparison" class="worse">Comparison: worse, 1000.0 bytes/request more`)
	assert.Equal(t, 11, strings.Count(html, `<rect class="bar other"`))
	assert.Equal(t, 12, strings.Count(html, `<rect class="bar`)-strings.Count(html, `<rect class="bar other"`))
	assert.Equal(t, 11, strings.Count(html, `<rect class="load other"`))
	assert.Equal(t, 11, strings.Count(html, `<circle class="end other"`))
	assert.Contains(t, html, `<polyline class="course other" points="70,`)
	assert.NotContains(t, html, "<script")
	assert.NotContains(t, pageOf(t, recordtest.Run(12)), "baseline")
}
