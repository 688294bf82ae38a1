package report

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"leaklab/loader/verdict"
)

// Side is one of two that are compared: its name, and what it is.
type Side struct{ Name, Of string }

// WriteComparison prints two runs, or two servers, side by side, and what differs.
func WriteComparison(out io.Writer, c verdict.Comparison, before, after Side) error {
	var b strings.Builder
	fmt.Fprintln(&b, thickRule)
	fmt.Fprintf(&b, "Comparison: %s\n", c.Change)
	fmt.Fprintln(&b, thinRule)
	table := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	fmt.Fprintf(table, "\t%s\t%s\t%s - %s\n", before.Name, after.Name, after.Name, before.Name)
	difference, pairs := "", ""
	if c.Estimated {
		difference = growth(c.Difference, c.Lower, c.Upper)
	}
	if c.Judged.First > 0 {
		pairs = fmt.Sprintf("iterations %s", c.Judged)
	}
	fmt.Fprintf(table, "bytes/request\t%s\t%s\t%s\n", growthOf(c.Old), growthOf(c.New), difference)
	fmt.Fprintf(table, "verdict\t%s\t%s\t%s\n", c.Old.Kind, c.New.Kind, c.Change)
	fmt.Fprintf(table, "judged\t%s\t%s\t%s\n", judgedOf(c.Old), judgedOf(c.New), pairs)
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(&b, thinRule)
	fmt.Fprintln(&b, wrap(c.Sentence, lineWidth))
	fmt.Fprintf(&b, "%s: %s\n%s: %s\n", before.Name, before.Of, after.Name, after.Of)
	fmt.Fprintln(&b, thickRule)
	_, err := io.WriteString(out, Printable(b.String()))
	return err
}

func growthOf(v verdict.Verdict) string {
	if !v.Estimated {
		return "-"
	}
	return growth(v.Growth, v.Lower, v.Upper)
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
