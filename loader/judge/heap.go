package judge

import (
	"fmt"

	"leaklab/loader/text"
)

// ownHeap tells how the heap in use has changed that the server reports; empty if it reports none, or live memory was read.
// It is not judged: garbage that was not collected yet is in it.
func (j *Judge) ownHeap() string {
	if len(j.iterations) < 2 {
		return ""
	}
	first, last := j.iterations[0], j.Last()
	if first.End.HeapMetric == "" || first.End.HeapMetric != last.End.HeapMetric || last.Live != nil {
		return ""
	}
	mebibytes := func(bytes int64) string { return text.Number(float64(bytes) / text.Mebibyte) }
	return fmt.Sprintf("The server's metric %s went from %s to %s MiB, from the first end reading to the last. "+
		"It is not judged, since garbage that was not collected yet is in it: it is no live memory.",
		last.End.HeapMetric, mebibytes(first.End.HeapInUse), mebibytes(last.End.HeapInUse))
}
