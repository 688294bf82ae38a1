package record

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// endless repeats what next returns.
type endless struct {
	next func(number int) string
	left string
	n    int
}

func (e *endless) Read(p []byte) (int, error) {
	if e.left == "" {
		e.n++
		e.left = e.next(e.n)
	}
	n := copy(p, e.left)
	e.left = e.left[n:]
	return n, nil
}

// after is begin, and then text for ever, in which a %d is the number of the repetition.
func after(begin, text string) io.Reader {
	return io.MultiReader(strings.NewReader(begin), &endless{next: func(number int) string {
		if strings.Contains(text, "%d") {
			return fmt.Sprintf(text, number)
		}
		return text
	}})
}

func TestTablesWithoutEndAreRefused(t *testing.T) {
	const header = "iteration,requests,rss_start_bytes,rss_end_bytes\n"
	const sample = "2026-11-23T08:00:00.000Z,%s,1000000,,,\n"
	const workers = workersTitles + "\n"
	ofWorkers := func(in io.Reader, name string) error {
		_, err := readWorkersCSV(in, name)
		return err
	}
	ofIterations := func(in io.Reader, name string) error {
		_, err := ReadCSV(in, name)
		return err
	}
	for name, test := range map[string]struct {
		table io.Reader
		read  func(io.Reader, string) error
		want  string
	}{
		"workers":          {after(workers, "%d,1,1,1,1\n"), ofWorkers, "there are more than 1000000 rows"},
		"a long worker":    {after(workers, "1"), ofWorkers, "run.csv: a row has more than 65536 bytes"},
		"zeros":            {after("", strings.Repeat("\x00", 1000)), ofIterations, "run.csv: a row has more than 65536 bytes"},
		"a long row":       {after(header, "1"), ofIterations, "run.csv: a row has more than 65536 bytes"},
		"empty lines":      {after(header, "\n"), ofIterations, "run.csv: a row has more than 65536 bytes"},
		"a quoted cell":    {after(header+"\"", "1\n"), ofIterations, "run.csv: a row has more than 65536 bytes"},
		"rows":             {after(header, "%d,1000,1000000,1000000\n"), ofIterations, "there are more than 100000 iterations"},
		"a long sample":    {after(samplesTitles+"\n", "1"), ofIterations, "run.csv:2: a row has more than 65536 bytes"},
		"samples of loads": {after(samplesTitles+"\n", fmt.Sprintf(sample, "%d")), ofIterations, "there are more than 100000 iterations"},
	} {
		t.Run(name, func(t *testing.T) {
			assert.ErrorContains(t, test.read(test.table, "run.csv"), test.want)
		})
	}
}

func TestBytesWithoutEndAreRefused(t *testing.T) {
	in := &bounded{in: after("", "row\n"), most: 10_000, mostOfRow: 100}
	read := 0
	for {
		in.begin()
		n, err := in.Read(make([]byte, 80))
		read += n
		if err != nil {
			assert.EqualError(t, err, "it has more than 10000 bytes; expected a recorded run")
			break
		}
	}
	assert.Equal(t, 10_000, read)
	_, err := ReadRun(after("", "[[[[[[[[[["))
	assert.ErrorContains(t, err, "not a run.json")
}
