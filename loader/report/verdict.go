package report

import (
	"fmt"
	"io"
	"strings"

	"leaklab/loader/verdict"
)

const lineWidth = 80

// WriteVerdict prints the verdict's block, after those of the iterations. remarks are lines of the caller's own.
func WriteVerdict(out io.Writer, v verdict.Verdict, remarks ...string) error {
	var b strings.Builder
	fmt.Fprintln(&b, thickRule)
	fmt.Fprintf(&b, "Verdict: %s\n", v.Kind)
	fmt.Fprintln(&b, thinRule)
	if v.Estimated {
		fmt.Fprintf(&b, "Growth: %.1f bytes/%s (%.1f to %.1f, %s)\n", v.Growth, v.Unit, v.Lower, v.Upper, percent(v.Confidence))
		fmt.Fprintf(&b, "Resolution: %.1f bytes/%s\n", v.Resolution, v.Unit)
		fmt.Fprintf(&b, "Judged: iterations %s, after a warm-up of %d\n", v.Judged, v.WarmUp)
		fmt.Fprintf(&b, "Shape of growth: %s\n", v.Pattern)
		fmt.Fprintln(&b, thinRule)
	}
	for _, text := range append([]string{v.Sentence, v.Advice}, remarks...) {
		if text != "" {
			fmt.Fprintln(&b, wrap(text, lineWidth))
		}
	}
	fmt.Fprintln(&b, thickRule)
	_, err := io.WriteString(out, Printable(b.String()))
	return err
}

func percent(share float64) string { return fmt.Sprintf("%.3g%%", 100*share) }

// wrap breaks text into lines of at most width characters, between words.
func wrap(text string, width int) string {
	var b strings.Builder
	column := 0
	for _, word := range strings.Fields(text) {
		switch length := len([]rune(word)); {
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

// TimeToLimit says in how many seconds a limit of memory, in bytes, is reached under the load of the run.
func TimeToLimit(seconds float64, limitBytes int64, of string) string {
	return fmt.Sprintf("Under this load the server reaches the limit of %s, %d MiB, in %s.", of, limitBytes>>20, coarse(seconds))
}

// coarse is a length of time in the one or two largest units that it needs.
func coarse(seconds float64) string {
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
