package target

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

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
	t := watched(ctx, process.PID, launchedReader(process, memory.OfTree(process.PID)))
	t.Command, t.process, t.output = shell.QuoteAll(plan.Command), process, plan.Output
	t.Description = fmt.Sprintf("process %d: %s", process.PID, strings.Join(plan.Command, " "))
	return t, nil
}

// launchedReader reads the memory of process by read. When it is gone, the error says how it ended, unless
// ctx ends first.
func launchedReader(process *subject.Process, read memory.Reader) memory.Reader {
	return func(ctx context.Context) (memory.Reading, error) {
		reading, err := read(ctx)
		if errors.Is(err, memory.ErrGone) {
			select {
			case <-process.Exited():
				err = endedError{process.Err()}
			case <-ctx.Done():
			}
		}
		return reading, err
	}
}
