package terminal

import (
	"fmt"
	"strings"

	"leaklab/loader/text"
	"leaklab/loader/verdict"
)

// Side is one of two servers or runs that are compared: its name, and what it is.
type Side struct{ Name, Of string }

// Comparison prints two runs, or two servers, side by side, and what differs, with the sites that do, a line each.
func (t *Terminal) Comparison(c verdict.Comparison, before, after Side, sites ...string) error {
	var b strings.Builder
	fmt.Fprintln(&b, thickRule)
	fmt.Fprintf(&b, "Comparison: %s\n", c.Change)
	fmt.Fprintln(&b, thinRule)
	difference, pairs := "", ""
	if c.Estimated {
		difference = growth(c.Difference, c.Lower, c.Upper)
	}
	if c.Judged.First > 0 {
		pairs = fmt.Sprintf("iterations %s", c.Judged)
	}
	what := "bytes/" + c.New.Unit.String()
	if c.Of.Named() {
		what = string(c.Of) + ", " + what
	}
	writeTable(&b, []string{"", before.Name, after.Name, after.Name + " - " + before.Name}, [][]string{
		{what, growthOf(c.Old, c.Of), growthOf(c.New, c.Of), difference},
		{"verdict", string(c.Old.Kind), string(c.New.Kind), string(c.Change)},
		{"judged", judgedOf(c.Old), judgedOf(c.New), pairs},
	})
	fmt.Fprintln(&b, thinRule)
	fmt.Fprintln(&b, text.Wrap(c.Sentence, text.LineWidth))
	if len(sites) > 0 {
		fmt.Fprintln(&b, thinRule)
		paragraphs(&b, sites...)
		fmt.Fprintln(&b, thinRule)
	}
	fmt.Fprintf(&b, "%s: %s\n%s: %s\n", before.Name, before.Of, after.Name, after.Of)
	fmt.Fprintln(&b, thickRule)
	return t.print(text.Printable(b.String()))
}

// growthOf is the growth of a part, as it is compared.
func growthOf(v verdict.Verdict, part verdict.Part) string {
	if !v.Estimated {
		return "-"
	}
	g := v.GrowthOf(part)
	return growth(g.Growth, g.Lower, g.Upper)
}

func growth(estimate, lower, upper float64) string {
	return fmt.Sprintf("%.1f (%.1f to %.1f)", estimate, lower, upper)
}

func judgedOf(v verdict.Verdict) string {
	if !v.Estimated {
		return "-"
	}
	return fmt.Sprintf("iterations %s, %d requests", v.Judged, v.JudgedRequests)
}
