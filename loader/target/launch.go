package target

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"leaklab/loader/memory"
	"leaklab/loader/record"
	"leaklab/loader/shell"
	"leaklab/loader/subject"
)

// launch starts a server by its command, and keeps what it prints in plan.Output.
func launch(ctx context.Context, plan Plan) (*Target, error) {
	output, err := record.CreateFile(filepath.Dir(plan.Output), filepath.Base(plan.Output), os.O_WRONLY)
	if err != nil {
		return nil, err
	}
	defer output.Close() // the server has its own copy
	process, err := subject.Launch(plan.Command, plan.Environment, output)
	if err != nil {
		return nil, err
	}
	t := watched(ctx, process.PID, plan.Port, launchedReader(process, memory.OfTree(process.PID, process.Orphans)), process.Orphans)
	t.complete = append(t.complete, func(_ context.Context, reading *memory.Reading) {
		if reading.Members == nil { // none listens: a supervisor may have put another one into the background
			t.followAll()
		}
	})
	t.Command, t.process, t.output = shell.QuoteAll(plan.Command), process, plan.Output
	t.Description = fmt.Sprintf("process %d: %s", process.PID, strings.Join(plan.Command, " "))
	return t, nil
}

// endLimit is how long the end of a process may take to be known after its memory is gone.
const endLimit = 5 * time.Second

// launchedReader reads the memory of process by read. When it is gone, the error says how it ended, unless that is not known
// in time, or ctx ends first.
func launchedReader(process *subject.Process, read memory.Reader) memory.Reader {
	return func(ctx context.Context) (memory.Reading, error) {
		reading, err := read(ctx)
		if errors.Is(err, memory.ErrGone) {
			select {
			case <-process.Exited():
				err = endedError{process.Err()}
			case <-time.After(endLimit):
			case <-ctx.Done():
			}
		}
		return reading, err
	}
}
