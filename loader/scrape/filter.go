package scrape

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// What a server may show, so that what it does not end takes neither memory nor time.
const (
	maxBytes  = 16 << 20 // in all
	maxKept   = 1 << 20  // of the metrics that are asked for
	lineLimit = 32 << 10 // in a line of these
)

// asked are the metrics that anybody in this module asks for.
func asked() []string {
	return append(requestCounters(),
		"process_resident_memory_bytes", "process_open_fds", "go_threads", "go_gc_heap_live_bytes", "go_memstats_next_gc_bytes",
		"go_gc_gogc_percent", "go_gc_gomemlimit_bytes", "go_memstats_heap_alloc_bytes", "go_memstats_stack_inuse_bytes",
		"leaklab_demo_info")
}

// filter returns the lines of text that belong to the metrics which are asked for, without buckets, and what is no
// metric at all, for the parser to say so. A page of 100,000 series costs no more than reading it.
func filter(text io.Reader) ([]byte, error) {
	names := asked()
	limited := &io.LimitedReader{R: text, N: maxBytes + 1}
	lines := bufio.NewReaderSize(limited, lineLimit)
	var kept []byte
	inside := false // a line whose beginning was left out
	for {
		line, err := lines.ReadSlice('\n')
		cut := errors.Is(err, bufio.ErrBufferFull)
		if !inside && belongs(line, names) {
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

// belongs says whether a line is that of a metric in names, or no metric.
func belongs(line []byte, names []string) bool {
	line = bytes.TrimLeft(line, " \t")
	if rest, comment := bytes.CutPrefix(line, []byte("#")); comment {
		words := bytes.Fields(rest[:min(len(rest), 256)])
		return len(words) > 1 && string(words[0]) == "TYPE" && slices.Contains(names, string(words[1]))
	}
	end := bytes.IndexFunc(line, func(r rune) bool { return !isName(r) })
	switch {
	case end < 0:
		return len(line) < lineLimit // the text ends in it
	case end == 0:
		return line[0] != '{' && line[0] != '\n' // a quoted name is none of ours
	}
	name := string(line[:end])
	for _, suffix := range []string{"_count", "_sum"} {
		if base, found := strings.CutSuffix(name, suffix); found && slices.Contains(names, base) {
			return true
		}
	}
	return slices.Contains(names, name)
}

func isName(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_' || r == ':'
}
