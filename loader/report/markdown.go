package report

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"leaklab/loader/record"
	"leaklab/loader/text"
)

// A GitHub issue takes 65,536 characters. These keep report.md within.
const (
	mostRows      = 100 // of the table; of more iterations the first few and the last are shown
	firstRows     = 10
	mostValue     = 300  // characters of a value
	mostReproduce = 4000 // characters of the command line
)

// writeMarkdown writes report.md. All that comes from outside is within code.
func writeMarkdown(out io.Writer, run record.Run) error {
	var b strings.Builder
	if other := run.Baseline; other != nil {
		fmt.Fprintf(&b, "## Comparison: %s\n\n%s\n\nBaseline: %s\n\n", other.Difference.Headline(), escape(other.Difference.Sentence), escape(other.Verdict.Sentence))
		markdownChanges(&b, run)
	}
	fmt.Fprintf(&b, "## Verdict: %s\n\n", run.Verdict.Headline()+at(namedSite(run)))
	if early := run.EarlyEnd(); early != "" {
		fmt.Fprintf(&b, "%s: %s\n\n", early, code(run.Reason))
	}
	for _, statement := range statements(run) {
		fmt.Fprintf(&b, "%s\n\n", escape(statement))
	}

	markdownGrowths(&b, growths(run))
	markdownSites(&b, run)
	if p := run.Profiles; p != nil && len(p.Sites) > 0 {
		markdownCallSites(&b, p.Sites)
	}
	b.WriteString("### Iterations\n\n")
	markdownIterations(&b, run)

	if lines := liveLines(run); len(lines) > 0 {
		b.WriteString("\n### How live memory was read\n\n| | |\n|---|---|\n")
		for _, line := range lines {
			fmt.Fprintf(&b, "| %s | %s |\n", line.Name, cell(line.Value))
		}
	}

	b.WriteString("\n### Settings\n\n| setting | value | default |\n|---|---|---|\n")
	changed, rest := split(run.Settings)
	for _, s := range changed {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", cell(s.Name), cell(s.Value), cell(s.Default))
	}
	var defaults []string
	for _, s := range rest {
		defaults = append(defaults, code(s.Name+"="+s.Value))
	}
	fmt.Fprintf(&b, "\nThe others have their defaults: %s.\n", strings.Join(defaults, ", "))

	b.WriteString("\n### Environment\n\n| | |\n|---|---|\n")
	for _, line := range run.Surroundings() {
		fmt.Fprintf(&b, "| %s | %s |\n", line.Name, cell(line.Value))
	}

	b.WriteString("\n### How to reproduce\n\n")
	b.WriteString(fenced("sh", text.Clip(run.Reproduce, mostReproduce)))
	if hidden := hiddenNames(run); len(hidden) > 0 {
		fmt.Fprintf(&b, "\nSet %s as well: they may be secret, and are not written down.\n", strings.Join(hidden, " and "))
	}
	fmt.Fprintf(&b, "\nStatistic: %s.\n", escape(run.Verdict.Statistic))
	_, err := io.WriteString(out, text.Printable(b.String()))
	return err
}

