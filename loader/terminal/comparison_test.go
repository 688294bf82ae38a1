package terminal

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/verdict"
)

func TestComparisonBlock(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, New(&out, true).Comparison(verdict.Comparison{
		Old: verdict.Verdict{
			Kind: verdict.Leak, Estimated: true, Growth: 178.54, Lower: 171.2, Upper: 186.1, Judged: verdict.Range{First: 2, Last: 12}, JudgedRequests: 500000,
		},
		New: verdict.Verdict{
			Kind: verdict.NoLeak, Estimated: true, Growth: 0.2, Lower: -0.6, Upper: 1, Judged: verdict.Range{First: 3, Last: 10}, JudgedRequests: 600000,
		},
		Change: verdict.Fixed, Estimated: true, Difference: -178.34, Lower: -186, Upper: -171, Sentence: "Fixed.",
	}, Side{"old", "results/a"}, Side{"new", "results/b"}))
	assert.Equal(t, `===============================
Comparison: fixed
-------------------------------
                old                                new                                new - old
bytes/request   178.5 (171.2 to 186.1)             0.2 (-0.6 to 1.0)                  -178.3 (-186.0 to -171.0)
verdict         leak                               no leak                            fixed
judged          iterations 2-12, 500000 requests   iterations 3-10, 600000 requests   
-------------------------------
Fixed.
old: results/a
new: results/b
===============================
`, out.String())

	out.Reset()
	require.NoError(t, New(&out, true).Comparison(verdict.Comparison{Change: verdict.Worse, Sentence: "Worse."}, Side{"old", "a"}, Side{"new", "b"},
		"new: main.keep (main.go:12): 34.0 (30.0 to 38.0) bytes/request", "gone: \x1b[2J"))
	assert.Contains(t, out.String(), "\nWorse.\n"+thinRule+"\nnew: main.keep (main.go:12): 34.0 (30.0 to 38.0) bytes/request\ngone: \\x1b[2J\n"+thinRule+"\nold: a\n")

	out.Reset()
	require.NoError(t, New(&out, true).Comparison(verdict.Comparison{Change: verdict.CannotTell, Sentence: "Too short."}, Side{"old", "a"}, Side{"new", "b"}))
	assert.Contains(t, out.String(), "bytes/request   -")
}
