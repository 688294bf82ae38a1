// Package lab runs the iterations: it is the only place where load and memory meet.
package lab

import (
	"context"
	"errors"
	"fmt"
	"time"

	"leaklab/loader/load"
	"leaklab/loader/memory"
)

// Plan describes a run.
type Plan struct {
	Tries  int           // iterations, at most
	Settle time.Duration // rest before each reading
	// Release is how long the server rests after the last iteration, before one more reading that tells how much it
	// gives back; 0 if none is taken.
	Release time.Duration
	Load    load.Plan // the load of each iteration
	// External, if it is not nil, runs the load of an iteration in place of load.Run.
	External func(ctx context.Context, number int, meter *load.Meter) (load.Result, error)
	// Align is for several loaders of one server: each iteration begins at a time of day that is a multiple of this, so
	// that loaders with the same settings begin together, and its Requests are those that the server has counted, of all
	// of them. 0 for a loader on its own.
	Align time.Duration
	// Baseline, if it is not nil, is another server, which is measured after this one in each iteration.
	Baseline *Baseline
	// Enough, if it is not nil, is asked after each iteration has been observed, and may end the run before all of them.
	Enough func() bool
}

// Baseline is a server to compare with. It lives as long as the other, and is loaded in turns with it: whatever drifts
// on the machine is seen by both.
type Baseline struct {
	Load      load.Plan // as that of the server, but that each iteration has as many requests as the server's
	Sampler   *memory.Sampler
	Meter     *load.Meter
	Observers []Observer // of its iterations
}

// Rest is a reading after the last iteration.
type Rest struct {
	Reading memory.Reading
	Length  time.Duration // since the end reading
	// Baseline is that of the baseline, after plan.Release; nil if there is none.
	Baseline *memory.Reading
}

// Iteration is one burst of load between two readings. Memory is in bytes.
type Iteration struct {
	Number, Of int // counted from 1
	Load       load.Result
	Start      memory.Reading // before the load
	End        memory.Reading // after the load and settling
	Peak       int64          // the highest total from the start reading to the end of the load
	// Requests are those that the growth is said of: those of the load, or else those that the server has counted, of
	// all loaders if there are several. If neither is known it is 1, and Uncounted is true: the growth is that of an
	// iteration.
	Requests  uint64
	Uncounted bool
}

// Leaked is the difference between the end and the start reading, in bytes; negative when memory shrank.
func (i Iteration) Leaked() int64 { return i.End.Total - i.Start.Total }

// WithoutLatencies returns the iteration without the histogram of its latencies, for whoever keeps all iterations of a
// run: it takes fifty times as much memory as the rest.
func (i Iteration) WithoutLatencies() Iteration {
	i.Load.Latency = nil
	return i
}

// RequestsPerSecond is the rate of answers to this loader while the load lasted; 0 if they are not counted.
func (i Iteration) RequestsPerSecond() float64 {
	if i.Load.Elapsed <= 0 {
		return 0
	}
	return float64(i.Load.Requests) / i.Load.Elapsed.Seconds()
}

// Observer is told what happens, as it happens.
type Observer interface {
	// LoadBegins is called when the load of an iteration begins.
	LoadBegins(number int, at time.Time)
	// LoadEnded is called when it is over, before the end reading.
	LoadEnded()
	// IterationEnded is called with each complete iteration. An error ends the run.
	IterationEnded(Iteration) error
}

// Run measures plan.Tries iterations: settle, reading, load, settle, reading; then the same of the baseline, if there
// is one. It returns the reading after the rest that follows; nil without plan.Release. It ends early with an error
// when ctx ends, a reading fails, an observer does or the server answers nothing any more; complete iterations have
// been observed by then.
func Run(ctx context.Context, plan Plan, sampler *memory.Sampler, meter *load.Meter, observers ...Observer) (*Rest, error) {
	var before Iteration
	var ended time.Time // the last end reading of the server
	began := time.Now()
	for number := 1; number <= plan.Tries; number++ {
		iteration, err := iterate(ctx, plan, number, sampler, meter, observers)
		ended = time.Now()
		if err == nil {
			iteration.Load.StartedAt = began.Add(iteration.Load.StartedAt.Sub(began)) // though the clock may have been set back
			err = iteration.count(before, plan.Align > 0, meter)
			before = iteration
		}
		if err == nil {
			err = observe(iteration, observers)
		}
		if err == nil && plan.Baseline != nil {
			err = plan.Baseline.follow(ctx, plan, iteration)
		}
		if err != nil {
			return nil, fmt.Errorf("iteration %d of %d: %w", number, plan.Tries, err)
		}
		if plan.Enough != nil && plan.Enough() {
			break
		}
	}
	if last := before.Load; last.Requests == 0 && last.ErrorCount() > 0 {
		return nil, fmt.Errorf("iteration %d of %d: none of its %d requests was answered", before.Number, plan.Tries, last.ErrorCount())
	}
	if plan.Release == 0 {
		return nil, nil
	}
	rested, err := settledReading(ctx, plan.Release, sampler)
	if err != nil {
		return nil, fmt.Errorf("rest after the last iteration: %w", err)
	}
	rest := &Rest{Reading: rested, Length: plan.Release}
	if plan.Baseline != nil {
		rest.Length = time.Since(ended) // it has rested while the baseline was loaded
		other, err := plan.Baseline.Sampler.ReadAll(ctx)
		if err != nil {
			return nil, fmt.Errorf("rest after the last iteration: %w", err)
		}
		rest.Baseline = &other
	}
	return rest, nil
}