func markdownCallSites(b *strings.Builder, sites []record.CallSite) {
	b.WriteString("### Where it grew\n\n| | gained | per request | at | called by |\n|---|--:|--:|---|---|\n")
	for _, s := range sites {
		caller := ""
		if s.CalledBy != nil {
			caller = s.CalledBy.String()
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", s.What(), s.Gained(), s.PerRequest(), cell(s.Place.String()), cell(caller))
	}
	b.WriteString("\n")
}

// at is what follows a headline to name a site; empty for none.
func at(site string) string {
	if site == "" {
		return ""
	}
	return ": " + code(site)
}

// markdownGrowths writes what grows; nothing without live memory.
func markdownGrowths(b *strings.Builder, rows []growthRow) {
	if len(rows) == 0 {
		return
	}
	b.WriteString("### What grows\n\n| memory | at the end, MiB | bytes/request | at least | at most |\n|---|--:|--:|--:|--:|\n")
	for _, r := range rows {
		name := string(r.Part)
		if r.RestsOn {
			name = "**" + name + "**, which the verdict rests on"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", name, r.End, r.Growth, r.Lower, r.Upper)
	}
	b.WriteString("\nHeld memory is live memory, heap slack and memory outside the heap, and pages of files.\n\n")
}

func markdownIterations(b *strings.Builder, run record.Run) {
	if len(run.Iterations) == 0 {
		b.WriteString("No iteration was completed.\n")
		return
	}
	title, line := "", ""
	live := hasLive(run)
	if live {
		title, line = " live, KiB | outside, KiB | stopped, ms |", "--:|--:|--:|"
	}
	if run.Baseline != nil {
		title, line = title+" baseline, end, KiB |", line+"--:|"
	}
	fmt.Fprintf(b, "| iteration | requests | requests/s | errors | p99, ms | start, KiB | end, KiB | leaked, KiB | judged |%s\n", title)
	fmt.Fprintf(b, "|--:|--:|--:|--:|--:|--:|--:|--:|:-:|%s\n", line)
	left := len(run.Iterations) - mostRows
	for n, i := range run.Iterations {
		if left > 0 && n >= firstRows && n < firstRows+left {
			continue
		}
		judged := ""
		if run.Verdict.Judges(i) {
			judged = "yes"
		}
		other := ""
		if live {
			other = fmt.Sprintf(" %s | %s | %s |", optional(i.LiveEndBytes), optional(i.OutsideEndBytes), stopped(i))
		}
		if run.Baseline != nil {
			other += " " + baselineEnd(run, i) + " |"
		}
		fmt.Fprintf(b, "| %d | %d | %.0f | %d | %.2f | %d | %d | %d | %s |%s\n", i.Iteration, i.Requests, i.RequestsPerSecond, i.Errors,
			i.LatencyP99Seconds*1000, i.RSSStartBytes/text.Kibibyte, i.RSSEndBytes/text.Kibibyte, i.RSSEndBytes/text.Kibibyte-i.RSSStartBytes/text.Kibibyte, judged, other)
	}
	if left > 0 {
		fmt.Fprintf(b, "\n%d iterations after the first %d are left out here; `iterations.csv` has them all.\n", left, firstRows)
	}
}

// statements are the sentences at the top of a report.
func statements(run record.Run) []string {
	all := append([]string{run.Verdict.Sentence, run.Verdict.Advice}, run.Remarks...)
	if run.State != record.EndedEarly { // otherwise that stands first
		all = append(all, progressOf(run))
	}
	return slices.DeleteFunc(all, func(statement string) bool { return statement == "" })
}

// progressOf is how many iterations there are of a run that did not end early.
func progressOf(run record.Run) string {
	if run.State == record.Running {
		return run.Progress() + " so far. If the run is not going on any more, it was killed."
	}
	return run.Progress() + "."
}

// baselineEnd is the baseline's end reading of the same iteration, in KiB; empty if there is none.
func baselineEnd(run record.Run, i record.Iteration) string {
	other, found := run.Baseline.Of(i)
	if !found {
		return ""
	}
	return strconv.FormatInt(other.RSSEndBytes/text.Kibibyte, 10)
}

// split returns the settings that differ from their defaults, and the others that have a value.
func split(settings []record.Setting) (changed, rest []record.Setting) {
	for _, s := range settings {
		switch {
		case s.Value != s.Default:
			changed = append(changed, s)
		case s.Value != "":
			rest = append(rest, s)
		}
	}
	return changed, rest
}

func hiddenNames(run record.Run) []string {
	var names []string
	for _, s := range run.Settings {
		if s.Value == record.Hidden {
			names = append(names, s.Name)
		}
	}
	return names
}

// cell is code for a cell of a table, where a pipe needs a backslash, even within code.
func cell(value string) string { return strings.ReplaceAll(code(value), "|", `\|`) }

// code is a value as a code span in one line; nothing in it is Markdown, nor a mention, nor a link.
func code(value string) string {
	value = text.Clip(strings.Join(strings.Fields(value), " "), mostValue)
	if value == "" {
		return ""
	}
	fence := strings.Repeat("`", longestRun(value)+1)
	if strings.HasPrefix(value, "`") || strings.HasSuffix(value, "`") {
		value = " " + value + " "
	}
	return fence + value + fence
}

// fenced is text as a block of code.
func fenced(language, text string) string {
	fence := strings.Repeat("`", max(3, longestRun(text)+1))
	return fence + language + "\n" + text + "\n" + fence + "\n"
}

var backticks = regexp.MustCompile("`+")

func longestRun(text string) int {
	longest := 0
	for _, run := range backticks.FindAllString(text, -1) {
		longest = max(longest, len(run))
	}
	return longest
}

// special are the characters that mean something in Markdown. The dot, the hyphen and the like mean something at the
// beginning of a line only, where no sentence has them.
var special = regexp.MustCompile("[\\\\`*_\\[\\]<>|~#&]")

// alive is what GitHub makes links and mentions of, wherever it stands in a sentence.
var alive = regexp.MustCompile(`@|#|(?i:www)|:/`)

// escape is a sentence as it is, in one line. File names and addresses do not belong in it, but in code.
func escape(text string) string {
	text = alive.ReplaceAllString(strings.Join(strings.Fields(text), " "), "$0\u2060") // a word joiner, which is invisible
	return special.ReplaceAllString(text, `\$0`)
}
