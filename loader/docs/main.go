// Command docs writes the tables of docs/ that are made from lists in the code, each between two markers:
//
//	<!-- settings:begin -->
//	<!-- settings:end -->
//
// go generate work runs it, in loader/; a test tells when a table is no longer what the code says.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"leaklab/loader/exporter"
	"leaklab/loader/load"
	"leaklab/loader/record"
)

// table is a generated part of a page.
type table struct {
	page   string // in docs/
	marker string
	write  func(root string) (string, error) // root is the top of the repository
}

// tables are all generated parts.
var tables = []table{
	{"settings.md", "settings", settings},
	{"settings.md", "leak-modes", leakModes},
	{"load.md", "shapes", shapes},
	{"report.md", "columns", columns},
	{"report.md", "metrics", metrics},
}

func main() {
	if err := generate(".."); err != nil {
		fmt.Fprintln(os.Stderr, "docs:", err)
		os.Exit(1)
	}
}

// generate brings all pages up to date.
func generate(root string) error {
	for _, t := range tables {
		path := filepath.Join(root, "docs", t.page)
		page, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		text, err := t.write(root)
		if err != nil {
			return fmt.Errorf("%s: %w", t.marker, err)
		}
		changed, err := replaced(string(page), t.marker, text)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if err := os.WriteFile(path, []byte(changed), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// replaced returns page with text between the two markers of that name, which have to be there once, in a line each.
func replaced(page, marker, text string) (string, error) {
	begin, end := "<!-- "+marker+":begin -->\n", "<!-- "+marker+":end -->\n"
	before, rest, found := strings.Cut(page, begin)
	_, after, ended := strings.Cut(rest, end)
	if !found || !ended || strings.Contains(after, begin) {
		return "", fmt.Errorf("expected %q and %q, once and in this order", strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	return before + begin + strings.TrimSpace(text) + "\n" + end + after, nil
}

// markdown returns a table with a header and rows; a | in a cell is escaped.
func markdown(header []string, rows [][]string) string {
	var page strings.Builder
	line := func(cells []string) {
		page.WriteString("|")
		for _, cell := range cells {
			cell = strings.ReplaceAll(cell, "|", `\|`)
			if cell != "" {
				cell += " "
			}
			page.WriteString(" " + cell + "|")
		}
		page.WriteString("\n")
	}
	line(header)
	page.WriteString(strings.Repeat("|---", len(header)) + "|\n")
	for _, row := range rows {
		line(row)
	}
	return page.String()
}

// leakModes is the table that the demo server prints.
func leakModes(root string) (string, error) {
	server := exec.Command("go", "run", "-buildvcs=false", "./server", "leaks")
	server.Dir = root
	var stderr strings.Builder
	server.Stderr = &stderr
	output, err := server.Output()
	if err != nil {
		err = fmt.Errorf("go run ./server leaks: %w: %s", err, stderr.String())
	}
	return string(output), err
}

func shapes(string) (string, error) {
	var rows [][]string
	for _, s := range load.Shapes() {
		rows = append(rows, []string{code(s.Name), inCode(s.Help), s.Finds})
	}
	return markdown([]string{"shape", "each client", "finds, of the demo server's leaks"}, rows), nil
}

func columns(string) (string, error) {
	var rows [][]string
	for _, c := range record.Columns() {
		rows = append(rows, []string{code(c.Name), inCode(c.Doc)})
	}
	return markdown([]string{"column", "meaning"}, rows), nil
}

func metrics(string) (string, error) {
	var rows [][]string
	for _, m := range exporter.Metrics() {
		panel := m.Panel
		if panel == "" {
			panel = "none: " + m.Unshown
		}
		rows = append(rows, []string{code(m.Name), inCode(m.Help), panel})
	}
	return markdown([]string{"metric", "meaning", "panel"}, rows), nil
}
