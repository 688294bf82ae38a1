package main

import (
	"fmt"
	"sync/atomic"

	"leaklab/loader/memory"
	"leaklab/loader/subject"
)

// openFiles notices that a server has as many files open as it may have.
type openFiles struct {
	pid  int // 0 if no process can be seen
	most atomic.Int64
}

// take is told each sample. Of several processes nobody knows which has the files open.
func (f *openFiles) take(reading memory.Reading) {
	if open := int64(reading.OpenFiles); reading.Processes == 1 && open > f.most.Load() {
		f.most.Store(open) // samples come one after the other
	}
}

// remark is empty if the server had fewer open than it may have.
func (f *openFiles) remark() string {
	limit := 0
	if f.pid != 0 && f.most.Load() > 0 {
		limit = subject.FilesLimit(f.pid)
	}
	if limit == 0 || f.most.Load() < int64(limit) {
		return ""
	}
	return fmt.Sprintf("The server had all %d files open that it may have, sockets included (ulimit -n): what connects beyond that has to wait.", limit)
}
