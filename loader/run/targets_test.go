package run

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/config"
	"leaklab/loader/load"
)

// files writes files into a new folder, and returns the path of the one that is called urls.
func files(t *testing.T, contents map[string]string) string {
	t.Helper()
	folder := t.TempDir()
	for name, content := range contents {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600))
	}
	return filepath.Join(folder, "urls")
}

// shown are targets as lines of text.
func shown(t *testing.T, targets []load.Target) string {
	t.Helper()
	var lines strings.Builder
	for _, target := range targets {
		fmt.Fprintf(&lines, "%d %s %s", target.Weight, target.Method, target.Path)
		if target.Body != nil {
			lines.WriteString(" " + contentOf(t, target.Body))
		}
		lines.WriteString("\n")
	}
	return lines.String()
}

func TestLinesWithWeightsMethodsAndBodies(t *testing.T) {
	urls := files(t, map[string]string{
		"urls": `# what our users do
/plain
/plain b
http://example.com/c d?e
8 /often
	POST   /items	 {"name": "a b", "n": 1}
2 PUT http://example.com/items/7?x=y @item.json
1 DELETE /items/7
GET //double?q=1
1 PURGE /café
` + "3 POST /ü\x20@with space.json\r\nPOST /none @empty\n",
		"item.json": "{\n}\n", "with space.json": "spaced", "empty": "",
	})
	request, err := planned(t, map[string]string{"URL_FILE": urls, "METHOD": "PATCH", "BODY": "usual"}).request.read(false, keepsNone(t))
	require.NoError(t, err)
	assert.Equal(t, `0  /plain
0  /plain%20b
0  /c%20d?e
8  /often
0 POST /items {"name": "a b", "n": 1}
2 PUT /items/7?x=y {
}

1 DELETE /items/7
0 GET /?q=1
1 PURGE /caf%C3%A9
3 POST /%C3%BC spaced
0 POST /none `+"\n", shown(t, request.Targets))
	assert.Equal(t, "usual", contentOf(t, request.Body), "it is for lines without a method")

	request, err = planned(t, map[string]string{"URL_FILE": urls, "BODY_BYTES": "7"}).request.read(true, keepsNone(t))
	require.NoError(t, err)
	for _, target := range request.Targets {
		if target.Method == "" {
			assert.Nil(t, target.Body)
		} else {
			assert.Positive(t, target.Body.Size(), "an upload has a body: %s", target.Path)
		}
	}
	assert.Equal(t, "leaklab", contentOf(t, request.Body))
}

// Each error names the setting, the file, the line, the value and what was expected. None repeats a body.
func TestWrongLines(t *testing.T) {
	const (
		anURL  = `expected a URL, or a path that begins with "/"`
		weight = `expected a weight, from 1 to 10000`
		method = `expected an HTTP method in capitals, for example "POST", but not CONNECT`
	)
	for text, want := range map[string]string{
		"b":                          `"b": ` + anURL,
		"0 /a":                       `"0": ` + weight,
		"-1 /a":                      `"-1": ` + weight,
		"1.5 /a":                     `"1.5": ` + weight,
		"10001 /a":                   `"10001": ` + weight,
		"99999999999999999999999 /a": `"99999999999999999999999": ` + weight,
		"50% POST /a":                `"50%": ` + weight,
		"post /a hunter2":            `"post": ` + method,
		"CONNECT /a":                 `"CONNECT": ` + method,
		"PÖST /a hunter2":            `"PÖST": ` + method,
		"3 4 /a":                     `"4": expected a method or a URL after the weight`,
		"POST a hunter2":             `"a": ` + anURL,
		"POST":                       `"POST": ` + anURL,
		"3 POST":                     `"POST": ` + anURL,
		"3":                          `"3": ` + anURL,
		"POST /%zz hunter2":          `"/%zz": ` + anURL,
		"POST #a hunter2":            `"#a": ` + anURL,
		"POST /a\x00b hunter2":       `"/a\x00b": ` + anURL,
		"3 /a hunter2":               `"/a": expected a method before it, since a body follows`,
		"POST /a @":                  `"@": expected the name of a file with a body after it`,
		"POST /a @none":              `"@none": expected a file that can be read: `,
		"POST /a @.":                 `"@.": expected a file that can be read: it is not a regular file`,
		"POST /a @/dev/zero":         `"@/dev/zero": expected a file that can be read: it is not a regular file`,
		"POST " + strings.Repeat("a", 10_000) + " x": `"aaaa`,
	} {
		urls := files(t, map[string]string{"urls": "# first\n/right\n" + text + "\n3 alsowrong\n"})
		_, err := planned(t, map[string]string{"URL_FILE": urls}).request.read(false, keepsNone(t))
		require.Error(t, err, text)
		assert.Contains(t, err.Error(), fmt.Sprintf("URL_FILE=%q: line 3: %s", urls, want))
		assert.NotContains(t, err.Error(), "hunter2")
		assert.NotContains(t, err.Error(), "\n", "one error")
		assert.Less(t, len(err.Error()), 600)
	}
}

