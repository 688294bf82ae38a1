package report

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"leaklab/loader/verdict"
)

// WriteComparison prints two runs side by side, and what differs. before and after name them.
func WriteComparison(out io.Writer, c verdict.Comparison, before, after string) error {
	var b strings.Builder
	fmt.Fprintln(&b, thickRule)
	fmt.Fprintf(&b, "Comparison: %s\n", c.Change)
	fmt.Fprintln(&b, thinRule)
	table := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "\told\tnew\tnew - old")
	estimated := c.Old.Estimated && c.New.Estimated
	difference := ""
	if estimated {
		difference = growth(c.Difference, c.Lower, c.Upper)
	}
	fmt.Fprintf(table, "bytes/request\t%s\t%s\t%s\n", growthOf(c.Old), growthOf(c.New), difference)
	fmt.Fprintf(table, "verdict\t%s\t%s\t%s\n", c.Old.Kind, c.New.Kind, c.Change)
	fmt.Fprintf(table, "judged\t%s\t%s\t\n", judgedOf(c.Old), judgedOf(c.New))
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(&b, thinRule)
	fmt.Fprintln(&b, wrap(c.Sentence, lineWidth))
	fmt.Fprintf(&b, "old: %s\nnew: %s\n", before, after)
	fmt.Fprintln(&b, thickRule)
	_, err := io.WriteString(out, b.String())
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
