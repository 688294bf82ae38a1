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
	// Enough, if it is not nil, is asked after each iteration has been observed, and may end the run before all of them.
	Enough func() bool
}

// Iteration is one burst of load between two readings. Memory is in bytes.
type Iteration struct {
	Number, Of int // counted from 1
	Load       load.Result
	Start      memory.Reading // before the load
	End        memory.Reading // after the load and settling
	Peak       int64          // the highest total from the start reading to the end of the load
	// Requests are those that the growth is said of: those of the load, or else those that the server has counted
	// between the readings. If neither is known it is 1, and Uncounted is true: the growth is that of an iteration.
	Requests  uint64
	Uncounted bool
}

// Leaked is the difference between the end and the start reading, in bytes; negative when memory shrank.
func (i Iteration) Leaked() int64 { return i.End.Total - i.Start.Total }

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

// Run measures plan.Tries iterations: settle, reading, load, settle, reading. It returns the reading after the
// rest that follows; nil without plan.Release. It ends early with an error when ctx ends, a reading fails or an
// observer does; complete iterations have been observed by then.
func Run(ctx context.Context, plan Plan, sampler *memory.Sampler, meter *load.Meter, observers ...Observer) (*memory.Reading, error) {
	var before Iteration
	for number := 1; number <= plan.Tries; number++ {
		iteration, err := iterate(ctx, plan, number, sampler, meter, observers)
		if err == nil {
			err = iteration.count(before, meter)
			before = iteration
		}
		if err == nil {
			for _, observer := range observers {
				err = errors.Join(err, observer.IterationEnded(iteration))
			}
		}
		if err != nil {
			return nil, fmt.Errorf("iteration %d of %d: %w", number, plan.Tries, err)
		}
		if plan.Enough != nil && plan.Enough() {
			break
		}
	}
	if plan.Release == 0 {
		return nil, nil
	}
	rested, err := settledReading(ctx, plan.Release, sampler)
	if err != nil {
		return nil, fmt.Errorf("rest after the last iteration: %w", err)
	}
	return &rested, nil
}

func iterate(ctx context.Context, plan Plan, number int, sampler *memory.Sampler, meter *load.Meter, observers []Observer) (Iteration, error) {
	iteration := Iteration{Number: number, Of: plan.Tries}
	var err error
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

// count sets the requests that the growth is said of, in the way in which those of the iteration before were counted:
// a run is judged by one measure.
func (i *Iteration) count(before Iteration, meter *load.Meter) error {
	switch {
	case !i.Load.Uncounted:
		i.Requests = i.Load.Requests
	case before.Uncounted || before.Number == 0 && i.End.RequestsCounter == "":
		i.Requests, i.Uncounted = 1, true
	case i.End.RequestsCounter == "":
		return errors.New("the server does not tell any more how many requests it has answered")
	default:
		i.Load.Totals = meter.Add(map[int]uint64{0: i.answered()}, nil)
		i.Requests = i.Load.Requests
	}
	return nil
}

// answered is how many requests the server says it has answered between the readings.
func (i *Iteration) answered() uint64 {
	if i.End.Requests < i.Start.Requests { // it has restarted
		return i.End.Requests
	}
	return i.End.Requests - i.Start.Requests
}

func settledReading(ctx context.Context, settle time.Duration, sampler *memory.Sampler) (memory.Reading, error) {
	select {
	case <-ctx.Done():
		return memory.Reading{}, context.Cause(ctx)
	case <-time.After(settle):
	}
	return sampler.ReadAll(ctx)
}
