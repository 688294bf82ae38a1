package live

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"leaklab/loader/scrape"
)

const (
	goMaxBytes = 64 << 20 // of a profile
	goMaxLine  = 64 << 10 // bytes of a line of a profile as text; a longer one is left out
	// goMaxWork is how long the records of a profile are read, without the time in which they are waited for. A profile of
	// 64 MiB whose stacks are as deep as those of a server takes less. The records that follow, the smallest, are left out.
	goMaxWork = 2 * time.Second
	// mostFrames is how many frames of a stack are read; a stack of a heap profile has at most 128.
	mostFrames = 256
)

// goBody is a profile that is read from a server. Reading fails after goMaxBytes.
type goBody struct {
	body    io.ReadCloser
	address string // for errors
	read    int
	waited  time.Duration // for the server
	work    time.Duration // goMaxWork, or another limit in a test
}

// goGet asks for a profile, with status 200. It leaves no connection open, unless another request follows, which that one
// serves. The caller closes the body.
func goGet(ctx context.Context, address string, follows bool) (*goBody, error) {
	header := make(http.Header)
	if !follows {
		header.Set("Connection", "close")
	}
	body, err := scrape.Get(ctx, address, header)
	if err != nil {
		return nil, err
	}
	return &goBody{body: body, address: address, work: goMaxWork}, nil
}

func (b *goBody) Read(into []byte) (int, error) {
	start := time.Now()
	n, err := b.body.Read(into)
	b.waited += time.Since(start)
	b.read += n
	switch {
	case b.read > goMaxBytes:
		return 0, fmt.Errorf("%s answered more than %d MiB", scrape.Public(b.address), goMaxBytes>>20)
	case err != nil && !errors.Is(err, io.EOF):
		err = fmt.Errorf("%s: %w", scrape.Public(b.address), err)
	}
	return n, err
}

func (b *goBody) Close() error { return b.body.Close() }

// statsTitle is the line of a heap profile as text that the statistics follow.
const statsTitle = "# runtime.MemStats"

// readRecords reads a profile as text that net/http/pprof writes with debug=1. record, if it is not nil, is called with the
// first line of each record and its stack, innermost first, which is empty for a line that is no record. Frames of the
// runtime are not at its beginning, as printStackRecord of runtime/pprof leaves them out. other is called with the lines of
// statistics.
func (b *goBody) readRecords(record func(title string, stack []frame), other func(line string)) error {
	lines := bufio.NewReaderSize(b, goMaxLine)
	var title string
	var stack []frame
	begun, titled, stats, cut := time.Now(), false, false, false
	end := func() {
		if titled && record != nil {
			record(title, stack)
		}
		titled, stack = false, stack[:0]
	}
	for n := 1; ; n++ {
		line, err := lines.ReadSlice('\n')
		inside := cut
		cut = errors.Is(err, bufio.ErrBufferFull)
		if err != nil && !cut && !errors.Is(err, io.EOF) {
			return err
		}
		if n%256 == 0 && time.Since(begun)-b.waited > b.work {
			record = nil
		}
		told := bytes.TrimSuffix(line, []byte("\n"))
		switch isStats := string(told) == statsTitle; {
		case inside || cut: // a line that is too long
		case stats || isStats:
			end()
			stats = true
			other(string(told))
		case record == nil || bytes.HasPrefix(told, []byte("# labels: ")):
		case bytes.HasPrefix(told, []byte("#\t")):
			if !titled || len(stack) == mostFrames {
				break
			}
			if f, ok := goFrame(string(told[2:])); ok {
				stack = append(stack, f)
			}
		default:
			end()
			title, titled = string(told), len(told) > 0
		}
		if errors.Is(err, io.EOF) {
			end()
			return nil
		}
	}
}

// goFrame reads what follows "#" in a line of a stack: "0x46b1e5	main.keep+0x65	/srv/main.go:30", with one or more tabs.
func goFrame(line string) (frame, bool) {
	fields := strings.FieldsFunc(line, func(r rune) bool { return r == '\t' })
	if len(fields) != 3 {
		return frame{}, false
	}
	plus := strings.LastIndexByte(fields[1], '+')
	colon := strings.LastIndexByte(fields[2], ':')
	if plus < 0 || colon < 0 {
		return frame{}, false
	}
	number, err := strconv.ParseUint(fields[2][colon+1:], 10, 31)
	if err != nil {
		return frame{}, false
	}
	return frame{function: name(fields[1][:plus]), file: name(fields[2][:colon]), line: int(number)}, true
}

// goMade reads the objects and bytes ever allocated of a record "1: 64 [7: 448] @ 0x1", as far as they were sampled. Both are 0
// if it has none.
func goMade(title string) (objects, bytes int64) {
	_, rest, _ := strings.Cut(title, "[")
	many, rest, _ := strings.Cut(rest, ":")
	size, _, _ := strings.Cut(rest, "]")
	objects, err := strconv.ParseInt(strings.TrimSpace(many), 10, 64)
	if err != nil || objects < 0 || objects > mostBytes {
		return 0, 0
	}
	bytes, err = strconv.ParseInt(strings.TrimSpace(size), 10, 64)
	if err != nil || bytes < 0 || bytes > mostBytes {
		return 0, 0
	}
	return objects, bytes
}
