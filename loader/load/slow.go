package load

import (
	"io"
	"time"
)

const (
	slowBytes = 16               // read at a time
	slowPause = time.Millisecond // before each read
)

// slowReader reads slowBytes at a time, after slowPause each.
type slowReader struct{ io.Reader }

func (r *slowReader) Read(p []byte) (int, error) {
	time.Sleep(slowPause)
	return r.Reader.Read(p[:min(slowBytes, len(p))])
}
