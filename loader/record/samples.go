package record

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"leaklab/loader/memory"
)

// flushInterval is how long a sample may wait before it is in the file. It is less than a second by one sample, since
// only a sample flushes those before.
const flushInterval = time.Second - memory.SampleInterval

// samplesTitles are the titles of the columns of samples.csv.
const samplesTitles = "time,iteration,rss_bytes,anonymous_bytes,file_bytes,shared_bytes"

// Samples writes samples.csv, a row for each sample of memory, and keeps a downsampled series of them for the charts.
// It may be used by several goroutines.
type Samples struct {
	mu      sync.Mutex
	rows    *rows
	buffer  bytes.Buffer // rows that are not in the file yet
	first   time.Time    // of the first sample
	flushed time.Time
	series  series
	failed  bool  // nothing is written any more
	err     error // why, until it has been returned
}

// CreateSamples creates samples.csv, or another table of that kind, in folder, with its header.
func CreateSamples(folder, name string) (*Samples, error) {
	created, err := createRows(folder, name)
	if err != nil {
		return nil, err
	}
	return &Samples{rows: created}, created.append([]byte(samplesTitles + "\n"))
}

// Take writes a sample, taken under the load of the given iteration, or 0 between loads. What is not known stays empty,
// and so does iteration 0. The next Flush, or Close, returns an error of writing, which ends the file.
func (s *Samples) Take(at time.Time, iteration int, reading memory.Reading) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.first.IsZero() {
		s.first = at
	}
	at = s.first.Add(at.Sub(s.first)) // though the clock may have been set back
	s.series.add(Point{At: at, Bytes: reading.Total})
	number, parts := "", ",,"
	if iteration > 0 {
		number = strconv.Itoa(iteration)
	}
	if p := reading.Parts; p != nil {
		parts = fmt.Sprintf("%d,%d,%d", p.Anonymous, p.File, p.Shared)
	}
	fmt.Fprintf(&s.buffer, "%s,%s,%d,%s\n", at.UTC().Format(timeFormat), number, reading.Total, parts)
	if at.Sub(s.flushed) >= flushInterval {
		s.flushed = at
		s.flush()
	}
}

// Flush writes the rows that are still in memory, and returns the first error of writing, once.
func (s *Samples) Flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flush()
	err := s.err
	s.err = nil
	return err
}

// flush writes the rows, unless an earlier one could not be written.
func (s *Samples) flush() {
	if !s.failed {
		s.err = s.rows.append(s.buffer.Bytes())
		s.failed = s.err != nil
	}
	s.buffer.Reset()
}

// Series returns the samples so far, downsampled to about as many as a chart can show.
func (s *Samples) Series() []Point {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.series.all()
}

// Close writes what is left and closes the file. Samples that come later are lost.
func (s *Samples) Close() error { return errors.Join(s.Flush(), s.rows.file.Close()) }

// ReadSamples reads the series of memory from samples.csv, or another table of that kind, in folder. A last line that
// is not complete, as a run that is killed may leave it, ends the file.
func ReadSamples(folder, name string) (points []Point, err error) {
	file, err := os.Open(filepath.Join(folder, name))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return readSamples(file, name)
}

func readSamples(in io.Reader, name string) ([]Point, error) {
	var s series
	rows := boundedTable(in)
	lines := sampleLines{in: bufio.NewReader(rows), bytes: rows, name: name}
	for {
		next, err := lines.next()
		if errors.Is(err, io.EOF) {
			return s.all(), nil
		}
		if err != nil {
			return nil, err
		}
		s.add(next.Point)
	}
}
