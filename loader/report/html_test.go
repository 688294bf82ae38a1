package report

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/chart"
	"leaklab/loader/record"
	"leaklab/loader/record/recordtest"
)

func pageOf(t *testing.T, run record.Run) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, writeHTML(&out, run, chart.New(run, recordtest.Series(run), nil)))
	return out.String()
}

func TestPage(t *testing.T) {
	page := pageOf(t, recordtest.Run(12))
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
	run := recordtest.Run(12)
	run.State, run.Reason = record.EndedEarly, recordtest.Hostile
	page := pageOf(t, run)
	assert.NotContains(t, page, "<script")
	assert.NotRegexp(t, regexp.MustCompile(`(?i)https?:|src=|href=|@import|url\([^#]`), page)
	assert.Contains(t, page, "&lt;script&gt;")
	assert.NotContains(t, page, "\x1b")
}

func TestPageWithoutIterations(t *testing.T) {
	page := pageOf(t, recordtest.Run(0))
	assert.Contains(t, page, "Verdict: inconclusive")
	assert.Contains(t, page, "No iteration was completed.")
	assert.NotContains(t, page, "<svg")
}

func TestPageOfManyIterationsShowsSome(t *testing.T) {
	assert.Contains(t, pageOf(t, recordtest.Run(450)), "(one of 3 is shown)")
}
