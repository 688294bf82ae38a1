package report

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

// ReadCSV reads iterations from a table like iterations.csv, of which only the columns iteration, requests,
// rss_start_bytes and rss_end_bytes are needed, in any order; those of parts are read if they are there, and may
// have empty cells. Iterations must be numbered upwards. An error begins with name:line:column.
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
	columns := make(map[string]int)
	for field, title := range header {
		title = strings.TrimSpace(title)
		if _, twice := columns[title]; twice {
			return nil, at(field, "column %q is there twice", title)
		}
		columns[title] = field
	}
	needed := []string{"iteration", "requests", "rss_start_bytes", "rss_end_bytes"}
	for _, title := range needed {
		if _, found := columns[title]; !found {
			return nil, at(0, "column %q is missing; expected %s", title, strings.Join(needed, ", "))
		}
	}

	var iterations []verdict.Iteration
	var last uint64
	for {
		row, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return iterations, nil
		}
		if err != nil {
			return nil, placed(name, err)
		}
		number := func(title, text string) (uint64, error) {
			value, err := strconv.ParseUint(text, 10, 64)
			if err != nil || value > largestValue {
				return 0, at(columns[title], "%s is %q; expected a whole number from 0 to %d", title, text, uint64(largestValue))
			}
			return value, nil
		}
		var values [4]uint64
		for n, title := range needed {
			if values[n], err = number(title, strings.TrimSpace(row[columns[title]])); err != nil {
				return nil, err
			}
		}
		parts := make(map[verdict.Part]uint64)
		for _, column := range partColumns() {
			field, found := columns[column.title]
			if !found || strings.TrimSpace(row[field]) == "" {
				continue
			}
			if parts[column.part], err = number(column.title, strings.TrimSpace(row[field])); err != nil {
				return nil, err
			}
		}
		if values[0] <= last {
			return nil, at(columns["iteration"], "iteration is %d after %d; expected a higher number", values[0], last)
		}
		last = values[0]
		iterations = append(iterations, verdict.Iteration{Requests: values[1], StartBytes: values[2], EndBytes: values[3], Parts: parts})
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
