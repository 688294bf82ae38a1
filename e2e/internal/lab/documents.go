package lab

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// CodeBlocks returns the code blocks of README.md and of the pages in docs/, by file: what is fenced with ```, and what is
// indented by four spaces, both without that.
func CodeBlocks(t testing.TB) map[string][]string {
	t.Helper()
	pages, err := filepath.Glob(Root + "/docs/*.md")
	require.NoError(t, err)
	blocks := map[string][]string{}
	for _, page := range append(pages, Root+"/README.md") {
		content, err := os.ReadFile(page)
		require.NoError(t, err)
		blocks[strings.TrimPrefix(page, Root+"/")] = codeBlocks(string(content))
	}
	return blocks
}

// documentedColumns are the columns of iterations.csv in docs/report.md.
func documentedColumns(t testing.TB) []string {
	t.Helper()
	var names []string
	for _, row := range GeneratedTable(t, "docs/report.md", "columns") {
		names = append(names, row[0])
	}
	return names
}

// GeneratedTable returns the rows of a table that go generate work writes into a page, without the header. A first cell
// is without its backquotes. No cell may contain " | ".
func GeneratedTable(t testing.TB, page, marker string) [][]string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(Checkout(t), page))
	require.NoError(t, err)
	_, rest, _ := strings.Cut(string(content), "<!-- "+marker+":begin -->")
	table, _, found := strings.Cut(rest, "<!-- "+marker+":end -->")
	require.True(t, found, "the table %s in %s", marker, page)
	var rows [][]string
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (.*) \\|$").FindAllStringSubmatch(table, -1) {
		rows = append(rows, append([]string{row[1]}, strings.Split(row[2], " | ")...))
	}
	require.NotEmpty(t, rows)
	return rows
}

func codeBlocks(markdown string) []string {
	const indent, fence = "    ", "```"
	var blocks, block []string
	end := func() {
		if text := strings.Trim(strings.Join(block, "\n"), "\n"); text != "" {
			blocks = append(blocks, text)
		}
		block = nil
	}
	fenced := false
	for line := range strings.Lines(markdown) {
		line = strings.TrimRight(line, "\r\n")
		code, indented := strings.CutPrefix(line, indent)
		switch {
		case strings.HasPrefix(line, fence):
			end()
			fenced = !fenced
		case fenced:
			block = append(block, line)
		case indented:
			block = append(block, code)
		case line == "":
			block = append(block, "") // the block goes on if an indented line follows
		default:
			end()
		}
	}
	end()
	return blocks
}
