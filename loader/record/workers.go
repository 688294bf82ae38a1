package record

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"leaklab/loader/lab"
	"leaklab/loader/verdict"
)

// workersTitles are the titles of the columns of workers.csv.
const workersTitles = "iteration,pid,started_ticks,requests,own_bytes"

// workersTable is workers.csv, or another table of that kind: a row for each worker at the end of each iteration. There is
// no file while there are no workers.
type workersTable struct {
	folder, name string
	rows         *rows
}

// append adds the rows of an iteration, all on disk then.
func (t *workersTable) append(i Iteration) error {
	if len(i.Workers) == 0 {
		return nil
	}
	var lines strings.Builder
	if t.rows == nil {
		created, err := createRows(t.folder, t.name)
		if err != nil {
			return err
		}
		t.rows = created
		lines.WriteString(workersTitles + "\n")
	}
	for _, w := range i.Workers {
		fmt.Fprintf(&lines, "%d,%d,%d,%s,%d\n", i.Iteration, w.PID, w.Started, strconv.FormatFloat(w.Requests, 'f', 3, 64), w.Bytes)
	}
	if err := t.rows.append([]byte(lines.String())); err != nil {
		return err
	}
	return t.rows.file.Sync()
}

// close closes the file, if there is one.
func (t *workersTable) close() error {
	if t.rows == nil {
		return nil
	}
	return t.rows.file.Close()
}

// workersOf are the workers of an iteration as files have them: with three digits after the point.
func workersOf(i lab.Iteration) []verdict.Worker {
	var all []verdict.Worker
	for _, w := range i.Workers {
		all = append(all, verdict.Worker{PID: w.PID, Started: w.Started, Requests: math.Round(1000*w.Requests) / 1000, Bytes: uint64(max(0, w.Bytes))})
	}
	return all
}

// workersBeside are the names of the tables of workers, by those of the tables of iterations.
var workersBeside = map[string]string{"iterations.csv": "workers.csv", "baseline.csv": "baseline-workers.csv"}

// readWorkers reads the workers beside a table of iterations, by the number of their iteration; none if there is no such
// file, or an empty one, as a full disk leaves it.
func readWorkers(table string) (workers map[int][]verdict.Worker, err error) {
	folder, name := filepath.Split(table)
	beside, known := workersBeside[name]
	if !known {
		return nil, nil
	}
	file, err := os.Open(folder + beside)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil || info.Mode().IsRegular() && info.Size() == 0 {
		return nil, err
	}
	return readWorkersCSV(file, folder+beside)
}

func readWorkersCSV(in io.Reader, name string) (map[int][]verdict.Worker, error) {
	rows := boundedTable(in)
	reader := csv.NewReader(withoutBOM(rows))
	reader.ReuseRecord = true
	header, err := reader.Read()
	if err != nil || strings.Join(header, ",") != workersTitles {
		return nil, fmt.Errorf("%s:1:1: expected the header %s", name, workersTitles)
	}
	all := make(map[int][]verdict.Worker)
	for count := 1; ; count++ {
		rows.begin()
		cells, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, placed(name, err)
		}
		number, w, err := workerOf(cells)
		if err != nil {
			line, _ := reader.FieldPos(0)
			return nil, fmt.Errorf("%s:%d: %w", name, line, err)
		}
		if count > mostWorkerRows {
			line, _ := reader.FieldPos(0)
			return nil, fmt.Errorf("%s:%d: there are more than %d rows; expected the workers of a recorded run", name, line, mostWorkerRows)
		}
		all[number] = append(all[number], w)
	}
}

// workerOf reads a row: the number of the iteration, and the worker.
func workerOf(cells []string) (int, verdict.Worker, error) {
	titles := strings.Split(workersTitles, ",")
	var whole [5]uint64
	for _, n := range []int{0, 1, 2, 4} {
		var err error
		if whole[n], err = strconv.ParseUint(cells[n], 10, 64); err != nil || whole[n] > largestValue {
			return 0, verdict.Worker{}, fmt.Errorf("%s is %q; expected a whole number from 0 to %d", titles[n], cells[n], uint64(largestValue))
		}
	}
	requests, err := strconv.ParseFloat(cells[3], 64)
	if err != nil || !(requests >= 0 && requests <= largestValue) {
		return 0, verdict.Worker{}, fmt.Errorf("%s is %q; expected a number from 0 to %d", titles[3], cells[3], uint64(largestValue))
	}
	return int(whole[0]), verdict.Worker{PID: int(whole[1]), Started: whole[2], Requests: requests, Bytes: whole[4]}, nil
}
