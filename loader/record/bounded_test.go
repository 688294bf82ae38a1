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
	for name, test := range map[string]struct {
		table io.Reader
		want  string
	}{
		"zeros":            {after("", strings.Repeat("\x00", 1000)), "run.csv: a row has more than 65536 bytes"},
		"a long row":       {after(header, "1"), "run.csv: a row has more than 65536 bytes"},
		"empty lines":      {after(header, "\n"), "run.csv: a row has more than 65536 bytes"},
		"a quoted cell":    {after(header+"\"", "1\n"), "run.csv: a row has more than 65536 bytes"},
		"rows":             {after(header, "%d,1000,1000000,1000000\n"), "there are more than 100000 iterations"},
		"a long sample":    {after(samplesTitles+"\n", "1"), "run.csv:2: a row has more than 65536 bytes"},
		"samples of loads": {after(samplesTitles+"\n", fmt.Sprintf(sample, "%d")), "there are more than 100000 iterations"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadCSV(test.table, "run.csv")
			assert.ErrorContains(t, err, test.want)
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
