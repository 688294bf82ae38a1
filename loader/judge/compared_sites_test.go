package judge

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/record"
	"leaklab/loader/verdict"
)

// site is a site in a function of a file, or of a class alone, that grows by some bytes a request, give or take some.
func site(class, function, file string, line int, growth, error float64) record.Site {
	return record.Site{
		Class: class, Function: function, File: file, Line: line, BytesPerRequest: record.Interval{Estimate: growth, Low: growth - error, High: growth + error},
	}
}

func withSites(sites ...record.Site) record.Run { return record.Run{Sites: &record.Sites{List: sites}} }

// changed are the lines of what differs.
func changed(old, suspect record.Run) []string {
	var d record.Difference
	CompareSites(&d, old, suspect, "the old run", "the new run")
	return d.SiteLines()
}

func TestSitesThatAreNewOrGrew(t *testing.T) {
	old := withSites(
		site("", "main.keep", "/a/main.go", 12, 100, 1), site("", "main.same", "/a/main.go", 40, 50, 3), site("", "main.less", "/a/main.go", 60, 40, 1),
		site("", "main.fixed", "/a/main.go", 70, 30, 1))
	suspect := withSites(
		site("", "main.brought", "/b/cache.go", 5, 200, 2), site("", "main.keep", "/b/main.go", 14, 130, 1), site("", "main.same", "/b/main.go", 44, 52, 3),
		site("", "main.less", "/b/main.go", 62, 10, 1))
	assert.Equal(t, []string{
		"new: main.brought (cache.go:5): 200.0 (198.0 to 202.0) bytes/request",
		"more: main.keep (main.go:14): 30.0 (28.6 to 31.4) bytes/request more, 130.0 instead of 100.0",
		"less: main.less (main.go:62): 30.0 (28.6 to 31.4) bytes/request less, 10.0 instead of 40.0",
		"gone: main.fixed (main.go:70): 30.0 (29.0 to 31.0) bytes/request before",
	}, changed(old, suspect), "lines and folders move; what does not surely differ is left out")
	assert.Empty(t, changed(old, old))
}

// The sites of a function are one, whatever its lines are.
func TestSitesOfAFunctionAreAddedUp(t *testing.T) {
	old := withSites(site("", "f", "a.go", 1, 30, 3), site("", "f", "a.go", 2, 20, 4))
	assert.Empty(t, changed(old, withSites(site("", "f", "a.go", 9, 50, 1))))
	assert.Equal(t, []string{"more: f (a.go:9): 10.0 (4.9 to 15.1) bytes/request more, 60.0 instead of 50.0"}, changed(old, withSites(site("", "f", "a.go", 9, 60, 1))))
	assert.Len(t, changed(old, withSites(site("", "f", "b.go", 1, 50, 1))), 2, "another file has another function of that name")
}

// The place of a class comes from a sample: one of two runs may lack it.
func TestAClassIsTheSameWithAndWithoutItsPlace(t *testing.T) {
	placed, bare := withSites(site("int[]", "L.put", "L.java", 9, 104, 1)), withSites(site("int[]", "", "", 0, 104, 1))
	assert.Empty(t, changed(placed, bare))
	assert.Empty(t, changed(bare, placed))
	assert.Len(t, changed(placed, withSites(site("int[]", "L.get", "L.java", 20, 104, 1))), 2)
}

// An interval of one iteration does not have what differs from one to the next.
func TestSitesOfOneIterationNeedAClearerDifference(t *testing.T) {
	named := func(growth float64) record.Run {
		run := withSites(site("", "keep", "app.py", 3, growth, 0.1))
		run.Sites.List[0].OneIteration, run.Sites.NamingRequests = true, 30_000
		return run
	}
	assert.Empty(t, changed(named(1000), named(1050)))
	assert.Equal(t, []string{"more: keep (app.py:3): 300.0 (135.8 to 464.2) bytes/request more, 1300.0 instead of 1000.0"}, changed(named(1000), named(1300)))
	clean := record.Run{Iterations: []record.Iteration{{LiveEndBytes: new(uint64)}}}
	assert.Equal(t, []string{"new: keep (app.py:3): 1000.0 (999.9 to 1000.1) bytes/request"}, changed(clean, named(1000)), "as in the list")

	grows := withSites(site("int[]", "", "", 0, 104, 1))
	both := withSites(grows.Sites.List[0], named(4096).Sites.List[0])
	assert.Empty(t, changed(grows, both), "it had no such iteration")
	assert.Empty(t, changed(both, grows))
	grows.Sites.NamingRequests = 30_000
	assert.Len(t, changed(grows, both), 1)
}

// With many pairs, chance alone makes one of their intervals leave 0 out.
func TestManySitesNeedAClearerDifference(t *testing.T) {
	one := record.Interval{Estimate: 10, Low: 0.5, High: 19.5}
	assert.True(t, differs(one, 1))
	assert.False(t, differs(one, 10))
	assert.True(t, differs(record.Interval{Estimate: -10, Low: -15, High: -5}, 10))
}

func TestSitesAreComparedOnlyIfBothAreKnown(t *testing.T) {
	bytes := uint64(1)
	leak := record.Verdict{Kind: verdict.Leak, Of: verdict.Live}
	clean := record.Run{Iterations: []record.Iteration{{LiveEndBytes: &bytes}}}
	former := record.Run{Verdict: leak, Iterations: clean.Iterations}
	unread := record.Run{Iterations: []record.Iteration{{}}}
	off := record.Run{Sites: &record.Sites{Unnamed: "SITES=off"}}
	leaks := withSites(site("", "f", "a.go", 1, 30, 3))

	assert.Equal(t, []string{"new: f (a.go:1): 30.0 (27.0 to 33.0) bytes/request"}, changed(clean, leaks))
	assert.Equal(t, []string{"gone: f (a.go:1): 30.0 (27.0 to 33.0) bytes/request before"}, changed(leaks, clean))
	for _, unknown := range []record.Run{former, unread, off, {}} {
		assert.Equal(t, []string{"Sites are not compared: those of the old run are not known."}, changed(unknown, leaks))
		assert.Equal(t, []string{"Sites are not compared: those of the new run are not known."}, changed(leaks, unknown))
		assert.Empty(t, changed(unknown, clean), "there are none to compare")
		assert.Empty(t, changed(clean, unknown))
		assert.Empty(t, changed(unknown, unread))
	}
	var d record.Difference
	CompareSites(&d, clean, leaks, "a", "b")
	require.Len(t, d.Sites, 1)
	assert.Nil(t, d.Sites[0].Old)
	assert.Equal(t, 30.0, d.Sites[0].Difference.Estimate)
}
