package report

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable is text with what would steer a terminal, or hide how text reads, written out as in a Go string: control
// characters other than line ends and tabs, marks that reverse the direction of text, and what is not UTF-8. A server
// decides what its last lines, its command line and the names of its functions hold.
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
