package record

import (
	"bytes"
	"encoding/csv"
	"errors"
	"os"
)

// Table is iterations.csv, or another table of that kind: a row an iteration, each on disk when it has been appended. The
// workers of the iterations are in a table beside it, which is there once there are any.
type Table struct {
	rows    *rows
	workers *workersTable
}

// CreateTable creates a table in folder, with its header.
func CreateTable(folder, name string) (*Table, error) {
	created, err := createRows(folder, name)
	if err != nil {
		return nil, err
	}
	var header []string
	for _, column := range Columns() {
		header = append(header, column.Name)
	}
	t := &Table{rows: created, workers: &workersTable{folder: folder, name: workersBeside[name]}}
	return t, t.write(header)
}

// Append adds the row of an iteration, and those of its workers.
func (t *Table) Append(i Iteration) error {
	var row []string
	for _, column := range Columns() {
		row = append(row, column.cell(i))
	}
	return errors.Join(t.write(row), t.workers.append(i))
}

// Close closes the files.
func (t *Table) Close() error { return errors.Join(t.rows.file.Close(), t.workers.close()) }

func (t *Table) write(row []string) error {
	var line bytes.Buffer
	writer := csv.NewWriter(&line)
	err := writer.Write(row)
	writer.Flush()
	if err != nil {
		return err
	}
	if err := t.rows.append(line.Bytes()); err != nil {
		return err
	}
	return t.rows.file.Sync()
}

// rows is a CSV file that grows. It holds whole rows only: nothing is left of a row that does not fit on the disk.
type rows struct {
	file *os.File
	size int64 // of the whole rows
}

func createRows(folder, name string) (*rows, error) {
	file, err := CreateFile(folder, name, os.O_WRONLY|os.O_APPEND)
	if err != nil {
		return nil, err
	}
	return &rows{file: file}, nil
}

// append adds whole rows; if there is not room for all, it adds as many as fit and returns an error.
func (r *rows) append(lines []byte) error {
	n, err := r.file.Write(lines)
	if err == nil {
		r.size += int64(n)
		return nil
	}
	r.size += int64(bytes.LastIndexByte(lines[:n], '\n') + 1)
	return errors.Join(err, r.file.Truncate(r.size))
}