func TestWeightsHaveALimitInAll(t *testing.T) {
	urls := files(t, map[string]string{"urls": strings.Repeat("10000 /a\n", 25)})
	_, err := planned(t, map[string]string{"URL_FILE": urls}).request.read(false, keepsNone(t))
	require.NoError(t, err)
	urls = files(t, map[string]string{"urls": strings.Repeat("10000 /a\n", 25) + "/b\n"})
	_, err = planned(t, map[string]string{"URL_FILE": urls}).request.read(false, keepsNone(t))
	assert.EqualError(t, err, fmt.Sprintf("URL_FILE=%q: expected weights of at most 250000 in all, but they are 250001", urls))
}

// Files with bodies are read once each. Those that are too large for memory, alone or with the others, stay open.
func TestFilesWithBodiesTakeLittleMemory(t *testing.T) {
	contents := map[string]string{"large": strings.Repeat("x", mostInMemory+1)}
	var lines strings.Builder
	for n := range 12 {
		name := fmt.Sprintf("body-%d", n)
		contents[name] = strings.Repeat(string(rune('a'+n)), mostInMemory)
		lines.WriteString("POST / @" + name + "\nPUT / @large\nPUT / @" + name + "\n")
	}
	contents["urls"] = lines.String()
	urls := files(t, contents)
	var kept []io.Closer
	keep := func(file io.Closer) { kept = append(kept, file) }
	request, err := planned(t, map[string]string{"URL_FILE": urls}).request.read(false, keep)
	require.NoError(t, err)
	assert.Len(t, kept, 1+4, "eight of them fill the memory")
	for n, target := range request.Targets {
		want := contents["large"]
		if n%3 != 1 {
			want = contents[fmt.Sprintf("body-%d", n/3)]
		}
		assert.True(t, want == contentOf(t, target.Body), n)
	}
	for n := range mostOpen {
		name := fmt.Sprintf("other-%d", n)
		contents[name] = contents["large"]
		contents["urls"] += "POST / @" + name + "\n"
	}
	_, err = planned(t, map[string]string{"URL_FILE": files(t, contents)}).request.read(false, keep)
	assert.ErrorContains(t, err, `line 48: "@other-11": expected at most 16 files of more than 1 MiB, or than is left of 8 MiB for all`)
	for _, file := range kept {
		assert.NoError(t, file.Close())
	}
}

// The lines of a large file may have weights, methods and bodies as well.
func TestLinesOfALargeFile(t *testing.T) {
	const lines = "3 POST /a own\n/b\nPUT /c @body\n2 GET /d\n"
	urls := files(t, map[string]string{"urls": lines + strings.Repeat("# x\n", mostInMemory/4), "body": "of a file"})
	var kept []io.Closer
	request, err := planned(t, map[string]string{"URL_FILE": urls, "METHOD": "PATCH"}).request.read(true, func(file io.Closer) { kept = append(kept, file) })
	require.NoError(t, err)
	require.Len(t, kept, 1)
	defer kept[0].Close()
	next := request.ManyTargets()
	var targets []load.Target
	for range 5 {
		targets = append(targets, next())
	}
	filled := contentOf(t, targets[3].Body)
	assert.Len(t, filled, 65536, "an upload has a body")
	assert.Equal(t, "3 POST /a own\n0  /b\n0 PUT /c of a file\n2 GET /d "+filled+"\n3 POST /a own\n", shown(t, targets))

	require.NoError(t, os.WriteFile(urls, []byte("POST /a @other\nPOST /z\n"), 0o600))
	next = request.ManyTargets()
	for range 2 {
		assert.Equal(t, "/z", next().Path, "files that it names only now are not opened")
	}
}

