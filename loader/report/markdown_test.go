package report

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"

	"leaklab/loader/environment"
	"leaklab/loader/record"
	"leaklab/loader/record/recordtest"
)

// rendered is Markdown as GitHub renders it, and the text it was made from.
func rendered(t *testing.T, run record.Run) (page, text string) {
	t.Helper()
	var markdown, html bytes.Buffer
	require.NoError(t, writeMarkdown(&markdown, run))
	text = markdown.String()
	require.NoError(t, goldmark.New(goldmark.WithExtensions(extension.GFM)).Convert(markdown.Bytes(), &html))
	return html.String(), text
}

func TestMarkdownRenders(t *testing.T) {
	page, _ := rendered(t, recordtest.Run(12))
	assert.Contains(t, page, "<h2>Verdict: leak, 1000.0 bytes/request (")
	assert.Contains(t, page, "more than the tolerance of 4")
	assert.Equal(t, 4, strings.Count(page, "<table>"), "call sites, iterations, settings, environment")
	assert.Equal(t, 1+2+1+12+1+3+1+11, strings.Count(page, "<tr>"), "rows, with those of the headers: %s", page)
	assert.Contains(t, page, "<h3>Where it grew</h3>")
	assert.Contains(t, page, "<td style=\"text-align:right\">28.6 bytes/request</td>\n<td><code>a|b `c` ")
	assert.Contains(t, page, "<td>Goroutines</td>\n<td style=\"text-align:right\">110</td>\n<td style=\"text-align:right\">1.0 per 1,000 requests</td>\n<td><code>main.wait (main.go:9)</code></td>\n<td></td>")
	assert.Contains(t, page, "<code>TRIES</code></td>\n<td><code>12</code></td>\n<td><code>10</code>")
	assert.Contains(t, page, "The others have their defaults: <code>WORKERS=100</code>.")
	assert.Contains(t, page, "<code>2048 MiB of memory, 1.5 CPUs, 99 processes</code>")
	assert.Contains(t, page, `<pre><code class="language-sh">TRIES=12 ./test-me.sh '`)
	assert.Contains(t, page, "Set HEADERS as well")
}

func TestNothingFromOutsideIsMarkdown(t *testing.T) {
	run := recordtest.Run(12)
	run.State, run.Reason = record.EndedEarly, recordtest.Hostile
	run.Remarks = []string{"Live heap gained 1.0 MiB at <img src=x>[l](http://e.example)![i](x)`c`|#12|@octocat\nhttps://e.example www.e.example " +
		"WWW.e.example me@e.example <http://e.example> ftp://e.example\x1b[2J\x9b\u202e."}
	page, text := rendered(t, run)
	assert.NotContains(t, page, "<script")
	assert.NotRegexp(t, "<(a|img)[ >]", page)
	assert.NotRegexp(t, "[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\u202e]", text)
	assert.NotContains(t, page, "#12", "an issue")
	assert.NotContains(t, page, "<!-- raw HTML omitted -->")
	const shown = "a|b `c` ``` &lt;script&gt;alert(1)&lt;/script&gt; &quot;'&amp; @octocat second line\\x1b[2J"
	assert.Equal(t, 4, strings.Count(page, "<code>"+shown+"</code>"), "reason, REQUEST_PATH, server and package: %s", page)
	assert.Contains(t, page, "<code>GOGC="+shown+"</code>")
	for n, part := range strings.Split(page, "@octocat") {
		if n > 0 {
			before := strings.Join(strings.Split(page, "@octocat")[:n], "")
			assert.Equal(t, strings.Count(before, "<code"), strings.Count(before, "</code>")+1, "a mention before %q", part)
		}
	}
}

func TestMarkdownOfAnImage(t *testing.T) {
	run := recordtest.Run(5)
	run.Environment.Server.Image = &environment.Image{Reference: "nginx:1.29"}
	page, _ := rendered(t, run)
	assert.Contains(t, page, "<td>Image</td>\n<td><code>nginx:1.29</code></td>")
	assert.Contains(t, page, "<td>Its digest</td>\n<td><code>unknown; name the image by digest (SERVER_IMAGE=NAME@sha256:...) to record it</code></td>")
	run.Environment.Server.Image.Digest = "sha256:0a"
	page, _ = rendered(t, run)
	assert.Contains(t, page, "<td>Its digest</td>\n<td><code>sha256:0a</code></td>")
}

func TestMarkdownFitsAnIssue(t *testing.T) {
	run := recordtest.Run(1000)
	long := strings.Repeat("x", 100_000)
	run.ServerCommand, run.Reproduce, run.Environment.CPU = long, long, long
	run.Settings = append(run.Settings, record.Setting{Name: "URL_FILE", Value: long})
	page, text := rendered(t, run)
	assert.Less(t, len(text), 30_000)
	assert.Contains(t, page, "<td style=\"text-align:right\">10</td>")
	assert.NotContains(t, page, "<td style=\"text-align:right\">11</td>")
	assert.Contains(t, page, "<td style=\"text-align:right\">1000</td>")
	assert.Contains(t, page, "900 iterations after the first 10 are left out here")
}

func TestMarkdownOfARunThatGoesOn(t *testing.T) {
	run := recordtest.Run(0)
	run.State, run.Tries, run.Profiles = record.Running, 10, &record.Profiles{Files: []string{"heap-warm.pb.gz"}}
	page, _ := rendered(t, run)
	assert.Contains(t, page, "<h2>Verdict: inconclusive</h2>")
	assert.Contains(t, page, "0 of 10 iterations so far. If the run is not going on any more, it was killed.")
	assert.Contains(t, page, "No iteration was completed.")
	assert.NotContains(t, page, "Where it grew", "there are no last profiles yet")
}

func TestCodeSpans(t *testing.T) {
	for text, want := range map[string]string{
		"":      "",
		"a  b":  "`a b`",
		"a`b":   "``a`b``",
		"`":     "`` ` ``",
		"a|b":   "`a|b`",
		"``a``": "``` ``a`` ```",
	} {
		assert.Equal(t, want, code(text))
	}
	assert.Equal(t, "`a\\|b`", cell("a|b"))
	assert.Equal(t, `a\_b \<c\> 1.5 (x) @`+"\u2060"+`d`, escape("a_b <c>\n1.5 (x) @d"))
}
