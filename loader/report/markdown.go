package report

import (
	"cmp"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"leaklab/loader/environment"
)

// A GitHub issue takes 65,536 characters. These keep report.md within.
const (
	mostRows      = 100 // of the table; of more iterations the first few and the last are shown
	firstRows     = 10
	mostValue     = 300  // characters of a value
	mostReproduce = 4000 // characters of the command line
)

// writeMarkdown writes report.md. All that comes from outside is within code.
func writeMarkdown(out io.Writer, run Run) error {
	var b strings.Builder
	if other := run.Baseline; other != nil {
		fmt.Fprintf(&b, "## Comparison: %s\n\n%s\n\nBaseline: %s\n\n", other.Difference.headline(), escape(other.Difference.Sentence), escape(other.Verdict.Sentence))
	}
	fmt.Fprintf(&b, "## Verdict: %s\n\n", headline(run))
	for _, text := range statements(run) {
		fmt.Fprintf(&b, "%s\n\n", escape(text))
	}
	if run.Reason != "" {
		fmt.Fprintf(&b, "It ended with: %s\n\n", code(run.Reason))
	}

	if p := run.Profiles; p != nil && len(p.Sites) > 0 {
		markdownSites(&b, p.Sites)
	}
	b.WriteString("### Iterations\n\n")
	markdownIterations(&b, run)

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
	for _, line := range surroundings(run) {
		fmt.Fprintf(&b, "| %s | %s |\n", line.Name, cell(line.Value))
	}

	b.WriteString("\n### How to reproduce\n\n")
	b.WriteString(fenced("sh", clip(run.Reproduce, mostReproduce)))
	if hidden := hiddenNames(run); len(hidden) > 0 {
		fmt.Fprintf(&b, "\nSet %s as well: they may be secret, and are not written down.\n", strings.Join(hidden, " and "))
	}
	fmt.Fprintf(&b, "\nStatistic: %s.\n", escape(run.Verdict.Statistic))
	_, err := io.WriteString(out, Printable(b.String()))
	return err
}

