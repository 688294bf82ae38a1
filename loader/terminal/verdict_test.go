package report

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/verdict"
)

func TestVerdictBlock(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, WriteVerdict(&out, verdict.Verdict{
		Kind: verdict.Leak, Shape: verdict.ShapeSteady, Estimated: true,
		Growth: 151.04, Lower: 120, Upper: 180.26, Confidence: 0.95, Resolution: 30.1,
		WarmUp: 2, Judged: verdict.Range{First: 3, Last: 12},
		Sentence: strings.Repeat("word ", 18) + "end.",
	}, "Results: r"))
	assert.Equal(t, `===============================
Verdict: leak
-------------------------------
Growth: 151.0 bytes/request (120.0 to 180.3, 95%)
Resolution: 30.1 bytes/request
Judged: iterations 3-12, after a warm-up of 2
Shape of growth: steady
-------------------------------
word word word word word word word word word word word word word word word word
word word end.
Results: r
===============================
`, out.String())
}

func TestVerdictBlockWithoutAnEstimate(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, WriteVerdict(&out, verdict.Verdict{Kind: verdict.Inconclusive, Sentence: "Too few.", Advice: "Run more."}))
	assert.Equal(t, `===============================
Verdict: inconclusive
-------------------------------
Too few.
Run more.
===============================
`, out.String())
}

func TestPercent(t *testing.T) {
	for share, want := range map[float64]string{0.95: "95%", 0.995: "99.5%", 1: "100%"} {
		assert.Equal(t, want, percent(share))
	}
}

func TestTimeToLimit(t *testing.T) {
	for seconds, want := range map[float64]string{
		0: "0 s", 59.9: "59 s", 60: "1 min 0 s", 3599: "59 min 59 s", 3700: "1 h 1 min", 47.5 * 3600: "47 h 30 min",
		10.4 * 24 * 3600: "10 days", 1e12: "more than 100 years",
	} {
		assert.Equal(t, "Under this load the server reaches the limit of its cgroup, 2048 MiB, in "+want+".", TimeToLimit(seconds, 2<<30, "its cgroup"))
	}
}
