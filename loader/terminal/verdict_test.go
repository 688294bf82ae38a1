package terminal

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/record"
	"leaklab/loader/record/recordtest"
	"leaklab/loader/verdict"
)

func printed(t *testing.T, colour bool, end End) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, New(&out, colour).Verdict(end))
	return out.String()
}

// example is a verdict whose explanation holds nothing but the range of iterations.
func example() verdict.Verdict {
	return verdict.Verdict{
		Kind: verdict.Leak, Pattern: verdict.PatternSteady, Estimated: true,
		Growth: 180.4, Lower: 173.2, Upper: 186.26, Confidence: 0.95, Resolution: 6.5,
		WarmUp: 2, Judged: verdict.Range{First: 3, Last: 12},
		Explanation: strings.Repeat("word ", 18) + "end (iterations 3-12, 7 requests).",
	}
}

func TestVerdictBlock(t *testing.T) {
	assert.Equal(t, `===============================
leak  +180 bytes/request (95%: 173 to 186; tolerance 4)
-------------------------------
Live heap gained 1.0 MiB, 2.0 bytes/request, at main.keep (main.go:12).
-------------------------------
word word word word word word word word word word word word word word word word
word word end (iterations 3-12, 7 requests).
Growth pattern: steady
Resolution: 6.5 bytes/request
A remark.
Results: r
Grafana: http://localhost:3000/d/leaklab/leaklab?from=1764280000000&to=1764280060000&var-run=20261123T090000Z
===============================
`, printed(t, false, End{
		Verdict: example(), Tolerance: 4, Remarks: []string{"A remark."}, Results: "r",
		Dashboard: "http://localhost:3000/d/leaklab/leaklab?from=1764280000000&to=1764280060000&var-run=20261123T090000Z",
		Sites:     []string{"Live heap gained 1.0 MiB, 2.0 bytes/request, at main.keep (main.go:12)."},
	}))
}

func TestVerdictBlockWithoutAnEstimate(t *testing.T) {
	assert.Equal(t, `===============================
inconclusive
-------------------------------
Too few.
Run more.
===============================
`, printed(t, false, End{Verdict: verdict.Verdict{Kind: verdict.Inconclusive, Explanation: "Too few.", Advice: "Run more."}, Tolerance: 4}))
}

func TestHeadline(t *testing.T) {
	for want, v := range map[string]verdict.Verdict{
		"no leak  +0.12 bytes/request (95%: -0.50 to 0.75; tolerance 4)":                  {Kind: verdict.NoLeak, Estimated: true, Growth: 0.125, Lower: -0.5, Upper: 0.75, Confidence: 0.95},
		"no leak  0 bytes/request (95%: -1 to 1; tolerance 4)":                            {Kind: verdict.NoLeak, Estimated: true, Growth: 0.001, Lower: -1, Upper: 1, Confidence: 0.95},
		"inconclusive  -2,157 bytes/request (99.4%: -4,400 to 285; tolerance 4)":          {Kind: verdict.Inconclusive, Estimated: true, Growth: -2157, Lower: -4400, Upper: 285, Confidence: 0.994},
		"leak  +1,048,576 bytes/iteration (95%: 1,000,000 to 1,100,000; tolerance 4)":     {Kind: verdict.Leak, Unit: verdict.PerIteration, Estimated: true, Growth: 1048576, Lower: 1e6, Upper: 1.1e6, Confidence: 0.95},
		"leak  live memory +104 bytes/request (95%: 103 to 105; tolerance 4)":             {Kind: verdict.Leak, Of: verdict.Live, Estimated: true, Growth: 104, Lower: 103, Upper: 105, Confidence: 0.95},
		"leak  memory of a worker +104 bytes/request (95%: 103 to 105; tolerance 4)":      {Kind: verdict.Leak, Of: verdict.Workers, Estimated: true, Growth: 104, Lower: 103, Upper: 105, Confidence: 0.95},
		"leak  memory outside the heap +104 bytes/request (95%: 103 to 105; tolerance 4)": {Kind: verdict.Leak, Of: verdict.Outside, Estimated: true, Growth: 104, Lower: 103, Upper: 105, Confidence: 0.95},
		"leak  +105 bytes/request (95%: 103 to 106; tolerance 4)":                         {Kind: verdict.Leak, Of: verdict.Held, Estimated: true, Growth: 105, Lower: 103, Upper: 106, Confidence: 0.95},
		"inconclusive": {Kind: verdict.Inconclusive},
	} {
		assert.Equal(t, want, New(nil, false).headline(v, 4))
	}
}

// The growth of each part has its place, where live memory is known.
func TestGrowthsOfTheParts(t *testing.T) {
	v := example()
	v.Growths = []verdict.PartGrowth{{Part: verdict.Held, Growth: 180.4, Lower: 173.2, Upper: 186.26}}
	assert.NotContains(t, printed(t, false, End{Verdict: v, Tolerance: 4}), "Growth of the parts")
	v.Of = verdict.Live
	v.Growths = append([]verdict.PartGrowth{
		{Part: verdict.Live, Growth: 104, Lower: 103, Upper: 105}, {Part: verdict.Slack, Growth: -20, Lower: -90, Upper: 50},
		{Part: verdict.Outside, Growth: 0.5, Lower: -1, Upper: 2},
	}, v.Growths...)
	assert.Contains(t, strings.ReplaceAll(printed(t, false, End{Verdict: v, Tolerance: 4}), "\n", " "),
		"Growth of the parts, bytes/request: live +104 (103 to 105), slack -20 (-90 to 50), outside +0.50 (-1 to 2), held +180 (173 to 186)")
}

