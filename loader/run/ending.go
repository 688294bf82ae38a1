package run

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	"leaklab/loader/exporter"
	"leaklab/loader/external"
	"leaklab/loader/load"
	"leaklab/loader/memory"
	"leaklab/loader/subject"
	"leaklab/loader/target"
)

// end is how the run ended, with the iteration that was under way, or the last one of a run that is complete.
func (s *session) end(ctx context.Context, err error) exporter.End {
	end := endOf(ctx, err)
	end.Iteration = len(s.record.Iterations)
	if err != nil {
		end.Iteration = min(end.Iteration+1, s.plan.tries)
	}
	return end
}

// endOf tells in a few fixed words how a run ended, for the metrics. ctx is the one that a signal ends. Whatever a server
// or a load tool has printed is left out.
func endOf(ctx context.Context, err error) exporter.End {
	var ended *subject.EndedError
	var tool *external.Failure
	var file *fs.PathError
	gone, interrupted := errors.Is(err, memory.ErrGone), ctx.Err() != nil
	end := func(state exporter.State, reason string) exporter.End {
		return exporter.End{State: state, Reason: reason}
	}
	switch {
	case err == nil:
		return end("", "complete")
	case errors.Is(err, target.ErrOutOfMemory):
		return end(exporter.Died, "out of memory")
	case interrupted:
		return end(exporter.Interrupted, signalOf(context.Cause(ctx)))
	case errors.As(err, &ended):
		return end(exporter.Died, ended.How())
	case gone:
		return end(exporter.Died, "process gone")
	case errors.Is(err, load.ErrSilent):
		return end(exporter.Failed, "no response")
	case errors.As(err, &tool):
		return end(exporter.Failed, "load tool failed")
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return end(exporter.Failed, "disk full")
	case errors.As(err, &file):
		return end(exporter.Failed, "file not written")
	default:
		return end(exporter.Failed, "see the report")
	}
}

// signalOf is the name of the signal that interrupted a run.
func signalOf(cause error) string {
	switch cause.Error() {
	case "interrupted (interrupt)":
		return "SIGINT"
	case "interrupted (terminated)":
		return "SIGTERM"
	case "interrupted (hangup)":
		return "SIGHUP"
	default:
		return "signal"
	}
}
