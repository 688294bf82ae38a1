package load

import (
	"io"
	"time"
)

const (
	slowBytes = 16               // a few bytes at a time
	slowPause = time.Millisecond // before each
)

// slowReader reads a few bytes at a time.
type slowReader struct{ io.Reader }

func (r *slowReader) Read(p []byte) (int, error) {
	time.Sleep(slowPause)
	return r.Reader.Read(p[:min(slowBytes, len(p))])
}
