package report

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
)

// table is a CSV file that grows. It holds whole rows alone: of a row that does not fit on the disk nothing is left.
type table struct {
	file *os.File
	size int64 // of the whole rows
}

func createTable(folder, name string) (*table, error) {
	file, err := os.OpenFile(filepath.Join(folder, name), os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o666)
	if err != nil {
		return nil, err
	}
	return &table{file: file}, nil
}

// append adds whole rows, or as many of them as there is room for and an error.
func (t *table) append(rows []byte) error {
	n, err := t.file.Write(rows)
	if err == nil {
		t.size += int64(n)
		return nil
	}
	t.size += int64(bytes.LastIndexByte(rows[:n], '\n') + 1)
	return errors.Join(err, t.file.Truncate(t.size))
}
