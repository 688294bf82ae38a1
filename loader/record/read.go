package record

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"leaklab/loader/verdict"
)

// ReadIterations reads a recorded run: iterations.csv in its folder, or any table of that kind.
func ReadIterations(path string) (iterations []verdict.Iteration, err error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, "iterations.csv")
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return ReadCSV(file, path)
}

// ReadCSV reads iterations from a table like iterations.csv. Only the columns iteration, requests, rss_start_bytes and
// rss_end_bytes are needed, in any order. Those of parts are read if present, and may have empty cells. Iterations must
// be numbered upwards. An error begins with name:line:column.
func ReadCSV(table io.Reader, name string) ([]verdict.Iteration, error) {
	reader := csv.NewReader(withoutBOM(table))
	reader.ReuseRecord = true
	at := func(field int, format string, args ...any) error {
		line, column := reader.FieldPos(field)
		return fmt.Errorf("%s:%d:%d: %w", name, line, column, fmt.Errorf(format, args...))
	}
	header, err := reader.Read()
	switch {
	case errors.Is(err, io.EOF):
		return nil, fmt.Errorf("%s:1:1: the file is empty; expected a table with a header line", name)
	case err != nil:
		return nil, placed(name, err)
	}
	fields := make(map[string]int)
	for field, title := range header {
		title = strings.TrimSpace(title)
		if _, twice := fields[title]; twice {
			return nil, at(field, "column %q is there twice", title)
		}
		fields[title] = field
	}
	var columns []Column // that are read
	var needed, missing []string
	for _, column := range Columns() {
		_, found := fields[column.Name]
		if column.needed {
			needed = append(needed, column.Name)
		}
		switch {
		case column.needed && !found:
			missing = append(missing, column.Name)
		case found && column.read():
			columns = append(columns, column)
		}
	}
	if len(missing) > 0 {
		return nil, at(0, "column %q is missing; expected %s", missing[0], strings.Join(needed, ", "))
	}

	var iterations []verdict.Iteration
	last := 0
	for {
		row, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return iterations, nil
		}
		if err != nil {
			return nil, placed(name, err)
		}
		var i Iteration
		for _, column := range columns {
			cell := strings.TrimSpace(row[fields[column.Name]])
			if cell == "" && !column.needed {
				continue
			}
			value, err := strconv.ParseUint(cell, 10, 64)
			if err != nil || value > largestValue {
				return nil, at(fields[column.Name], "%s is %q; expected a whole number from 0 to %d", column.Name, cell, uint64(largestValue))
			}
			column.set(&i, value)
		}
		if i.Iteration <= last {
			return nil, at(fields["iteration"], "iteration is %d after %d; expected a higher number", i.Iteration, last)
		}
		last = i.Iteration
		iterations = append(iterations, i.Evidence())
	}
}

// largestValue keeps all that is computed from the table exact: up to it, a float64 holds every whole number.
const largestValue = 1 << 53

// placed puts the file's name before a syntax error of the table.
func placed(name string, err error) error {
	var syntax *csv.ParseError
	if errors.As(err, &syntax) {
		return fmt.Errorf("%s:%d:%d: %w", name, syntax.Line, syntax.Column, syntax.Err)
	}
	return fmt.Errorf("%s: %w", name, err)
}

// withoutBOM skips the byte order mark that some spreadsheets write.
func withoutBOM(table io.Reader) io.Reader {
	const mark = "\ufeff"
	reader := bufio.NewReader(table)
	if first, _ := reader.Peek(len(mark)); slices.Equal(first, []byte(mark)) {
		_, _ = reader.Discard(len(mark))
	}
	return reader
}
