package record

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"leaklab/loader/verdict"
)

// sample is a line of a table like samples.csv.
type sample struct {
	Point
	iteration int // whose load was running; 0 while the server rested
	// parts are those of the memory that are known.
	parts map[verdict.Part]uint64
}

// sampleLines reads the lines of a table like samples.csv.
type sampleLines struct {
	in     *bufio.Reader
	bytes  *bounded // that in reads
	name   string
	number int // of the line that was read last
}

// next reads the next sample; io.EOF if there is none. A last line that is not complete is none.
func (l *sampleLines) next() (sample, error) {
	l.bytes.begin()
	line, err := l.in.ReadString('\n')
	if l.number++; l.number == 1 && err == nil {
		line, err = l.in.ReadString('\n')
		l.number++
	}
	switch {
	case errors.Is(err, io.EOF):
		return sample{}, io.EOF
	case err != nil:
		return sample{}, fmt.Errorf("%s:%d: %w", l.name, l.number, err)
	}
	fields := strings.Split(strings.TrimRight(line, "\r\n"), ",")
	if len(fields) != strings.Count(samplesTitles, ",")+1 {
		return sample{}, fmt.Errorf("%s:%d: %d columns; expected 6", l.name, l.number, len(fields))
	}
	var read sample
	if read.At, err = time.Parse(timeFormat, fields[0]); err != nil {
		return sample{}, fmt.Errorf("%s:%d: time is %q; expected one like %s", l.name, l.number, fields[0], timeFormat)
	}
	if fields[1] != "" {
		if read.iteration, err = strconv.Atoi(fields[1]); err != nil || read.iteration < 1 {
			return sample{}, fmt.Errorf("%s:%d: iteration is %q; expected a number from 1 on, or nothing", l.name, l.number, fields[1])
		}
	}
	if read.Bytes, err = strconv.ParseInt(fields[2], 10, 64); err != nil || read.Bytes < 0 {
		return sample{}, fmt.Errorf("%s:%d: rss_bytes is %q; expected a number of bytes", l.name, l.number, fields[2])
	}
	read.parts = make(map[verdict.Part]uint64)
	for n, part := range []verdict.Part{verdict.Anonymous, verdict.File, verdict.Shared} {
		if value, err := strconv.ParseUint(fields[3+n], 10, 64); err == nil {
			read.parts[part] = value
		}
	}
	return read, nil
}

// iterationsOfSamples reads iterations from a table like samples.csv. An iteration starts with the last sample before its
// load, and ends with the last one before the load that follows. What comes after the last load ends it after as long a
// rest as the shortest of those before: the server rests longer then. An iteration may be too short to be sampled under
// load, which is an error: the growth of those around it would be told of fewer iterations.
func iterationsOfSamples(in *bufio.Reader, bytes *bounded, name string) ([]verdict.Iteration, error) {
	var all []sampled
	var before sample // the last one without load
	shortest := time.Duration(0)
	lines := sampleLines{in: in, bytes: bytes, name: name}
	for {
		next, err := lines.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		n := len(all)
		switch {
		case next.iteration == 0:
			before = next
			if n > 0 {
				all[n-1].rest(next, shortest)
			}
		case n > 0 && next.iteration == all[n-1].number:
			all[n-1].loaded = next.At
			all[n-1].rested = false
		case n == mostIterations:
			return nil, fmt.Errorf("%s:%d: there are more than %d iterations; expected a recorded run", name, lines.number, mostIterations)
		case n > 0 && next.iteration != all[n-1].number+1:
			return nil, fmt.Errorf("%s:%d: iteration is %d after %d; expected samples of each iteration: use iterations.csv", name, lines.number, next.iteration, all[n-1].number)
		default:
			if n > 0 && all[n-1].rested {
				all[n-1].end = before
				if rest := before.At.Sub(all[n-1].loaded); shortest == 0 || rest < shortest {
					shortest = rest
				}
			}
			if before.At.IsZero() || n > 0 && !all[n-1].rested {
				before = next // there is no reading without load
			}
			all = append(all, sampled{number: next.iteration, start: before, loaded: next.At})
		}
	}
	var iterations []verdict.Iteration
	for _, i := range all {
		if i.rested { // one that was interrupted has no end
			iterations = append(iterations, i.evidence())
		}
	}
	return iterations, nil
}

// sampled is an iteration of which samples are known.
type sampled struct {
	number int
	start  sample    // before the load
	loaded time.Time // of the last sample under load
	rested bool      // a sample has come after the load
	end    sample    // with which the iteration ends, if no other follows
}

// rest takes a sample after the load. The last one within limit is the end, or else the first one; the last one of all if
// limit is 0.
func (i *sampled) rest(next sample, limit time.Duration) {
	if !i.rested || limit == 0 || next.At.Sub(i.loaded) <= limit {
		i.end = next
	}
	i.rested = true
}

// evidence is what the verdict reads of the iteration.
func (i sampled) evidence() verdict.Iteration {
	return verdict.Iteration{
		Requests: 1, StartBytes: uint64(i.start.Bytes), EndBytes: uint64(i.end.Bytes), Parts: i.end.parts,
	}
}
