package scrape

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// The limits of an endpoint's text, in bytes, so that a response without end costs little memory and time.
const (
	maxBytes  = 16 << 20 // of the whole text
	maxKept   = 1 << 20  // of the lines that are kept
	lineLimit = 32 << 10 // of a line that is kept
)

// filter returns the lines of text that belong to a metric that is wanted, without histogram buckets. It keeps lines that
// are no metric at all as well, so that the parser reports them. A page of 100,000 series costs no more than reading it.
// It fails when a limit above is exceeded or reading does.
func filter(text io.Reader, wanted func(name string) bool) ([]byte, error) {
	limited := &io.LimitedReader{R: text, N: maxBytes + 1}
	lines := bufio.NewReaderSize(limited, lineLimit)
	var kept []byte
	inside := false // in a line whose beginning was dropped
	for {
		line, err := lines.ReadSlice('\n')
		cut := errors.Is(err, bufio.ErrBufferFull)
		if !inside && belongs(line, wanted) {
			if cut {
				return nil, fmt.Errorf("a line is longer than %d bytes", lineLimit)
			}
			kept = append(kept, line...)
		}
		inside = cut
		switch {
		case limited.N == 0:
			return nil, fmt.Errorf("there are more than %d MiB of metrics", maxBytes>>20)
		case len(kept) > maxKept:
			return nil, fmt.Errorf("there is more than %d MiB of the metrics asked for", maxKept>>20)
		case errors.Is(err, io.EOF):
			return kept, nil
		case err != nil && !cut:
			return nil, err
		}
	}
}

// wanted is true for a declared Metric, for the metric in which an exporter tells its version, and for those that are
// chosen. The latter may be named by the count of a histogram or a summary.
func wanted(chosen ...Selector) func(name string) bool {
	also := make(map[string]bool)
	for _, s := range chosen {
		if !s.IsZero() {
			also[s.name], also[strings.TrimSuffix(s.name, "_count")] = true, true
		}
	}
	return func(name string) bool {
		return declared[name] || also[name] || strings.HasSuffix(name, exporterSuffix)
	}
}

// belongs is true for a line of a metric that is wanted, and for one that is no metric.
func belongs(line []byte, wanted func(name string) bool) bool {
	line = bytes.TrimLeft(line, " \t")
	if rest, comment := bytes.CutPrefix(line, []byte("#")); comment {
		words := bytes.Fields(rest[:min(len(rest), 256)])
		return len(words) > 1 && string(words[0]) == "TYPE" && wanted(string(words[1]))
	}
	end := bytes.IndexFunc(line, notName)
	switch {
	case end < 0:
		return len(line) < lineLimit // the text ends within the line
	case end == 0:
		return line[0] != '{' && line[0] != '\n' // no metric that is wanted needs quotes
	}
	name := string(line[:end])
	for _, suffix := range []string{"_count", "_sum"} {
		if base, found := strings.CutSuffix(name, suffix); found && wanted(base) {
			return true
		}
	}
	return wanted(name)
}

// notName is true for what no name of a metric has, unless it is quoted.
func notName(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_' || r == ':')
}
