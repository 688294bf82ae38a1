package report

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/lab"
	"leaklab/loader/verdict"
)

// ofBaseline are the iterations of a baseline that stays at 20 MB, each half a second after one of exampleIterations.
func ofBaseline(count int) []lab.Iteration {
	all := exampleIterations(count)
	for n := range all {
		all[n].Load.StartedAt = all[n].Load.StartedAt.Add(500 * time.Millisecond)
		all[n].Start.Total, all[n].End.Total, all[n].Peak = 20_000_000, 20_000_000, 20_000_000
	}
	return all
}

// exampleComparison is of the first so many iterations of exampleRun and of its baseline.
func exampleComparison(count int) verdict.Comparison {
	judged := func(iterations []lab.Iteration) verdict.Judged {
		var evidence []verdict.Iteration
		for _, i := range iterations {
			evidence = append(evidence, Evidence(i))
		}
		return verdict.Judged{Iterations: evidence, Verdict: verdict.Judge(evidence, verdict.Options{Tolerance: 4})}
	}
	return verdict.ComparePaired(judged(ofBaseline(count)), judged(exampleIterations(count)), verdict.Options{Tolerance: 4})
}

// exampleAgainst is exampleRun with a baseline, which is behind by so many iterations.
func exampleAgainst(count, behind int) Run {
	run := exampleRun(count)
	c := exampleComparison(count)
	run.Baseline = &Baseline{Command: hostile, Verdict: newVerdict(c.Old, 4), Difference: newDifference(c), Iterations: []Iteration{}}
	for _, i := range ofBaseline(count - behind) {
		run.Baseline.Iterations = append(run.Baseline.Iterations, newIteration(i))
	}
	return run
}

func TestBaselineIsReadAsItWasWritten(t *testing.T) {
	for _, want := range []Run{exampleAgainst(12, 1), exampleAgainst(0, 0)} {
		var text bytes.Buffer
		require.NoError(t, writeRun(&text, want))
		got, err := ReadRun(&text)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	const good = `{"format":1,"state":"complete","verdict":{"kind":"leak"},"baseline":{"difference":{"change":"worse"`
	for text, want := range map[string]string{
		strings.Replace(good, "worse", "bad", 1) + `}}}`:                            `baseline.difference.change is "bad"; expected "fixed", "better", "same", "worse" or "cannot tell"`,
		good + `,"lower_bytes_per_request":2}}}`:                                    "baseline.difference.lower_bytes_per_request is 2, above upper_bytes_per_request, 0",
		good + `},"iterations":[{"iteration":2},{"iteration":1}]}}`:                 "baseline.iterations[1].iteration is 1 after 2; expected a higher number",
		good + `},"iterations":[{"iteration":2,"rss_start_bytes":-7}]}}`:            "baseline.iterations[0]: resident memory of -7, 0 and 0 bytes; expected 0 to 9007199254740992",
		strings.Replace(good, `"baseline"`, `"baseline":7,"x"`, 1) + `}},"y":null}`: "baseline is a number; expected a report.Baseline",
	} {
		_, err := ReadRun(strings.NewReader(text))
		assert.EqualError(t, err, "not a run.json: "+want, "%s", text)
	}
}

func TestHeadlineOfADifference(t *testing.T) {
	for want, d := range map[string]Difference{
		"cannot tell": {Change: verdict.CannotTell},
		"worse, 62.1 bytes/request more than the baseline (60.2 to 64.0, 95%)": {Change: verdict.Worse, Estimated: true, BytesPerRequest: 62.1, LowerBytesPerRequest: 60.2, UpperBytesPerRequest: 64},
		"fixed, 62.1 bytes/request less than the baseline (60.2 to 64.0, 95%)": {Change: verdict.Fixed, Estimated: true, BytesPerRequest: -62.1, LowerBytesPerRequest: -64, UpperBytesPerRequest: -60.2},
		"same, 0.1 bytes/request less than the baseline (-1.0 to 1.2, 95%)":    {Change: verdict.Same, Estimated: true, BytesPerRequest: -0.1, LowerBytesPerRequest: -1.2, UpperBytesPerRequest: 1},
	} {
		assert.Equal(t, want, d.headline())
	}
}

func TestBaselineInTheReports(t *testing.T) {
	run := exampleAgainst(12, 1)
	require.Equal(t, verdict.Worse, run.Baseline.Difference.Change)
	page, text := rendered(t, run)
	assert.True(t, strings.HasPrefix(page, "<h2>Comparison: worse, 1000.0 bytes/request more than the baseline ("), page)
	assert.Contains(t, page, "<p>Worse: the suspect grows more, by 1,000 bytes a request (")
	assert.Contains(t, page, "<p>Baseline: No leak: ")
	assert.Contains(t, page, "<td>Baseline</td>")
	assert.NotContains(t, page, "<script")
	assert.Contains(t, text, "| yes | 19531 |\n")
	assert.Contains(t, text, "| yes |  |\n", "the baseline is one behind")

	f := newFigure(run, exampleCourse(run), []Point{{run.StartedAt, 20_000_000}, {run.StartedAt.Add(time.Minute), 20_000_000}})
	assert.Equal(t, run.Baseline.Difference.headline(), f.title)
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
	assert.NotContains(t, pageOf(t, exampleRun(12)), "baseline")
}

// The report is written when both servers of a pair have been measured.
func TestRecordWithABaseline(t *testing.T) {
	folder, record := recorded(t, 0)
	count := 0
	baseline := record.Compare("./old", func() []Point { return nil }, func() verdict.Comparison { return exampleComparison(count) })
	others := ofBaseline(6)
	for n, i := range exampleIterations(6) {
		require.NoError(t, record.IterationEnded(i))
		half, _ := readFolder(t, folder)
		assert.Len(t, half.Iterations, n, "the pair is not complete")
		count++
		require.NoError(t, baseline.IterationEnded(others[n]))
		run, _ := readFolder(t, folder)
		assert.Len(t, run.Iterations, n+1)
		assert.Len(t, run.Baseline.Iterations, n+1)
		assert.Equal(t, "./old", run.Baseline.Command)
		_, err := os.Stat(filepath.Join(folder, "memory.png"))
		assert.Equal(t, n+1 >= pictureEvery, err == nil, "pictures are drawn with the fifth")
	}
	run, _ := readFolder(t, folder)
	assert.Equal(t, verdict.Worse, run.Baseline.Difference.Change)
	require.NoError(t, record.IterationEnded(exampleIterations(7)[6]))
	require.NoError(t, record.End(nil))
	run, _ = readFolder(t, folder)
	assert.Len(t, run.Iterations, 7, "the last one counts in the end, if the baseline has not followed")
	assert.Len(t, run.Baseline.Iterations, 6)
}
