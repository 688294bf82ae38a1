package record_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/record"
	"leaklab/loader/record/recordtest"
	"leaklab/loader/verdict"
)

func TestRunIsReadAsItWasWritten(t *testing.T) {
	for _, count := range []int{0, 1, 12} {
		want := recordtest.Run(count)
		var text bytes.Buffer
		require.NoError(t, want.Write(&text))
		got, err := record.ReadRun(&text)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	leak := recordtest.Run(12)
	assert.Equal(t, verdict.Leak, leak.Verdict.Kind)
	assert.InDelta(t, 1000, leak.Verdict.GrowthBytesPerRequest, 1)
}

func TestReadRunErrors(t *testing.T) {
	const good = `{"format":1,"state":"complete","verdict":{"kind":"leak"}`
	for text, want := range map[string]string{
		"":               "the file is empty",
		`{"format":1`:    "the file ends in the middle",
		`{"format":one}`: "byte 11: invalid character 'o' looking for beginning of value",
		`{"format":"1"}`: "format is a string; expected a int",
		`{"format":2}`:   "format is 2; expected 1",
		`{}`:             "format is 0; expected 1",
		`{"format":1}`:   `state is ""; expected "running", "complete" or "ended early"`,
		good + `} {}`:    "something follows its end, at byte 59",
		`{"format":1,"state":"complete","verdict":{"kind":"maybe"}}`:                                                        `verdict.kind is "maybe"; expected "leak", "no leak" or "inconclusive"`,
		`{"format":1,"state":"complete","verdict":{"kind":"leak","lower_bytes_per_request":2,"upper_bytes_per_request":1}}`: "verdict.lower_bytes_per_request is 2, above upper_bytes_per_request, 1",
		good + `,"iterations":[{"iteration":2},{"iteration":2}]}`:                                                           "iterations[1].iteration is 2 after 2; expected a higher number",
		good + `,"iterations":[{"iteration":1,"rss_end_bytes":-1}]}`:                                                        "iterations[0]: resident memory of 0, -1 and 0 bytes; expected 0 to 9007199254740992",
		good + `,"iterations":[{"iteration":1,"duration_seconds":-1}]}`:                                                     "iterations[0].duration_seconds is -1; expected 0 or more",
		good + `,"iterations":[{"iteration":1,"requests":9007199254740993}]}`:                                               "iterations[0].requests is 9007199254740993; expected at most 9007199254740992",
		good + `,"iterations":[{"iteration":"1"}]}`:                                                                         "iterations.iteration is a string; expected a int",
	} {
		_, err := record.ReadRun(strings.NewReader(text))
		assert.EqualError(t, err, "not a run.json: "+want, "%s", text)
	}
	run, err := record.ReadRun(strings.NewReader(good + `,"a_later_name":1}`))
	require.NoError(t, err)
	assert.Equal(t, verdict.Leak, run.Verdict.Kind)
}

func TestBaselineIsReadAsItWasWritten(t *testing.T) {
	for _, want := range []record.Run{recordtest.Against(12, 1), recordtest.Against(0, 0)} {
		var text bytes.Buffer
		require.NoError(t, want.Write(&text))
		got, err := record.ReadRun(&text)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	const good = `{"format":1,"state":"complete","verdict":{"kind":"leak"},"baseline":{"difference":{"change":"worse"`
	for text, want := range map[string]string{
		strings.Replace(good, "worse", "bad", 1) + `}}}`:                            `baseline.difference.change is "bad"; expected "fixed", "better", "same", "worse" or "cannot tell"`,
		good + `,"lower_bytes_per_request":2}}}`:                                    "baseline.difference.lower_bytes_per_request is 2, above upper_bytes_per_request, 0",
		good + `},"iterations":[{"iteration":2},{"iteration":1}]}}`:                 "baseline.iterations[1].iteration is 1 after 2; expected a higher number",
		good + `},"iterations":[{"iteration":2,"rss_start_bytes":-7}]}}`:            "baseline.iterations[0]: resident memory of -7, 0 and 0 bytes; expected 0 to 9007199254740992",
		strings.Replace(good, `"baseline"`, `"baseline":7,"x"`, 1) + `}},"y":null}`: "baseline is a number; expected a record.Baseline",
	} {
		_, err := record.ReadRun(strings.NewReader(text))
		assert.EqualError(t, err, "not a run.json: "+want, "%s", text)
	}
}

func TestHeadlineOfADifference(t *testing.T) {
	for want, d := range map[string]record.Difference{
		"cannot tell": {Change: verdict.CannotTell},
		"worse, 62.1 bytes/request more than the baseline (60.2 to 64.0, 95%)": {Change: verdict.Worse, Estimated: true, BytesPerRequest: 62.1, LowerBytesPerRequest: 60.2, UpperBytesPerRequest: 64},
		"fixed, 62.1 bytes/request less than the baseline (60.2 to 64.0, 95%)": {Change: verdict.Fixed, Estimated: true, BytesPerRequest: -62.1, LowerBytesPerRequest: -64, UpperBytesPerRequest: -60.2},
		"same, 0.1 bytes/request less than the baseline (-1.0 to 1.2, 95%)":    {Change: verdict.Same, Estimated: true, BytesPerRequest: -0.1, LowerBytesPerRequest: -1.2, UpperBytesPerRequest: 1},
	} {
		assert.Equal(t, want, d.Headline())
	}
}

func TestHeadlineOfAVerdict(t *testing.T) {
	v := record.Verdict{Kind: verdict.Leak, Estimated: true, GrowthBytesPerRequest: 62.1, LowerBytesPerRequest: 60.2, UpperBytesPerRequest: 64, Confidence: 0.95, Of: verdict.Live}
	assert.Equal(t, "leak, live memory 62.1 bytes/request (60.2 to 64.0, 95%)", v.Headline())
	v.Of = ""
	assert.Equal(t, "leak, 62.1 bytes/request (60.2 to 64.0, 95%)", v.Headline())
	v.Kind, v.Of = verdict.NoLeak, verdict.Outside
	assert.Equal(t, "no leak, memory outside the heap less than 64.0 bytes/request (95%)", v.Headline())
	v.GrowthBytesPerRequest, v.LowerBytesPerRequest, v.UpperBytesPerRequest = -80, -100, -60
	assert.Equal(t, "no leak, memory outside the heap falls by 80.0 bytes/request (60.0 to 100.0, 95%)", v.Headline())
}

// The zero value of a list is an empty one: a program that reads run.json need not expect null.
func TestARunWithoutIterationsHasEmptyLists(t *testing.T) {
	var text bytes.Buffer
	run := record.Run{Baseline: &record.Baseline{}}
	require.NoError(t, run.Write(&text))
	assert.Equal(t, 2, strings.Count(text.String(), `"iterations": []`))
	assert.Contains(t, text.String(), `"format": 1,`)
	assert.Nil(t, run.Baseline.Iterations, "the caller's own stays as it was")
}

func TestEndOfARun(t *testing.T) {
	run := record.Run{State: record.Running}
	run.End(nil)
	assert.Equal(t, record.Complete, run.State)
	run.End(errors.New("interrupted"))
	assert.Equal(t, record.EndedEarly, run.State)
	assert.Equal(t, "interrupted", run.Reason)
	run.Iterations, run.Tries = make([]record.Iteration, 3), 100
	assert.Equal(t, "The run ended early, after 3 of 100 iterations", run.EarlyEnd())
	run.TriesAtMost = true
	assert.Equal(t, "The run ended early, after 3 of at most 100 iterations", run.EarlyEnd())
}

func TestDeviations(t *testing.T) {
	old, again := recordtest.Run(1), recordtest.Run(1)
	again.StartedAt = again.StartedAt.AddDate(1, 0, 0)
	assert.Empty(t, record.Deviations(old, again))
	again.Settings = append([]record.Setting{{Name: "TRIES", Value: "9", Default: "10"}}, again.Settings[1:]...)
	again.Settings = append(again.Settings, record.Setting{Name: "LATER", Value: "x"})
	again.Environment.Server.Go = nil
	assert.Equal(t, []record.Deviation{
		{Name: "TRIES", Old: "12", New: "9"}, {Name: "Built with", Old: "go1.26.0"}, {Name: "Package", Old: recordtest.Hostile}, {Name: "LATER", New: "x"},
	}, record.Deviations(old, again))
}
