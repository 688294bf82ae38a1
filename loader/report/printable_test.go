package report

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