// follow measures the baseline with as many requests as the server has had in its iteration.
func (b *Baseline) follow(ctx context.Context, plan Plan, server Iteration) error {
	plan.Load = b.Load.Repeat(server.Load)
	iteration, err := iterate(ctx, plan, server.Number, b.Sampler, b.Meter, b.Observers)
	if err != nil {
		return err
	}
	iteration.Requests = iteration.Load.Requests
	return observe(iteration, b.Observers)
}

func observe(iteration Iteration, observers []Observer) error {
	var err error
	for _, observer := range observers {
		err = errors.Join(err, observer.IterationEnded(iteration))
	}
	return err
}

func iterate(ctx context.Context, plan Plan, number int, sampler *memory.Sampler, meter *load.Meter, observers []Observer) (Iteration, error) {
	iteration := Iteration{Number: number, Of: plan.Tries}
	var err error
	if plan.Align > 0 {
		if err := pause(ctx, time.Until(NextStart(time.Now(), plan.Align))); err != nil {
			return iteration, err
		}
	}
	if iteration.Start, err = settledReading(ctx, plan.Settle, sampler); err != nil {
		return iteration, err
	}

	sampler.TakePeak()
	for _, observer := range observers {
		observer.LoadBegins(number, time.Now())
	}
	if plan.External != nil {
		iteration.Load, err = plan.External(ctx, number, meter)
	} else {
		iteration.Load, err = load.Run(ctx, plan.Load, meter)
	}
	for _, observer := range observers {
		observer.LoadEnded()
	}
	if err != nil {
		return iteration, err
	}
	loaded, err := sampler.Read(ctx)
	if err != nil {
		return iteration, err
	}
	iteration.Peak = max(iteration.Start.Total, loaded.Total, sampler.TakePeak())

	iteration.End, err = settledReading(ctx, plan.Settle, sampler)
	return iteration, err
}

// Period is how long an iteration takes that is aligned with those of other loaders, which find the same from the same
// settings: two rests, the load, and a second for the last answers and the readings, in whole seconds. An iteration
// that takes longer, since the server has stalled, lets the next start go by.
func Period(settle, duration time.Duration) time.Duration {
	const margin = time.Second
	return (2*settle + duration + margin + time.Second - 1).Truncate(time.Second)
}

// NextStart is the first multiple of period, counted from the year 1 in UTC, that is not before now.
func NextStart(now time.Time, period time.Duration) time.Time {
	start := now.Truncate(period)
	if start.Before(now) {
		start = start.Add(period)
	}
	return start
}

// count sets the requests that the growth is said of: those of the load, unless there are other loaders, or else in the
// way in which those of the iteration before were counted, since a run is judged by one measure.
func (i *Iteration) count(before Iteration, others bool, meter *load.Meter) error {
	switch {
	case others && i.End.RequestsCounter == "":
		return errors.New("the server does not tell how many requests it has answered, of all loaders")
	case others:
		i.Requests = i.answered(before)
	case !i.Load.Uncounted:
		i.Requests = i.Load.Requests
	case before.Uncounted || before.Number == 0 && i.End.RequestsCounter == "":
		i.Requests, i.Uncounted = 1, true
	case i.End.RequestsCounter == "":
		return errors.New("the server does not tell any more how many requests it has answered")
	default:
		i.Load.Totals = meter.Add(map[int]uint64{0: i.answered(before)}, nil)
		i.Requests = i.Load.Requests
	}
	return nil
}

// answered is how many requests the server says it has answered since the end reading of the iteration before, or
// since the start reading of the first: other loaders may begin a moment before this one has read.
func (i *Iteration) answered(before Iteration) uint64 {
	from := i.Start.Requests
	if before.Number > 0 {
		from = before.End.Requests
	}
	if i.End.Requests < from { // it has restarted
		return i.End.Requests
	}
	return i.End.Requests - from
}

func settledReading(ctx context.Context, settle time.Duration, sampler *memory.Sampler) (memory.Reading, error) {
	if err := pause(ctx, settle); err != nil {
		return memory.Reading{}, err
	}
	return sampler.ReadAll(ctx)
}

// pause waits, and fails when ctx ends before.
func pause(ctx context.Context, length time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(length):
		return nil
	}
}
