package report

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"leaklab/loader/lab"
	"leaklab/loader/memory"
)

// flushInterval is how long a sample may wait before it is in the file. It is less than a second by one sample, since
// only a sample flushes those before.
const flushInterval = time.Second - memory.SampleInterval

// timeFormat is RFC 3339 with milliseconds, as the tables have it.
const timeFormat = "2006-01-02T15:04:05.000Z07:00"

// Samples writes samples.csv, a row for each sample of memory, and keeps a course of them for the figures. It may be
// used by several goroutines.
type Samples struct {
	mu        sync.Mutex
	table     *table
	buffer    bytes.Buffer // rows that are not in the file yet
	first     time.Time    // of the first sample
	flushed   time.Time
	iteration int // whose load runs; 0 if none does
	course    course
	failed    bool  // nothing is written any more
	err       error // why, until it has been told
}

// CreateSamples creates samples.csv, or another table of that kind, in folder, with its header.
func CreateSamples(folder, name string) (*Samples, error) {
	table, err := createTable(folder, name)
	if err != nil {
		return nil, err
	}
	return &Samples{table: table}, table.append([]byte("time,iteration,rss_bytes,anonymous_bytes,file_bytes,shared_bytes\n"))
}

// Take writes a sample. What is not known stays empty, and so does the iteration while no load runs. An error is
// returned by the next IterationEnded, or by Close, and ends the file.
func (s *Samples) Take(at time.Time, reading memory.Reading) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.first.IsZero() {
		s.first = at
	}
	at = s.first.Add(at.Sub(s.first)) // though the clock may have been set back
	s.course.add(Point{At: at, Bytes: reading.Total})
	iteration, parts := "", ",,"
	if s.iteration > 0 {
		iteration = strconv.Itoa(s.iteration)
	}
	if p := reading.Parts; p != nil {
		parts = fmt.Sprintf("%d,%d,%d", p.Anonymous, p.File, p.Shared)
	}
	fmt.Fprintf(&s.buffer, "%s,%s,%d,%s\n", at.UTC().Format(timeFormat), iteration, reading.Total, parts)
	if at.Sub(s.flushed) >= flushInterval {
		s.flushed = at
		s.flush()
	}
}

// flush writes the rows, unless an earlier one could not be written.
func (s *Samples) flush() {
	if !s.failed {
		s.err = s.table.append(s.buffer.Bytes())
		s.failed = s.err != nil
	}
	s.buffer.Reset()
}

// tell returns the error of writing, once.
func (s *Samples) tell() error {
	err := s.err
	s.err = nil
	return err
}

// LoadBegins notes the iteration that the samples from now on belong to.
func (s *Samples) LoadBegins(number int, _ time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.iteration = number
}

// LoadEnded notes that they belong to none.
func (s *Samples) LoadEnded() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.iteration = 0
}

// IterationEnded writes what is left, since the pictures are drawn from the file, and returns an error of writing.
func (s *Samples) IterationEnded(lab.Iteration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flush()
	return s.tell()
}

// Course returns the samples so far, or as many of them as tell their course.
func (s *Samples) Course() []Point {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.course.all()
}

// Close writes what is left and closes the file. Samples that come later are lost.
func (s *Samples) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flush()
	return errors.Join(s.tell(), s.table.file.Close())
}

// Point is resident memory at one moment.
type Point struct {
	At    time.Time
	Bytes int64
}

// mostPoints is about as many as a figure can show. It is even.
const mostPoints = 1200

// course keeps at most mostPoints of all that is added, without losing what stands out: when they become too many,
// the lowest and the highest of every four stay, and later ones are thinned as much before they are added.
type course struct {
	points  []Point
	thinned int     // so many points make one of points; 0 is 1
	pending []Point // fewer than make two of points
}

func (c *course) add(p Point) {
	if c.thinned == 0 {
		c.points = append(c.points, p)
	} else if c.pending = append(c.pending, p); len(c.pending) == 2*c.thinned {
		c.points = append(c.points, extremes(c.pending)...)
		c.pending = c.pending[:0]
	}
	if len(c.points) < mostPoints {
		return
	}
	c.thinned = max(1, c.thinned) * 2
	kept := c.points[:0]
	for i := 0; i < len(c.points); i += 4 {
		kept = append(kept, extremes(c.points[i:i+4])...)
	}
	c.points = kept
}

// all returns the points so far.
func (c *course) all() []Point {
	points := slices.Clone(c.points)
	if len(c.pending) > 0 {
		points = append(points, extremes(c.pending)...)
	}
	return points
}

// readSamples reads the course of memory from samples.csv, or another table of that kind. A last line that is not
// complete, as a run that is killed may leave it, ends the file.
func readSamples(in io.Reader, name string) ([]Point, error) {
	var c course
	lines := bufio.NewReader(in)
	for number := 1; ; number++ {
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return c.all(), nil
		}
		if err != nil {
			return nil, err
		}
		if number == 1 {
			continue
		}
		fields := strings.Split(line, ",")
		if len(fields) != 6 {
			return nil, fmt.Errorf("%s:%d: %d columns; expected 6", name, number, len(fields))
		}
		at, err := time.Parse(timeFormat, fields[0])
		if err != nil {
			return nil, fmt.Errorf("%s:%d: time is %q; expected one like %s", name, number, fields[0], timeFormat)
		}
		bytes, err := strconv.ParseInt(fields[2], 10, 64)
		if err != nil || bytes < 0 {
			return nil, fmt.Errorf("%s:%d: rss_bytes is %q; expected a number of bytes", name, number, fields[2])
		}
		c.add(Point{at, bytes})
	}
}

// extremes returns the lowest and the highest of points, in the order of time.
func extremes(points []Point) []Point {
	low, high := 0, 0
	for i, p := range points {
		if p.Bytes < points[low].Bytes {
			low = i
		}
		if p.Bytes >= points[high].Bytes {
			high = i
		}
	}
	return []Point{points[min(low, high)], points[max(low, high)]}
}
