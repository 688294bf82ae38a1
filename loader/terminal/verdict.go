package terminal

import (
	"fmt"
	"strings"

	"leaklab/loader/record"
	"leaklab/loader/text"
	"leaklab/loader/verdict"
)

// End is what stands below the blocks of the iterations.
type End struct {
	Verdict   verdict.Verdict
	Early     string        // how far the run came, if it ended early, in a clause
	Reason    string        // why it did
	Tolerance float64       // bytes per request
	Growing   *record.Sites // what live memory that grows belongs to; nil if it is not known
	Sites     []string      // the code that grew by the server's own profiles, a sentence each
	Remarks   []string      // a paragraph each
	Results   string        // the folder of the run; empty if there is none
	Dashboard string        // the address that shows the run; empty if there is none
}

// Verdict prints the verdict: in one line, then that the run ended early, the code that grew, and what explains it. Each
// figure stands there once: the sentences leave out those of the line, and a figure that they hold has no line.
func (t *Terminal) Verdict(end End) error {
	v := end.Verdict
	var b strings.Builder
	fmt.Fprintln(&b, thickRule)
	fmt.Fprintln(&b, t.headline(v, end.Tolerance)+end.site())
	fmt.Fprintln(&b, thinRule)
	if end.Early != "" {
		paragraphs(&b, end.Early+": "+end.Reason)
	}
	if sites := append(end.Growing.Lines(sitesShown, v.Unit), end.Sites...); len(sites) > 0 {
		paragraphs(&b, sites...)
		fmt.Fprintln(&b, thinRule)
	}
	paragraphs(&b, v.Explanation, v.Advice)
	paragraphs(&b, unsaid(v)...)
	paragraphs(&b, end.Remarks...)
	if end.Results != "" {
		paragraphs(&b, "Results: "+end.Results)
	}
	if end.Dashboard != "" {
		fmt.Fprintln(&b, "Grafana: "+text.Printable(end.Dashboard)) // in one line, or it could not be clicked
	}
	fmt.Fprintln(&b, thickRule)
	return t.print(b.String())
}

// sitesShown is how many sites are on the screen. The report has more.
const sitesShown = 3

// site is what stands behind the headline: the site that grows most in the memory that the verdict is on, if that is a leak.
func (e End) site() string {
	if first := e.Growing.First(e.Verdict.Of); first != "" && e.Verdict.Kind == verdict.Leak {
		return ": " + first
	}
	return ""
}

// headline is like "leak  +180 bytes/request (95%: 173 to 186; tolerance 4)", with the word of the verdict in colour. The
// growth is of resident memory unless it says of what.
func (t *Terminal) headline(v verdict.Verdict, tolerance float64) string {
	line := t.word(v.Kind)
	if v.Estimated {
		of := ""
		if v.Of.Named() {
			of = string(v.Of) + " "
		}
		line += fmt.Sprintf("  %s%s bytes/%s (%s: %s to %s; tolerance %s)", of, signed(v.Growth), v.Unit,
			text.Percent(v.Confidence), text.Number(v.Lower), text.Number(v.Upper), text.Number(tolerance))
	}
	return line
}

// Colours are those of ECMA-48 (SGR): bold, and red, green or yellow.
const (
	red    = "\x1b[1;31m"
	green  = "\x1b[1;32m"
	yellow = "\x1b[1;33m"
	plain  = "\x1b[0m"
)

// word is the word of a verdict, in colour if that is asked for.
func (t *Terminal) word(kind verdict.Kind) string {
	if !t.colour {
		return string(kind)
	}
	colour := yellow
	switch kind {
	case verdict.Leak:
		colour = red
	case verdict.NoLeak:
		colour = green
	}
	return colour + string(kind) + plain
}

// signed is a figure with its sign, unless it is 0.
func signed(x float64) string {
	figure := text.Number(x)
	if x > 0 && figure != "0" {
		return "+" + figure
	}
	return figure
}

// unsaid are the figures of a verdict that neither the headline nor its sentences hold, a line each.
func unsaid(v verdict.Verdict) []string {
	if !v.Estimated {
		return nil
	}
	said := make(map[string]bool)
	for _, word := range strings.Fields(v.Explanation + " " + v.Advice) {
		said[strings.Trim(word, ".,;:()")] = true
	}
	lines := []string{"Growth pattern: " + string(v.Pattern)}
	if !said[v.Judged.String()] {
		lines = append(lines, fmt.Sprintf("Judged: iterations %s, after a warm-up of %d", v.Judged, v.WarmUp))
	}
	if resolution := text.Number(v.Resolution); !said[resolution] {
		lines = append(lines, fmt.Sprintf("Resolution: %s bytes/%s", resolution, v.Unit))
	}
	if parts := growths(v); parts != "" {
		lines = append(lines, parts)
	}
	return lines
}

// growths are the growths of the parts of held memory; empty if no more is known than its own.
func growths(v verdict.Verdict) string {
	if len(v.Growths) < 2 {
		return ""
	}
	var parts []string
	for _, g := range v.Growths {
		parts = append(parts, fmt.Sprintf("%s %s (%s to %s)", g.Part.Label(), signed(g.Growth), text.Number(g.Lower), text.Number(g.Upper)))
	}
	return fmt.Sprintf("Growth of the parts, bytes/%s: %s", v.Unit, strings.Join(parts, ", "))
}

// paragraphs writes texts, each in separate lines, and none for an empty one.
func paragraphs(b *strings.Builder, texts ...string) {
	for _, paragraph := range texts {
		if paragraph != "" {
			fmt.Fprintln(b, text.Printable(text.Wrap(paragraph, text.LineWidth)))
		}
	}
}

// Shape is the outcome of a run of one shape of load.
type Shape struct {
	Name    string
	Outcome string          // the verdict, how it compares with the baseline, or why there is none
	Verdict verdict.Verdict // of the iterations so far
	Results string          // the folder of the run
}

// Summary prints a table of several shapes: the outcome of each, its growth with the interval, and its folder.
func (t *Terminal) Summary(shapes []Shape) error {
	var table [][]string
	for _, s := range shapes {
		growth := "-"
		if v := s.Verdict; v.Estimated {
			growth = fmt.Sprintf("%s bytes/%s (%s: %s to %s)", signed(v.Growth), v.Unit, text.Percent(v.Confidence), text.Number(v.Lower), text.Number(v.Upper))
		}
		table = append(table, []string{s.Name, s.Outcome, growth, text.Printable(s.Results)})
	}
	var b strings.Builder
	fmt.Fprintln(&b, thickRule)
	writeTable(&b, []string{"shape", "verdict", "growth", "results"}, table)
	fmt.Fprintln(&b, thickRule)
	return t.print(b.String())
}
