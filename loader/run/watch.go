package run

import (
	"context"
	"sync/atomic"
	"time"

	"leaklab/loader/memory"
	"leaklab/loader/record"
	"leaklab/loader/target"
)

// watch samples the memory of a server into a table.
type watch struct {
	sampler   *memory.Sampler
	samples   *record.Samples
	openFiles atomic.Int64                                    // the most at a time; 0 if that is unknown
	sampled   atomic.Pointer[func(at time.Time, bytes int64)] // is told of resident memory; nil before observe
	cancel    context.CancelCauseFunc
	stopped   chan struct{}
}

// startWatch samples the memory of t into a table of the folder, until stop is called. cancel is told when the server is
// gone.
func startWatch(ctx context.Context, cancel context.CancelCauseFunc, t *target.Target, folder, name string) (*watch, error) {
	samples, err := record.CreateSamples(folder, name)
	if err != nil {
		return nil, err
	}
	w := &watch{sampler: t.Sampler(), samples: samples, stopped: make(chan struct{})}
	ctx, w.cancel = context.WithCancelCause(ctx)
	w.sampler.Observe = w.take
	go func() {
		defer close(w.stopped)
		if err := w.sampler.Run(ctx); err != nil {
			cancel(err)
		}
	}()
	return w, nil
}

// take is called with one sample after the other. Of several processes it is unknown which has the files open.
func (w *watch) take(s memory.Sample) {
	w.samples.Take(s.At, s.Iteration, s.Reading)
	if sampled := w.sampled.Load(); sampled != nil {
		(*sampled)(s.At, s.Reading.Total)
	}
	if open := int64(s.Reading.OpenFiles); s.Reading.Processes == 1 && open > w.openFiles.Load() {
		w.openFiles.Store(open)
	}
}

// observe has f told of resident memory, in bytes, from now on.
func (w *watch) observe(f func(at time.Time, bytes int64)) { w.sampled.Store(&f) }

// stop ends the sampling, and closes the table when no sample can come any more.
func (w *watch) stop() error {
	w.cancel(nil)
	<-w.stopped
	return w.samples.Close()
}