// Sites stand below the headline, three at most, and the first in it if the verdict is a leak of what they are sites of.
func TestSitesThatGrow(t *testing.T) {
	end := End{Verdict: example(), Tolerance: 4, Growing: recordtest.Sites(), Sites: []string{"Goroutines gained 3, at main.wait (main.go:9)."}}
	end.Growing.List = append(end.Growing.List, record.Site{Function: "fourth"})
	end.Verdict.Of = verdict.Live
	out := printed(t, false, end)
	headline := "leak  live memory +180 bytes/request (95%: 173 to 186; tolerance 4)"
	assert.Contains(t, out, "\n"+headline+": int[] at JavaLeak.register (JavaLeak.java:9)\n----")
	assert.Contains(t, out, "----\nint[] at JavaLeak.register (JavaLeak.java:9): 104.0 (103.7 to 104.3)\nbytes/request, 1.00 objects/request; held by java.lang.Object[],\n")
	assert.Contains(t, out, "second line\\x1b[2J\nThe report has 1 more.\n94% of the growth")
	assert.NotContains(t, out, "fourth")
	assert.Contains(t, out, "(Benjamini-Hochberg).\nGoroutines gained 3, at main.wait (main.go:9).\n----")

	outside := record.Site{Class: "buffers, outside the heap", Outside: true}
	end.Growing.List = append(end.Growing.List, outside)
	end.Verdict.Of = verdict.Outside
	assert.Contains(t, printed(t, false, end), "; tolerance 4): buffers, outside the heap\n----")
	end.Growing.List = end.Growing.List[:len(end.Growing.List)-1]
	for _, other := range []verdict.Verdict{
		{Kind: verdict.Leak, Of: verdict.Outside, Estimated: true, Growth: 180.4, Lower: 173.2, Upper: 186.26, Confidence: 0.95},
		{Kind: verdict.Inconclusive, Of: verdict.Live, Estimated: true, Growth: 180.4, Lower: 173.2, Upper: 186.26, Confidence: 0.95},
	} {
		end.Verdict = other
		out = printed(t, false, end)
		assert.Contains(t, out, "; tolerance 4)\n----", other.Of)
		assert.Contains(t, out, "\nint[] at JavaLeak.register (JavaLeak.java:9): 104.0")
	}
	end.Growing = &record.Sites{Unnamed: "SITES=off"}
	end.Verdict = example()
	end.Verdict.Of = verdict.Live
	assert.Contains(t, printed(t, false, end), "\n"+headline+"\n-------------------------------\nNo site is named: SITES=off.\n")
}

// A figure that the sentences hold has no line.
func TestFiguresAreSaidOnce(t *testing.T) {
	v := example()
	v.Advice = "A growth below 6.5 bytes a request cannot be seen."
	out := printed(t, false, End{Verdict: v, Tolerance: 4})
	assert.NotContains(t, out, "Resolution:")
	assert.NotContains(t, out, "Judged:")
	assert.Equal(t, 1, strings.Count(out, "6.5"))

	v.Explanation, v.Advice = "Nothing but 16.5 and 13-12.", ""
	out = printed(t, false, End{Verdict: v, Tolerance: 4})
	assert.Contains(t, out, "\nResolution: 6.5 bytes/request\n", "16.5 is another figure")
	assert.Contains(t, out, "\nJudged: iterations 3-12, after a warm-up of 2\n")
}

func TestOnlyTheWordOfTheVerdictIsColoured(t *testing.T) {
	v := example()
	v.Explanation = "A \x1b[31mred server."
	for kind, start := range map[verdict.Kind]string{verdict.Leak: "\x1b[1;31m", verdict.NoLeak: "\x1b[1;32m", verdict.Inconclusive: "\x1b[1;33m"} {
		v.Kind = kind
		end := End{Verdict: v, Tolerance: 4, Sites: []string{"at \x1b[2J"}, Remarks: []string{"\x1b[2J"}, Results: "\x1b[2J"}
		with, without := printed(t, true, end), printed(t, false, end)
		assert.Equal(t, without, strings.Replace(with, start+string(kind)+"\x1b[0m", string(kind), 1), "all else is the same")
		assert.Equal(t, 2, strings.Count(with, "\x1b"))
		assert.NotContains(t, without, "\x1b")
	}
}

func TestSummaryOfShapes(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, New(&out, true).Summary([]Shape{
		{Name: "keepalive", Outcome: "leak", Verdict: example(), Results: "results/1-keepalive"},
		{Name: "churn", Outcome: "ended early", Verdict: verdict.Verdict{Kind: verdict.Inconclusive}, Results: "results/2-churn"},
	}))
	assert.Equal(t, `===============================
shape       verdict       growth                                 results
keepalive   leak          +180 bytes/request (95%: 173 to 186)   results/1-keepalive
churn       ended early   -                                      results/2-churn
===============================
`, out.String())
}
