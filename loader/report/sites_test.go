package report

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/record"
	"leaklab/loader/record/recordtest"
	"leaklab/loader/verdict"
)

// sited is a run that leaks live memory, with sites.
func sited() record.Run {
	run := recordtest.LiveRun(12)
	run.Profiles, run.Sites = nil, recordtest.Sites()
	return run
}

func TestSitesInTheReport(t *testing.T) {
	run := sited()
	page, _ := rendered(t, run)
	assert.Contains(t, page, "95%): <code>int[] at JavaLeak.register (JavaLeak.java:9)</code></h2>")
	assert.Contains(t, page, "<h3>Where live memory grows</h3>")
	assert.Contains(t, page, "<code>JavaLeak.register (JavaLeak.java:9)</code></td>\n<td><code>int[]</code></td>\n<td style=\"text-align:right\">104.0</td>\n"+
		"<td style=\"text-align:right\">103.7</td>\n<td style=\"text-align:right\">104.3</td>\n<td style=\"text-align:right\">1.00</td>\n<td></td>\n"+
		"<td><code>java.lang.Object[]; java.util.ArrayList.elementData; static field JavaLeak.KEPT</code></td>\n<td><code>JavaLeak.handle JavaLeak.java:21; ")
	assert.Contains(t, page, "<td>sampled in one iteration</td>")
	assert.Contains(t, page, "<p>94% of the growth of live memory is explained, by 3 of 812 sites looked at; ")
	assert.Contains(t, page, "<td><code>sites-4711.jfr</code></td>\n<td><code>jfr print --events OldObjectSample sites-4711.jfr</code></td>")

	page = pageOf(t, run)
	assert.Contains(t, page, ": <code>int[] at JavaLeak.register (JavaLeak.java:9)</code></h1>")
	assert.Contains(t, page, "<td>104.0</td><td>103.7</td><td>104.3</td><td>1.00</td>")
	assert.Contains(t, page, `<td colspan="7">held by <code>java.lang.Object[]</code>, <code>java.util.ArrayList.elementData</code>, <code>static field JavaLeak.KEPT</code></td>`)
	assert.Contains(t, page, `<td colspan="7">called by <code>JavaLeak.handle JavaLeak.java:21</code>, `)
	assert.Contains(t, page, "<code>jfr print --events OldObjectSample sites-4711.jfr</code>")

	run.Verdict.Of = verdict.Outside
	page, _ = rendered(t, run)
	assert.NotContains(t, page, "JavaLeak.java:9)</code></h2>", "the verdict is on other memory")
	assert.Contains(t, page, "<code>JavaLeak.register (JavaLeak.java:9)</code></td>")
	assert.NotContains(t, pageOf(t, run), "JavaLeak.java:9)</code></h1>")
}

// Why nothing is named is said in place of the table, and without live memory there is nothing to say.
func TestReportWithoutSites(t *testing.T) {
	run := sited()
	run.Sites = &record.Sites{Unnamed: "SITES=off <b>"}
	page, _ := rendered(t, run)
	assert.Contains(t, page, "<h3>Where live memory grows</h3>\n<p>No site is named: SITES=off &lt;b&gt;.</p>\n<h3>Iterations</h3>")
	assert.Contains(t, pageOf(t, run), "<p>No site is named: SITES=off &lt;b&gt;.</p>")
	run.Sites = nil
	page, _ = rendered(t, run)
	assert.NotContains(t, page+pageOf(t, run), "Where live memory grows")
}

// A server chooses the names of its functions, classes and fields, and how long they are.
func TestNamesOfSitesAreNeitherMarkdownNorHTML(t *testing.T) {
	const marks = recordtest.Hostile + "\n| a | b |\n# c\n<img src=x onerror=alert(1)> ![i](http://e.example) @octocat \u202e\x9b{{.}}</code></td></table>`"
	run := sited()
	whole := run.Sites.List[0]
	hostile := func(name string) {
		run.Sites.List = nil
		for range record.MostSites {
			site := whole
			site.Class, site.Function, site.File, site.Callers, site.Holders = name, name, name, nil, nil
			for range 16 {
				site.Callers, site.Holders = append(site.Callers, name), append(site.Holders, name)
			}
			run.Sites.List = append(run.Sites.List, site)
		}
		run.Sites.Unnamed, run.Sites.Files = name, []record.ProfileFile{{Name: name, Open: name}}
	}
	hostile(marks)
	page, text := rendered(t, run)
	html := pageOf(t, run)
	for _, p := range []string{page, html} {
		assert.NotRegexp(t, "<(script|img|a)[ >]", p)
	}
	assert.NotContains(t, page, "<!-- raw HTML omitted -->")
	assert.NotRegexp(t, "[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\u202e]", text+html)
	assert.Equal(t, 1, strings.Count(html, "</h1>"))
	assert.Equal(t, strings.Count(html, "<table"), strings.Count(html, "</table>"))
	assert.Equal(t, 7, strings.Count(page, "<table>"), "growths, sites, files, iterations, how live memory was read, settings, environment")
	parts := strings.Split(page, "@octocat")
	require.Greater(t, len(parts), 2*record.MostSites)
	for n := range parts[1:] {
		before := strings.Join(parts[:n+1], "")
		assert.Equal(t, strings.Count(before, "<code"), strings.Count(before, "</code>")+1, "a mention after %q", parts[n])
	}

	hostile(strings.Repeat("x", 100_000))
	_, text = rendered(t, run)
	assert.Less(t, len(text), 60_000, "it fits an issue")
	assert.Less(t, len(pageOf(t, run)), 300_000)
}

// The sites that differ from the baseline's stand below its sentence.
func TestSitesThatDifferFromTheBaseline(t *testing.T) {
	run := recordtest.Against(12, 0)
	assert.NotContains(t, pageOf(t, run), "changed-sites\" class")
	grew := record.Interval{Estimate: 34, Low: 30, High: 38}
	site := recordtest.Sites().List[2]
	run.Baseline.Difference.Sites = []record.SiteChange{{Change: record.SiteNew, Site: site, New: &grew, Difference: grew}}
	run.Baseline.Difference.SitesUnknown = "<b>"
	page, _ := rendered(t, run)
	const name = "<code>a|b `c` ``` &lt;script&gt;alert(1)&lt;/script&gt; &quot;'&amp; @octocat second line\\x1b[2J</code></td>\n<td>new</td>\n"
	assert.Contains(t, page, name+"<td style=\"text-align:right\"></td>\n<td style=\"text-align:right\">34.0</td>\n<td style=\"text-align:right\">34.0</td>\n<td style=\"text-align:right\">30.0</td>")
	assert.Contains(t, page, "<p>Sites are not compared: &lt;b&gt;.</p>")
	html := pageOf(t, run)
	assert.Contains(t, html, `second line\x1b[2J</code></td><td class="part">new</td><td></td><td>34.0</td><td>34.0</td><td>30.0</td><td>38.0</td>`)
	assert.Contains(t, html, "<p>Sites are not compared: &lt;b&gt;.</p>")
	assert.NotContains(t, html, "<script")
}
