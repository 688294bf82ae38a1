package record

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"leaklab/loader/text"
	"leaklab/loader/verdict"
)

const (
	mostName   = 100 // characters of a name, where it stands in a line
	mostReason = 300 // characters of why nothing is named
)

// Name is the site in a few words, in one line: "int[] at JavaLeak.register (JavaLeak.java:9)", "in keep (app.js:12)".
// Files are without their folders.
func (s Site) Name() string {
	if s.File != "" {
		s.File = path.Base(s.File)
	}
	name := s.Where()
	switch {
	case name == "":
		name = s.Class
	case s.Class != "" && s.InFunction:
		name = s.Class + " " + name
	case s.Class != "":
		name = s.Class + " at " + name
	}
	return inLine(name)
}

// Said is the site with its growth, what holds it and its nearest caller, as a line: "int[] at JavaLeak.register
// (JavaLeak.java:9): 104.0 (103.7 to 104.3) bytes/request, 1.00 objects/request; held by static field JavaLeak.KEPT". unit is
// what the growth is per.
func (s Site) Said(unit verdict.Unit) string {
	said := fmt.Sprintf("%s: %s bytes/%s", s.Name(), s.BytesPerRequest.Said(), unit)
	if s.ObjectsPerRequest != nil {
		said += fmt.Sprintf(", %s objects/%s", text.Fixed(s.ObjectsPerRequest.Estimate, 2), unit)
	}
	if how := s.Estimated(); how != "" {
		said += ", " + how
	}
	if len(s.Holders) > 0 {
		said += "; held by " + heldBy(s.Holders)
	}
	if len(s.Callers) > 0 {
		said += "; called by " + inLine(s.Callers[0])
	}
	return said
}

// Estimated is what the figures rest on, if that is less than a reading of each iteration; else empty.
func (s Site) Estimated() string {
	var how []string
	if s.Sampled {
		how = append(how, "sampled")
	}
	if s.OneIteration {
		how = append(how, "in one iteration")
	}
	return strings.Join(how, " ")
}

// Said is the estimate with its interval: "104.0 (103.7 to 104.3)".
func (i Interval) Said() string {
	return fmt.Sprintf("%s (%s to %s)", text.Fixed(i.Estimate, 1), text.Fixed(i.Low, 1), text.Fixed(i.High, 1))
}

// heldBy is the nearest holder and the last, which is the root, with as many between them as there is room for.
func heldBy(holders []string) string {
	const most = 3
	if len(holders) > most {
		holders = slices.Concat(holders[:most-1], []string{"...", holders[len(holders)-1]})
	}
	var shown []string
	for _, holder := range holders {
		shown = append(shown, inLine(holder))
	}
	return strings.Join(shown, ", ")
}

// First is the name of the site that grows most of those in live memory, or outside of the heap; empty if there is none.
func (s *Sites) First(of verdict.Part) string {
	if s == nil || of != verdict.Live && of != verdict.Outside {
		return ""
	}
	first := slices.IndexFunc(s.List, func(site Site) bool { return site.Outside == (of == verdict.Outside) })
	if first < 0 {
		return ""
	}
	return s.List[first].Name()
}

// Lines tell the sites, a line each and as many as given, then what they explain, and what is not named and why.
func (s *Sites) Lines(most int, unit verdict.Unit) []string {
	if s == nil {
		return nil
	}
	var lines []string
	for _, site := range s.List[:min(most, len(s.List))] {
		lines = append(lines, site.Said(unit))
	}
	if left := len(s.List) - most; left > 0 {
		lines = append(lines, fmt.Sprintf("The report has %d more.", left))
	}
	return append(lines, s.Statements()...)
}

// Statements tell how much of the growth the sites explain, out of how many they are, and what is not named and why: a
// sentence each.
func (s *Sites) Statements() []string {
	if s == nil {
		return nil
	}
	var all []string
	if len(s.List) > 0 {
		all = append(all, s.explained())
	}
	switch unnamed := strings.TrimSuffix(text.Clip(inSentence(s.Unnamed), mostReason), "."); {
	case unnamed != "" && len(s.List) > 0:
		all = append(all, fmt.Sprintf("More could be named: %s.", unnamed))
	case unnamed != "":
		all = append(all, fmt.Sprintf("No site is named: %s.", unnamed))
	case len(s.List) == 0:
		all = append(all, fmt.Sprintf("No site surely grows, of %d that were looked at: more iterations, or more requests in each, may show one.", s.LookedAt))
	}
	return all
}

// explained is like "94% of the growth of live memory is explained, by 3 of 812 sites looked at; ...". Figures that add up
// to more than all of it are told as such.
func (s *Sites) explained() string {
	said := fmt.Sprintf("%d of %d sites looked at surely grow", len(s.List), s.LookedAt)
	if len(s.List) == 1 {
		said = fmt.Sprintf("1 of %d sites looked at surely grows", s.LookedAt)
	}
	if s.Explained != nil {
		share, more := fmt.Sprintf("%.0f%%", 100**s.Explained), ""
		if *s.Explained >= 1.005 {
			share, more = "All", fmt.Sprintf(" (their figures add up to %s of it: both are estimates)", share)
		}
		said = fmt.Sprintf("%s of the growth of live memory is explained, by %d of %d sites looked at%s", share, len(s.List), s.LookedAt, more)
	}
	if s.FalseDiscoveryRate > 0 {
		those := "those listed"
		if slices.ContainsFunc(s.List, func(site Site) bool { return site.OneIteration }) {
			those = "those read at each iteration"
		}
		said += fmt.Sprintf("; at most %s of %s are expected to be false (Benjamini-Hochberg)", text.Percent(s.FalseDiscoveryRate), those)
	}
	return said + "."
}

// inLine is a name from a server in one line of printable text, not too long.
func inLine(name string) string { return text.Clip(inSentence(name), mostName) }

func inSentence(words string) string { return text.Printable(strings.Join(strings.Fields(words), " ")) }