// Many short lines stay in their file as well, since what they ask for takes more memory than they do.
func TestManyLinesStayInTheirFile(t *testing.T) {
	for extra, stays := range map[string]bool{"": false, "2 /last\n": true} {
		urls := files(t, map[string]string{"urls": strings.Repeat("/a\n", mostLines) + extra})
		kept := 0
		request, err := planned(t, map[string]string{"URL_FILE": urls}).request.read(false, func(file io.Closer) {
			kept++
			t.Cleanup(func() { _ = file.Close() })
		})
		require.NoError(t, err)
		if !stays {
			assert.Len(t, request.Targets, mostLines)
			assert.Zero(t, kept)
			continue
		}
		assert.Nil(t, request.Targets)
		assert.Equal(t, 1, kept)
		next := request.ManyTargets()
		for range mostLines {
			next()
		}
		assert.Equal(t, load.Target{Path: "/last", Weight: 2}, next())
		assert.Equal(t, load.Target{Path: "/a"}, next())
	}
}

// FuzzPathIn compares the short way with the long one.
func FuzzPathIn(f *testing.F) {
	for _, line := range []string{"/", "/a", "/a/b?c=d&e", "//host/a", "/a?", "/a?b?c", "/..", "/a:b", "http://host/a?b", "/?a/b", "/~a", "# a", "", "a"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		path, err := pathIn(line)
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			return
		}
		target, parseErr := url.Parse(line)
		if parseErr != nil {
			if err == nil {
				t.Fatalf("%q is %q", line, path)
			}
			return
		}
		if err == nil && path != target.RequestURI() {
			t.Fatalf("%q is %q, not %q", line, path, target.RequestURI())
		}
		var right config.Path
		if (right.UnmarshalText([]byte(target.RequestURI())) == nil) != (err == nil) {
			t.Fatalf("%q: %v", line, err)
		}
	})
}

// FuzzLineIn reads lines of URL_FILE. A line that is a URL or a path as a whole is that. What is read of any other is
// right, and the same if it is written again.
func FuzzLineIn(f *testing.F) {
	for _, text := range []string{
		"/a", "/a b", "http://host/a b?c", "?a", "8 /a", "POST /a", "3 POST /a {\"b\": 1}", "PUT /a @b.json", "3 POST", "0 /a", "1e3 /a", "post /a", "# a", "",
		"10000\t PURGE\thttps://host \t b\r", "CONNECT /", "3 /a b", "M-SEARCH * x", "GET ?", "a:/b c", "GET / @", "1 ~ ?\xff \xff",
		"http://host//", "2 GET http://host//a b",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, found, err := lineIn(text)
		path, failed := pathIn(text)
		if trimmed := strings.TrimSpace(text); trimmed == "" || trimmed[0] == '#' {
			if found || err != nil {
				t.Fatalf("%q: %v %v", text, l, err)
			}
			return
		}
		if failed == nil && (err != nil || l != (line{Target: load.Target{Path: path}})) {
			t.Fatalf("%q is %v, not the path %q: %v", text, l, path, err)
		}
		if found == (err != nil) {
			t.Fatalf("%q: %v %v", text, found, err)
		}
		if err != nil {
			return
		}
		var rightPath config.Path
		var rightMethod config.Method
		wrong := rightPath.UnmarshalText([]byte(l.Path))
		if l.Method != "" {
			wrong = errors.Join(wrong, rightMethod.UnmarshalText([]byte(l.Method)))
		}
		if wrong != nil || l.Weight < 0 || l.Weight > mostWeight || l.Method == "" && (l.Body != nil || l.bodyFile != "") {
			t.Fatalf("%q is %v: %v", text, l, wrong)
		}
		url := l.Path
		if strings.HasPrefix(url, "//") { // a host would follow
			url = "http://host" + url
		}
		written := fmt.Sprintf("%s\t%s %s", l.Method, url, bodyOf(t, l))
		if l.Weight > 0 {
			written = fmt.Sprintf("%d %s", l.Weight, strings.TrimLeft(written, "\t"))
		}
		again, _, err := lineIn(written)
		if err != nil || again.Path != l.Path || again.Method != l.Method || again.Weight != l.Weight || bodyOf(t, again) != bodyOf(t, l) {
			t.Fatalf("%q is %v, written as %q, which is %v: %v", text, l, written, again, err)
		}
	})
}

// bodyOf is the body of a line as it is written.
func bodyOf(t *testing.T, l line) string {
	switch {
	case l.bodyFile != "":
		return "@" + l.bodyFile
	case l.Body != nil:
		return contentOf(t, l.Body)
	}
	return ""
}
