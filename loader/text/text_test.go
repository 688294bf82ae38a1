package text

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"":                           "",
		"plain\ttext\nÄ 世界 🙂":        "plain\ttext\nÄ 世界 🙂",
		"\x1b[31mred\x1b]0;title\a":  `\x1b[31mred\x1b]0;title\x07`,
		"over\rwritten\b\x00\x7f":    `over\x0dwritten\x08\x00\x7f`,
		"\u009b31m":                  `\u009b31m`,
		"a\u202eb\u2066c\u200f":      `a\u202eb\u2066c\u200f`,
		"\xff\xc3(":                  `\xff\xc3(`,
		"a replacement \ufffd stays": "a replacement \ufffd stays",
	} {
		assert.Equal(t, want, Printable(text))
	}
}

func TestWrap(t *testing.T) {
	for text, want := range map[string]string{
		"":                     "",
		" one  two\nthree ":    "one two\nthree",
		"a longword-here b":    "a\nlongword-here\nb",
		"äöüßä öüäöü":          "äöüßä\nöüäöü",
		"exactly8 four it fit": "exactly8\nfour it\nfit",
	} {
		assert.Equal(t, want, Wrap(text, 8), "%q", text)
	}
}

func TestClip(t *testing.T) {
	assert.Equal(t, "äöü", Clip("äöü", 3))
	assert.Equal(t, "äö…", Clip("äöü", 2))
}

func TestPercent(t *testing.T) {
	for share, want := range map[float64]string{0.95: "95%", 0.995: "99.5%", 1: "100%"} {
		assert.Equal(t, want, Percent(share))
	}
}

func TestNumber(t *testing.T) {
	for x, want := range map[float64]string{
		0: "0", 0.004: "0", -0.004: "0", 0.125: "0.12", -0.5: "-0.50", 1: "1", 33.3125: "33.3", 99.94: "99.9", 99.96: "100", 180.4: "180", 1048576: "1,048,576", -2000: "-2,000",
	} {
		assert.Equal(t, want, Number(x), x)
	}
}

func TestFixed(t *testing.T) {
	for want, x := range map[string]float64{"104.0": 104.04, "0.1": 0.1, "0.03": 0.03, "-0.002": -0.002, "0.0": 0, "-1.5": -1.5} {
		assert.Equal(t, want, Fixed(x, 1))
	}
	assert.Equal(t, "0.0004", Fixed(0.0004, 2))
}

func TestCoarse(t *testing.T) {
	for seconds, want := range map[float64]string{
		0: "0 s", 59.9: "59 s", 60: "1 min 0 s", 3599: "59 min 59 s", 3700: "1 h 1 min", 47.5 * 3600: "47 h 30 min",
		10.4 * 24 * 3600: "10 days", 1e12: "more than 100 years",
	} {
		assert.Equal(t, want, Coarse(seconds), seconds)
	}
}
