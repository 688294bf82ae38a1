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
	"strings"

	"leaklab/loader/verdict"
)

// TableOf returns the table of iterations that path stands for: iterations.csv in the folder of a run, the table beside
// the samples of one, or else path itself.
func TableOf(path string) string {
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		return filepath.Join(path, "iterations.csv")
	}
	folder, name := filepath.Split(path)
	beside := ""
	switch name {
	case "samples.csv":
		beside = folder + "iterations.csv"
	case "baseline-samples.csv":
		beside = folder + "baseline.csv"
	}
	if info, err := os.Stat(beside); err == nil && info.Mode().IsRegular() {
		return beside
	}
	return path
}

// RunOf reads the run.json beside the table that path stands for; found is false if there is none that can be read, or the
// table is another than iterations.csv.
func RunOf(path string) (run Run, found bool) {
	folder, name := filepath.Split(TableOf(path))
	if name != "iterations.csv" {
		return Run{}, false
	}
	file, err := os.Open(filepath.Join(folder, "run.json"))
	if err != nil {
		return Run{}, false
	}
	defer func() { _ = file.Close() }()
	run, err = ReadRun(file)
	return run, err == nil
}

// ReadIterations reads a recorded run: its folder, its iterations.csv or its samples.csv, or any table of these kinds.
// See TableOf and ReadCSV. The table of workers beside it is read as well.
func ReadIterations(path string) (iterations []verdict.Iteration, err error) {
	path = TableOf(path)
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	workers, err := readWorkers(path)
	if err != nil {
		return nil, err
	}
	return readCSV(file, path, workers)
}

// ReadCSV reads iterations from a table like iterations.csv. Only the columns iteration, requests, rss_start_bytes and
// rss_end_bytes are needed, in any order. Those of parts and of times are read if present, and may have empty cells.
// Iterations must be numbered upwards. An error begins with name:line:column. Figures that can hardly be meant, such as
// those of another unit, are errors with the question that they raise.
//
// A table like samples.csv is read as well. It does not hold the requests, so that each iteration has one.
//
// A table of more than 1 GiB or 100,000 iterations, or with a row of more than 64 KiB, is an error.
func ReadCSV(table io.Reader, name string) ([]verdict.Iteration, error) {
	return readCSV(table, name, nil)
}

// readCSV is ReadCSV with the workers of each iteration, by its number.
func readCSV(table io.Reader, name string, workers map[int][]verdict.Worker) ([]verdict.Iteration, error) {
	rows := boundedTable(table)
	lines := withoutBOM(rows)
	if first, _ := lines.Peek(len(samplesTitles)); string(first) == samplesTitles {
		return iterationsOfSamples(lines, rows, name)
	}
	reader := tableReader{name: name, csv: csv.NewReader(lines), bytes: rows}
	reader.csv.ReuseRecord = true
	if err := reader.readHeader(); err != nil {
		return nil, err
	}
	var all []row
	last := 0
	for {
		next, err := reader.readRow()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if next.Iteration.Iteration <= last {
			return nil, reader.at("iteration", "iteration is %d after %d; expected a higher number", next.Iteration.Iteration, last)
		}
		last = next.Iteration.Iteration
		next.Workers = workers[last]
		if all = append(all, next); len(all) > mostIterations {
			return nil, reader.at("iteration", "there are more than %d iterations; expected a recorded run", mostIterations)
		}
	}
	if err := implausible(all); err != nil {
		return nil, fmt.Errorf("%s:%w", name, err)
	}
	var iterations []verdict.Iteration
	for _, r := range all {
		iterations = append(iterations, r.Evidence())
	}
	return iterations, nil
}

// tableReader reads the rows of a table like iterations.csv.
type tableReader struct {
	name    string
	csv     *csv.Reader
	bytes   *bounded       // that csv reads
	fields  map[string]int // by the title of their column
	columns []Column       // that are there
}

// row is an iteration of a table, with the place of each figure that may be implausible.
type row struct {
	Iteration
	places map[string]place
}

// place is where a cell stands, counted from 1.
type place struct{ line, column int }

// at is an error in the row that was read last.
func (t *tableReader) at(title, format string, values ...any) error {
	return t.atField(t.fields[title], format, values...)
}

func (t *tableReader) atField(field int, format string, values ...any) error {
	line, column := t.csv.FieldPos(field)
	return fmt.Errorf("%s:%d:%d: %w", t.name, line, column, fmt.Errorf(format, values...))
}

// readHeader finds the columns.
func (t *tableReader) readHeader() error {
	header, err := t.csv.Read()
	switch {
	case errors.Is(err, io.EOF):
		return fmt.Errorf("%s:1:1: the file is empty; expected a table with a header line", t.name)
	case err != nil:
		return placed(t.name, err)
	}
	t.fields = make(map[string]int)
	for field, title := range header {
		title = strings.TrimSpace(title)
		if _, twice := t.fields[title]; twice {
			return t.atField(field, "column %q is there twice", title)
		}
		t.fields[title] = field
	}
	var needed, missing []string
	for _, column := range Columns() {
		_, found := t.fields[column.Name]
		if column.needed {
			needed = append(needed, column.Name)
		}
		switch {
		case column.needed && !found:
			missing = append(missing, column.Name)
		case found:
			t.columns = append(t.columns, column)
		}
	}
	if len(missing) > 0 {
		return t.atField(0, "column %q is missing; expected %s", missing[0], strings.Join(needed, ", "))
	}
	return nil
}

// readRow reads the next row; io.EOF if there is none.
func (t *tableReader) readRow() (row, error) {
	t.bytes.begin()
	cells, err := t.csv.Read()
	if errors.Is(err, io.EOF) {
		return row{}, io.EOF
	}
	if err != nil {
		return row{}, placed(t.name, err)
	}
	read := row{places: make(map[string]place)}
	for _, column := range t.columns {
		cell := strings.TrimSpace(cells[t.fields[column.Name]])
		if column.needed {
			line, at := t.csv.FieldPos(t.fields[column.Name])
			read.places[column.Name] = place{line, at}
		}
		if column.set(&read.Iteration, cell) || !column.strict() || cell == "" && !column.needed {
			continue
		}
		return row{}, t.at(column.Name, "%s is %q; expected a whole number from 0 to %d", column.Name, cell, uint64(largestValue))
	}
	return read, nil
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
func withoutBOM(table io.Reader) *bufio.Reader {
	const mark = "\ufeff"
	reader := bufio.NewReader(table)
	if first, _ := reader.Peek(len(mark)); slices.Equal(first, []byte(mark)) {
		_, _ = reader.Discard(len(mark))
	}
	return reader
}
