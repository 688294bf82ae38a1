package report

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"leaklab/loader/lab"
	"leaklab/loader/load"
)

// CreateFolder makes the folder of a run that starts at the given time, results/<UTC time>, with -label after it
// if there is one, and returns its path. Folders are writable for everybody, as /tmp is, because the loader in a
// container has another user than the person who later reads, or deletes, what it has written.
func CreateFolder(results string, start time.Time, label string) (string, error) {
	if err := makeShared(results); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	name := filepath.Join(results, start.UTC().Format("20060102T150405Z"))
	if label != "" {
		name += "-" + label
	}
	for n := 1; ; n++ {
		folder := name
		if n > 1 {
			folder = fmt.Sprintf("%s-%d", name, n)
		}
		err := makeShared(folder)
		if err == nil {
			return folder, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return "", err
		}
	}
}

func makeShared(folder string) error {
	if err := os.Mkdir(folder, 0o777); err != nil {
		return err
	}
	return os.Chmod(folder, 0o777) // whatever the umask
}

// CSV writes iterations.csv, a row an iteration, each on disk before the next iteration begins.
type CSV struct{ table *table }

// CreateCSV creates iterations.csv, or another table of that kind, in folder, with its header.
func CreateCSV(folder, name string) (*CSV, error) {
	table, err := createTable(folder, name)
	if err != nil {
		return nil, err
	}
	c := &CSV{table: table}
	header := []string{
		"iteration", "started_at", "duration_seconds", "requests", "errors", "requests_per_second",
		"latency_p50_seconds", "latency_p99_seconds", "latency_max_seconds",
		"rss_start_bytes", "rss_end_bytes", "rss_peak_bytes",
	}
	for _, column := range partColumns() {
		header = append(header, column.title)
	}
	header = append(header, "processes", "latency_p90_seconds", "latency_p999_seconds")
	for _, reason := range load.Reasons() {
		header = append(header, "errors_"+string(reason))
	}
	return c, c.write(header)
}

// LoadBegins does nothing: a row is written when its iteration is complete.
func (c *CSV) LoadBegins(int, time.Time) {}

// LoadEnded does nothing.
func (c *CSV) LoadEnded() {}

// IterationEnded writes the iteration's row. What is not known stays empty.
func (c *CSV) IterationEnded(i lab.Iteration) error {
	row := []string{
		strconv.Itoa(i.Number),
		i.Load.StartedAt.UTC().Format(timeFormat),
		seconds(i.Load.Elapsed),
		strconv.FormatUint(i.Requests, 10),
		strconv.FormatUint(i.Load.ErrorCount(), 10),
		strconv.FormatFloat(i.RequestsPerSecond(), 'f', 3, 64),
		seconds(i.Load.Percentile(50)), seconds(i.Load.Percentile(99)), seconds(i.Load.MaxLatency),
		strconv.FormatInt(i.Start.Total, 10), strconv.FormatInt(i.End.Total, 10), strconv.FormatInt(i.Peak, 10),
	}
	parts := Evidence(i).Parts
	for _, column := range partColumns() {
		text := ""
		if value, known := parts[column.part]; known {
			text = strconv.FormatUint(value, 10)
		}
		row = append(row, text)
	}
	processes := ""
	if i.End.Processes > 0 {
		processes = strconv.Itoa(i.End.Processes)
	}
	row = append(row, processes, seconds(i.Load.Percentile(90)), seconds(i.Load.Percentile(99.9)))
	for _, reason := range load.Reasons() {
		row = append(row, strconv.FormatUint(i.Load.Errors[reason], 10))
	}
	return c.write(row)
}

// Close closes the file.
func (c *CSV) Close() error { return c.table.file.Close() }

func (c *CSV) write(row []string) error {
	var line bytes.Buffer
	writer := csv.NewWriter(&line)
	err := writer.Write(row)
	writer.Flush()
	if err != nil {
		return err
	}
	if err := c.table.append(line.Bytes()); err != nil {
		return err
	}
	return c.table.file.Sync()
}

func seconds(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds(), 'f', 6, 64)
}
