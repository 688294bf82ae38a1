package record_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"

	"leaklab/loader/record"
	"leaklab/loader/record/recordtest"
	"leaklab/loader/verdict"
)

func TestNamesOfSites(t *testing.T) {
	for want, site := range map[string]record.Site{
		"int[] at JavaLeak.register (JavaLeak.java:9)": {Class: "int[]", Function: "JavaLeak.register", File: "JavaLeak.java", Line: 9},
		"in keep (app.js:12)":                          {Function: "keep", File: "file:///srv/app.js", Line: 12, InFunction: true},
		"Buffer in keep (app.js:12)":                   {Class: "Buffer", Function: "keep", File: "/srv/app.js", Line: 12, InFunction: true},
		"int[] at JavaLeak.register line 9":            {Class: "int[]", Function: "JavaLeak.register", Line: 9},
		"app.py:7":                                     {File: "/srv/app.py", Line: 7},
		"int[]":                                        {Class: "int[]"},
		"keep":                                         {Function: "keep"},
		"":                                             {},
	} {
		assert.Equal(t, want, site.Name())
	}
}

// The nearest holder and the root are said, whatever is between them, and the nearest caller.
func TestASiteIsSaid(t *testing.T) {
	s := record.Site{
		Function: "main.keep", File: "/srv/main.go", Line: 12, Callers: []string{"main.handler main.go:7", "net/http.serve server.go:9"},
		Holders: []string{"a", "b", "c", "static field D.E"}, BytesPerRequest: record.Interval{Estimate: 0.03, Low: -0.001, High: 1},
		ObjectsPerRequest: &record.Interval{Estimate: 0.0004, Low: 0, High: 1}, Sampled: true,
	}
	assert.Equal(t, "main.keep (main.go:12): 0.03 (-0.001 to 1.0) bytes/request, 0.0004 objects/request, sampled; held by a, b, ..., static field D.E; "+
		"called by main.handler main.go:7", s.Said(verdict.PerRequest))
	assert.Contains(t, s.Said(verdict.PerIteration), ": 0.03 (-0.001 to 1.0) bytes/iteration, 0.0004 objects/iteration, ")
	s.OneIteration, s.Callers, s.Holders, s.ObjectsPerRequest = true, nil, nil, nil
	assert.Equal(t, "main.keep (main.go:12): 0.03 (-0.001 to 1.0) bytes/request, sampled in one iteration", s.Said(verdict.PerRequest))
}

func TestWhatSitesExplain(t *testing.T) {
	assert.Empty(t, (*record.Sites)(nil).Lines(3, verdict.PerRequest))
	all := recordtest.Sites()
	assert.Equal(t, []string{"94% of the growth of live memory is explained, by 3 of 812 sites looked at; " +
		"at most 5% of those read at each iteration are expected to be false (Benjamini-Hochberg)."}, all.Statements())
	all.List[1].OneIteration = false
	assert.Contains(t, all.Statements()[0], "; at most 5% of those listed are expected to be false")
	lines := all.Lines(2, verdict.PerRequest)
	assert.Len(t, lines, 4)
	assert.Equal(t, "The report has 1 more.", lines[2])
	assert.Len(t, all.Lines(10, verdict.PerRequest), 4)

	for explained, said := range map[float64]string{
		1.004: "100% of the growth of live memory is explained, by 3 of 812 sites looked at; ",
		1.21:  "All of the growth of live memory is explained, by 3 of 812 sites looked at (their figures add up to 121% of it: both are estimates); ",
	} {
		*all.Explained = explained
		assert.Contains(t, all.Statements()[0], said)
	}

	all.Explained, all.FalseDiscoveryRate, all.Unnamed = nil, 0, "the naming iteration was interrupted."
	assert.Equal(t, []string{"3 of 812 sites looked at surely grow.", "More could be named: the naming iteration was interrupted."}, all.Statements())
	all.List, all.Unnamed = nil, "SITES=off;\nset SITES=auto"
	assert.Equal(t, []string{"No site is named: SITES=off; set SITES=auto."}, all.Lines(3, verdict.PerRequest))
	all.Unnamed = ""
	assert.Equal(t, []string{"No site surely grows, of 812 that were looked at: more iterations, or more requests in each, may show one."}, all.Lines(3, verdict.PerRequest))
}

// The first is one of the memory that is asked for.
func TestFirstSite(t *testing.T) {
	assert.Empty(t, (*record.Sites)(nil).First(verdict.Live))
	assert.Empty(t, (&record.Sites{}).First(verdict.Live))
	all := recordtest.Sites()
	const heap = "int[] at JavaLeak.register (JavaLeak.java:9)"
	assert.Equal(t, heap, all.First(verdict.Live))
	assert.Empty(t, all.First(verdict.Outside))
	all.List = append([]record.Site{{Class: "buffers, outside the heap", Outside: true}}, all.List...)
	assert.Equal(t, heap, all.First(verdict.Live))
	assert.Equal(t, "buffers, outside the heap", all.First(verdict.Outside))
	for _, other := range []verdict.Part{"", verdict.Held, verdict.Resident} {
		assert.Empty(t, all.First(other), "sites are of one of its parts")
	}
}

// A server chooses the names of its functions, classes and fields.
func TestNamesFromAServerAreBounded(t *testing.T) {
	hostile := recordtest.Hostile + "\u202e\x9b\r\n" + strings.Repeat("é", 5000)
	s := record.Site{Class: hostile, Function: hostile, File: hostile, Line: 1, Callers: []string{hostile}, Holders: []string{hostile, hostile, hostile, hostile}}
	for _, said := range []string{s.Name(), s.Said(verdict.PerRequest), (&record.Sites{List: []record.Site{s}}).First(verdict.Live)} {
		assert.NotRegexp(t, "[\\x00-\\x1f\\x7f-\\x9f\u202e]", said)
		assert.LessOrEqual(t, utf8.RuneCountInString(said), 700)
	}
	assert.LessOrEqual(t, utf8.RuneCountInString(s.Name()), 101)
}
