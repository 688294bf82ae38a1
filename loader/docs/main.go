// Command docs writes the tables of docs/, and the loader's environment in docker-compose.yml, which are made from lists
// in the code. Each stands between two markers, which are comments:
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

	"leaklab/loader/config"
	"leaklab/loader/exporter"
	"leaklab/loader/load"
	"leaklab/loader/record"
)

// table is a generated part of a page.
type table struct {
	page   string // from the top of the repository
	marker string
	write  func(root string) (string, error) // root is the top of the repository
}

// tables are all generated parts.
var tables = []table{
	{"docs/settings.md", "settings", settings},
	{"docs/settings.md", "leak-modes", leakModes},
	{"docs/load.md", "shapes", shapes},
	{"docs/load.md", "dimensions", dimensions},
	{"docs/report.md", "columns", columns},
	{"docs/report.md", "metrics", metrics},
	{"docker-compose.yml", "settings", environment},
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
		path := filepath.Join(root, t.page)
		page, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		text, err := t.write(root)
		if err != nil {
			return fmt.Errorf("%s: %w", t.marker, err)
		}
		changed, err := t.replaced(string(page), text)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if err := os.WriteFile(path, []byte(changed), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// replaced returns page with text between the two markers, which have to be there once, in a line each.
func (t table) replaced(page, text string) (string, error) {
	comment := "<!-- %s -->\n"
	if filepath.Ext(t.page) == ".yml" {
		comment = indent + "# %s\n"
	}
	begin, end := fmt.Sprintf(comment, t.marker+":begin"), fmt.Sprintf(comment, t.marker+":end")
	before, rest, found := strings.Cut(page, begin)
	_, after, ended := strings.Cut(rest, end)
	if !found || !ended || strings.Contains(after, begin) {
		return "", fmt.Errorf("expected %q and %q, once and in this order", strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	return before + begin + strings.Trim(text, "\n") + "\n" + end + after, nil
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

// indent is that of the entries of a service's environment.
const indent = "      "

// environment is what docker-compose.yml passes on to the loader.
func environment(string) (string, error) {
	var list strings.Builder
	for _, s := range config.Settings() {
		if s.Compose == "-" || !s.Loader && s.Compose == "" {
			continue
		}
		list.WriteString(strings.TrimRight(indent+s.Name+": "+s.Compose, " ") + "\n")
	}
	return list.String(), nil
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

// shapes is a table of the load shapes, with the LEAK modes that the demo server says they find.
func shapes(root string) (string, error) {
	modes, err := leakModes(root)
	if err != nil {
		return "", err
	}
	found, err := foundBy(modes)
	if err != nil {
		return "", err
	}
	var rows [][]string
	for _, s := range load.Shapes() {
		rows = append(rows, []string{code(s.Name), inCode(s.Help), strings.Join(found[s.Name], ", ")})
	}
	return markdown([]string{"shape", "each client", "finds, of the demo server's leaks"}, rows), nil
}

// dimensions is a table of the parts of a request that UNIQUE may name.
func dimensions(string) (string, error) {
	var rows [][]string
	for _, d := range load.Dimensions() {
		rows = append(rows, []string{code(d.Name), inCode(d.Help)})
	}
	return markdown([]string{"`UNIQUE`", "each request has"}, rows), nil
}

// foundBy reads the table of leakModes, and returns the modes as code, by the name of the shape that finds them. It fails
// if the loader has no such shape.
func foundBy(table string) (map[string][]string, error) {
	modes := make(map[string][]string)
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(line, "|\n"), "|")
		mode, found := strings.TrimSpace(cells[0]), strings.TrimSpace(cells[len(cells)-1])
		shape, protocol, special := strings.Cut(found, " with ")
		shape = strings.Trim(shape, "`")
		if special {
			mode += " with " + protocol
		}
		if !strings.HasPrefix(mode, "`") || shape == "" { // the header, or a mode that no shape finds
			continue
		}
		if load.ShapeNamed(shape) == nil {
			return nil, fmt.Errorf("%s is found by %q: expected one of %s", mode, shape, strings.Join(load.ShapeNames(), ", "))
		}
		modes[shape] = append(modes[shape], mode)
	}
	return modes, nil
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
