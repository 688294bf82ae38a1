package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode"
)

// WriteReproduction prints whether a run that was made again has the verdict of the old one, and what differs in their
// settings and in their environment. It stands between the blocks of the verdict and of the comparison.
func WriteReproduction(out io.Writer, old, again Run) error {
	var b strings.Builder
	if old.Verdict.Kind == again.Verdict.Kind {
		fmt.Fprintf(&b, "Reproduction: the same verdict, %s\n", again.Verdict.Kind)
	} else {
		fmt.Fprintf(&b, "Reproduction: another verdict, %s instead of %s\n", again.Verdict.Kind, old.Verdict.Kind)
	}
	fmt.Fprintln(&b, thinRule)
	if differing := differences(traits(old), traits(again)); len(differing) == 0 {
		b.WriteString("Settings and environment are the same, as far as they are known.\n")
	} else if err := writeDifferences(&b, differing); err != nil {
		return err
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func writeDifferences(out io.Writer, all []difference) error {
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "\told\tnew")
	for _, d := range all {
		fmt.Fprintf(table, "%s\t%s\t%s\n", inTable(d.name), inTable(d.old), inTable(d.again))
	}
	return table.Flush()
}

// difference is what is not the same in two runs.
type difference struct{ name, old, again string }

// differences are in the order of the old lines; those that are only among the others follow.
func differences(old, again []Line) []difference {
	values := make(map[string]string)
	for _, line := range again {
		values[line.Name] = line.Value
	}
	var all []difference
	seen := make(map[string]bool)
	for _, line := range old {
		seen[line.Name] = true
		if values[line.Name] != line.Value {
			all = append(all, difference{line.Name, line.Value, values[line.Name]})
		}
	}
	for _, line := range again {
		if !seen[line.Name] && line.Value != "" {
			all = append(all, difference{line.Name, "", line.Value})
		}
	}
	return all
}

// traits are the settings and the environment of a run, a line each.
func traits(run Run) []Line {
	var all []Line
	for _, s := range run.Settings {
		all = append(all, Line{s.Name, s.Value})
	}
	build := make(map[string]string)
	if run.Environment.Server.Go != nil {
		build = run.Environment.Server.Go.Settings
	}
	for _, line := range surroundings(run) {
		switch line.Name {
		case started:
		case buildSettings:
			all = append(all, linesOf("Built with ", build)...)
		case serverVariables:
			all = append(all, linesOf("Server's ", run.Environment.Server.Variables)...)
		default:
			all = append(all, line)
		}
	}
	return all
}

// linesOf are the values in the order of their names, which have the prefix.
func linesOf(prefix string, values map[string]string) []Line {
	var all []Line
	for _, name := range slices.Sorted(maps.Keys(values)) {
		all = append(all, Line{prefix + name, values[name]})
	}
	return all
}

const widestCell = 60

// inTable is text for a cell on a terminal: short, in one line, without control characters.
func inTable(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	if text == "" {
		return "-"
	}
	return clip(text, widestCell)
}
