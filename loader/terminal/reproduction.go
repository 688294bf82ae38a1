package terminal

import (
	"fmt"
	"strings"
	"unicode"

	"leaklab/loader/record"
	"leaklab/loader/text"
)

// Reproduction prints the verdicts of a run and of its reproduction, the same or not, and what differs in their settings
// and surroundings. It stands between the blocks of the verdict and of the comparison.
func (t *Terminal) Reproduction(old, again record.Run) error {
	var b strings.Builder
	if old.Verdict.Kind == again.Verdict.Kind {
		fmt.Fprintf(&b, "Reproduction: the same verdict, %s\n", again.Verdict.Kind)
	} else {
		fmt.Fprintf(&b, "Reproduction: another verdict, %s instead of %s\n", again.Verdict.Kind, old.Verdict.Kind)
	}
	fmt.Fprintln(&b, thinRule)
	var rows [][]string
	for _, d := range record.Deviations(old, again) {
		rows = append(rows, []string{cell(d.Name), cell(d.Old), cell(d.New)})
	}
	if len(rows) == 0 {
		b.WriteString("Settings and environment are the same, as far as they are known.\n")
	} else {
		writeTable(&b, []string{"", "old", "new"}, rows)
	}
	return t.print(b.String())
}

const widestCell = 60

// cell is a value for a table on a terminal: short, in one line, without control characters.
func cell(value string) string {
	value = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, value)
	if value == "" {
		return "-"
	}
	return text.Clip(value, widestCell)
}
