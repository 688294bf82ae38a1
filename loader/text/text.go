// Package text turns figures and foreign text into what people read: printable characters, wrapped lines, figures of
// few digits, shares, sizes and lengths of time. It knows nothing of runs.
package text

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Sizes in bytes.
const (
	Kibibyte = 1 << 10
	Mebibyte = 1 << 20
)

// LineWidth is the width of a paragraph on a terminal, in characters.
const LineWidth = 80

// Printable is text with everything that would steer a terminal, or hide how text reads, written out as in a Go string:
// control characters other than line ends and tabs, marks that reverse the direction of text, and invalid UTF-8. A
// server controls its last lines, its command line and the names of its functions.
func Printable(text string) string {
	var b strings.Builder
	for rest := text; rest != ""; {
		r, size := utf8.DecodeRuneInString(rest)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, rest[0])
		case r == '\n' || r == '\t':
			b.WriteRune(r)
		case r < 0x80 && unicode.IsControl(r):
			fmt.Fprintf(&b, `\x%02x`, r)
		case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
		rest = rest[size:]
	}
	return b.String()
}

// Wrap breaks text into lines of at most width characters, between words. A longer word has its own line.
func Wrap(text string, width int) string {
	var b strings.Builder
	column := 0
	for _, word := range strings.Fields(text) {
		switch length := utf8.RuneCountInString(word); {
		case column == 0:
			column = length
		case column+1+length > width:
			b.WriteByte('\n')
			column = length
		default:
			b.WriteByte(' ')
			column += 1 + length
		}
		b.WriteString(word)
	}
	return b.String()
}

// Clip shortens text to at most the given number of characters, with an ellipsis in place of the rest.
func Clip(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}

// Percent is "95%" for 0.95, with three digits at most.
func Percent(share float64) string { return fmt.Sprintf("%.3g%%", 100*share) }

// Number is a figure with three digits, or all digits before the point, in groups of three: "0.12", "1.7", "197",
// "403,685". What is closer to 0 than 0.005 is "0".
func Number(x float64) string {
	digits := 0
	switch a := math.Abs(x); {
	case a < 0.005:
		return "0"
	case a < 1:
		digits = 2
	case a < 99.95:
		digits = 1
	}
	digitsText := strconv.FormatFloat(math.Abs(x), 'f', digits, 64)
	whole, fraction, _ := strings.Cut(digitsText, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if strings.Trim(fraction, "0") != "" {
		whole += "." + fraction
	}
	if x < 0 {
		return "-" + whole
	}
	return whole
}

// Fixed is a figure with the given decimals, or with two digits if it had none but zeros otherwise: "104.0", "0.03".
func Fixed(x float64, decimals int) string {
	if x != 0 && math.Abs(x) < math.Pow10(-decimals) {
		return fmt.Sprintf("%.2g", x)
	}
	return fmt.Sprintf("%.*f", decimals, x)
}

// MiB is a number of bytes in whole mebibytes, with the unit: "2048 MiB".
func MiB(bytes int64) string { return fmt.Sprintf("%d MiB", bytes/Mebibyte) }

// Coarse is a length of time, given in seconds, in the one or two largest units that it needs: "3 min 20 s", "10 days".
func Coarse(seconds float64) string {
	const minute, hour, day, year = 60, 3600, 24 * 3600, 365 * 24 * 3600
	switch {
	case seconds >= 100*year:
		return "more than 100 years"
	case seconds >= 2*day:
		return fmt.Sprintf("%.0f days", seconds/day)
	}
	s := int(seconds)
	switch {
	case s >= hour:
		return fmt.Sprintf("%d h %d min", s/hour, s%hour/minute)
	case s >= minute:
		return fmt.Sprintf("%d min %d s", s/minute, s%minute)
	default:
		return fmt.Sprintf("%d s", s)
	}
}
