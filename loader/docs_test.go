package main

import (
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/load"
)

// pages are the documents of the repository, by their path from here.
func pages(t *testing.T) map[string]string {
	t.Helper()
	paths, err := filepath.Glob("../docs/*.md")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	all := make(map[string]string)
	for _, path := range append(paths, "../README.md", "../CONTRIBUTING.md", "../CHANGELOG.md") {
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		all[path] = string(content)
	}
	return all
}

var (
	link     = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	code     = regexp.MustCompile("`[^`]*`")
	heading  = regexp.MustCompile(`(?m)^#+ (.*)$`)
	testName = regexp.MustCompile(`\bTest[A-Z]\w+`)
	testFunc = regexp.MustCompile(`(?m)^func (Test[A-Z]\w+)\(`)
	ending   = regexp.MustCompile(`[.!?][)*]*(\s|$)`)
)

// anchors are the fragments that GitHub gives the headings of a page.
func anchors(page string) []string {
	var all []string
	for _, h := range heading.FindAllStringSubmatch(page, -1) {
		all = append(all, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, h[1]))
	}
	return all
}

func TestLinksOfTheDocumentsLeadSomewhere(t *testing.T) {
	all := pages(t)
	found := 0
	for path, page := range all {
		for _, l := range link.FindAllStringSubmatch(code.ReplaceAllString(page, ""), -1) {
			target, err := url.Parse(l[1])
			require.NoError(t, err, path)
			if target.IsAbs() {
				continue
			}
			found++
			file := path
			if target.Path != "" {
				file = filepath.Join(filepath.Dir(path), target.Path)
				_, err := os.Stat(file)
				assert.NoError(t, err, "%s: %s", path, l[1])
			}
			if target.Fragment != "" {
				assert.Contains(t, anchors(all[file]), target.Fragment, "%s: %s", path, l[1])
			}
		}
	}
	assert.Greater(t, found, 20)
}

func TestReadmeIsShortAndLeadsToEveryPage(t *testing.T) {
	all := pages(t)
	readme := all["../README.md"]
	assert.LessOrEqual(t, strings.Count(readme, "\n"), 150)
	for path := range all {
		if name := strings.TrimPrefix(path, "../"); name != "README.md" {
			assert.Contains(t, readme, "]("+name, "README.md leads to each page")
		}
	}
}

func TestReadmeNamesEveryShape(t *testing.T) {
	_, row, found := strings.Cut(pages(t)["../README.md"], "\n| `SHAPE` |")
	require.True(t, found)
	row, _, _ = strings.Cut(row, "\n")
	_, list, found := strings.Cut(row, "](docs/load.md): ")
	require.True(t, found, row)
	var names []string
	for _, name := range code.FindAllString(list, -1) {
		names = append(names, strings.Trim(name, "`"))
	}
	assert.Equal(t, load.ShapeNames(), names, "the row of SHAPE in README.md")
}

// The fault table, for example, names the test of each line.
func TestTestsThatTheDocumentsNameExist(t *testing.T) {
	exist := make(map[string]bool)
	for _, module := range []string{".", "../e2e", "../server"} {
		require.NoError(t, filepath.WalkDir(module, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			content, err := os.ReadFile(path)
			for _, f := range testFunc.FindAllStringSubmatch(string(content), -1) {
				exist[f[1]] = true
			}
			return err
		}))
	}
	named := 0
	for path, page := range pages(t) {
		for _, name := range testName.FindAllString(page, -1) {
			named++
			assert.True(t, exist[name], "%s: there is no %s", path, name)
		}
	}
	assert.Greater(t, named, 20)
}

// longest is how many words a sentence may have.
const longest = 25

// Prose is what stands outside of code and tables.
func TestSentencesOfTheDocumentsAreShort(t *testing.T) {
	for path, page := range pages(t) {
		for _, sentence := range sentences(page) {
			assert.LessOrEqual(t, len(strings.Fields(sentence)), longest, "%s: %s", path, sentence)
		}
	}
}

// sentences are those of the paragraphs and list items of a page; code in them is a word.
func sentences(page string) []string {
	var paragraphs []string
	open := false
	for line := range strings.Lines(page) {
		text := strings.TrimSpace(line)
		item := regexp.MustCompile(`^([-*]|\d+\.) `).FindString(text)
		switch {
		case text == "", strings.HasPrefix(text, "#"), strings.HasPrefix(text, "|"), strings.HasPrefix(text, "<!--"):
			open = false
		case strings.HasPrefix(line, "    ") && !open:
		case open && item == "":
			paragraphs[len(paragraphs)-1] += " " + text
		default:
			paragraphs, open = append(paragraphs, text[len(item):]), true
		}
	}
	var all []string
	for _, p := range paragraphs {
		p = code.ReplaceAllString(p, "code")
		p = link.ReplaceAllString(p, "]")
		all = append(all, ending.Split(p, -1)...)
	}
	return slices.DeleteFunc(all, func(s string) bool { return strings.TrimSpace(s) == "" })
}

func TestSentencesAreFoundInAPage(t *testing.T) {
	page := "# Title\n\nOne sentence.\nAnother `a. b` one: it goes on,\n  and [on](x.md).\n\n    code is none. Really.\n\n- an item\n  of two lines\n- an item\n\n| a | table. |\n"
	want := []string{"One sentence", "Another code one: it goes on, and [on]", "an item of two lines", "an item"}
	assert.Equal(t, fmt.Sprintf("%q", want), fmt.Sprintf("%q", sentences(page)))
}