func markdownSites(b *strings.Builder, sites []CallSite) {
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

func markdownIterations(b *strings.Builder, run Run) {
	if len(run.Iterations) == 0 {
		b.WriteString("There is none that was completed.\n")
		return
	}
	title, line := "", ""
	if run.Baseline != nil {
		title, line = " baseline, end, KiB |", "--:|"
	}
	fmt.Fprintf(b, "| iteration | requests | requests/s | errors | p99, ms | start, KiB | end, KiB | leaked, KiB | judged |%s\n", title)
	fmt.Fprintf(b, "|--:|--:|--:|--:|--:|--:|--:|--:|:-:|%s\n", line)
	left := len(run.Iterations) - mostRows
	for n, i := range run.Iterations {
		if left > 0 && n >= firstRows && n < firstRows+left {
			continue
		}
		judged := ""
		if run.Verdict.judges(i) {
			judged = "yes"
		}
		other := ""
		if run.Baseline != nil {
			other = " " + run.BaselineEnd(i) + " |"
		}
		fmt.Fprintf(b, "| %d | %d | %.0f | %d | %.2f | %d | %d | %d | %s |%s\n", i.Iteration, i.Requests, i.RequestsPerSecond, i.Errors,
			i.LatencyP99Seconds*1000, i.RSSStartBytes/kibibyte, i.RSSEndBytes/kibibyte, i.RSSEndBytes/kibibyte-i.RSSStartBytes/kibibyte, judged, other)
	}
	if left > 0 {
		fmt.Fprintf(b, "\n%d iterations after the first %d are left out here; `iterations.csv` has them all.\n", left, firstRows)
	}
}

// statements are the sentences at the top of a report.
func statements(run Run) []string {
	texts := append([]string{run.Verdict.Sentence, run.Verdict.Advice}, run.Remarks...)
	texts = append(texts, progressOf(run))
	return slices.DeleteFunc(texts, func(text string) bool { return text == "" })
}

// split returns the settings that differ from their defaults, and the others that have a value.
func split(settings []Setting) (changed, rest []Setting) {
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

func hiddenNames(run Run) []string {
	var names []string
	for _, s := range run.Settings {
		if s.Value == Hidden {
			names = append(names, s.Name)
		}
	}
	return names
}

// unknownDigest says how to have one.
const unknownDigest = "not known; that of SERVER_IMAGE=NAME@sha256:... is"

// Names of lines that are not compared as they are.
const (
	started         = "Started"
	buildSettings   = "Build settings"
	serverVariables = "Variables of the server"
)

// surroundings are the lines about where the run took place.
func surroundings(run Run) []Line {
	e := run.Environment
	lines := []Line{
		{started, run.StartedAt.UTC().Format(timeFormat)},
		{"leaklab", run.LeaklabVersion},
		{"Server", run.ServerCommand},
		{"Memory is read from", run.MemorySource},
		{"Kernel", e.Kernel},
		{"CPU", processors(e)},
		{"Memory", mebibytes(int64(e.MemoryBytes))},
		{"Limits of the server", limits(e.Limits)},
	}
	if run.Baseline != nil {
		lines = slices.Insert(lines, 3, Line{"Baseline", run.Baseline.Command})
	}
	if i := e.Server.Image; i != nil {
		lines = append(lines, Line{"Image", i.Reference}, Line{"Its digest", cmp.Or(i.Digest, unknownDigest)})
	}
	if g := e.Server.Go; g != nil {
		lines = append(lines, Line{"Built with", g.Version}, Line{"Package", g.Package}, Line{"Module", g.Module},
			Line{buildSettings, pairs(g.Settings)})
	}
	lines = append(lines, Line{serverVariables, pairs(e.Server.Variables)})
	return slices.DeleteFunc(lines, func(l Line) bool { return l.Value == "" })
}

func processors(e environment.Environment) string {
	return strings.TrimSpace(fmt.Sprintf("%d × %s", e.CPUs, e.CPU))
}

func mebibytes(bytes int64) string {
	if bytes == 0 {
		return ""
	}
	return fmt.Sprintf("%d MiB", bytes/mebibyte)
}

func limits(l environment.Limits) string {
	var all []string
	if l.MemoryBytes > 0 {
		all = append(all, mebibytes(l.MemoryBytes)+" of memory")
	}
	if l.CPUs > 0 {
		all = append(all, fmt.Sprintf("%.3g CPUs", l.CPUs))
	}
	if l.Processes > 0 {
		all = append(all, fmt.Sprintf("%d processes", l.Processes))
	}
	return strings.Join(all, ", ")
}

// pairs is NAME=VALUE for each, in the order of the names.
func pairs(values map[string]string) string {
	var all []string
	for name, value := range values {
		all = append(all, name+"="+value)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// clip shortens text to at most so many characters.
func clip(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}

// cell is code for a cell of a table, where a pipe needs a backslash, even within code.
func cell(text string) string { return strings.ReplaceAll(code(text), "|", `\|`) }

// code is text as a code span in one line; nothing in it is Markdown, nor a mention, nor a link.
func code(text string) string {
	text = clip(strings.Join(strings.Fields(text), " "), mostValue)
	if text == "" {
		return ""
	}
	fence := strings.Repeat("`", longestRun(text)+1)
	if strings.HasPrefix(text, "`") || strings.HasSuffix(text, "`") {
		text = " " + text + " "
	}
	return fence + text + fence
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

// escape is a sentence as it is, in one line. Names of files and addresses do not belong into it, but into code.
func escape(text string) string {
	text = alive.ReplaceAllString(strings.Join(strings.Fields(text), " "), "$0\u2060") // a word joiner, which nobody sees
	return special.ReplaceAllString(text, `\$0`)
}
