package record

import (
	"fmt"
	"io"
)

// The most that is read of a file that may be anything, such as /dev/zero or a pipe without end.
const (
	mostTableBytes = 1 << 30 // two weeks of samples
	mostRowBytes   = 64 << 10
	mostRunBytes   = 256 << 20
	mostIterations = 100_000   // ten times as many as a run may have
	mostWorkerRows = 1_000_000 // 10,000 iterations, which is what a run may have, of a hundred workers
)

// bounded reads from in, and fails when that has more than most bytes, or a row of it more than mostOfRow.
type bounded struct {
	in              io.Reader
	most, mostOfRow int64
	read, row       int64
}

func boundedTable(in io.Reader) *bounded {
	return &bounded{in: in, most: mostTableBytes, mostOfRow: mostRowBytes}
}

// begin is called before each row.
func (b *bounded) begin() { b.row = 0 }

func (b *bounded) Read(p []byte) (int, error) {
	left := min(b.most-b.read, b.mostOfRow-b.row)
	switch {
	case b.read >= b.most:
		return 0, fmt.Errorf("it has more than %d bytes; expected a recorded run", b.most)
	case left <= 0:
		return 0, fmt.Errorf("a row has more than %d bytes; expected a table such as iterations.csv", b.mostOfRow)
	}
	n, err := b.in.Read(p[:min(int64(len(p)), left)])
	b.read += int64(n)
	b.row += int64(n)
	return n, err
}
