// Package lab runs the iterations: it is the only place where load and memory meet.
package lab

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"leaklab/loader/load"
	"leaklab/loader/memory"
)

// Plan describes the iterations of a run.
type Plan struct {
	Tries  int           // iterations, at most
	AtMost bool          // the run may end before
	Settle time.Duration // rest before each reading
	// SettleMore is further rest before each end reading, for servers that give memory back late.
	SettleMore time.Duration
	// SettleLive, if it is not 0, takes the place of both after each load for as long as live memory is read, since a full
	// collection leaves nothing to settle. The start reading of the next iteration then follows at once.
	SettleLive time.Duration
	Server     Server
	// Align is for several loaders of one server: each iteration begins at a time of day that is a multiple of this, so
	// that loaders with the same settings begin together, and its Requests are those that the server has counted, of all
	// of them. 0 for a loader on its own.
	Align time.Duration
	// CloseConnections, if it is not nil, closes the connections that are open from one iteration to the next.
	CloseConnections func()
	// Baseline, if it is not nil, is measured after the server in each iteration.
	Baseline *Baseline
}

// Server is a server under test: what loads it, what reads its memory, and what counts its requests.
type Server struct {
	Generate Generator
	// AfterLoad, if it is not nil, is called after each load, and before the end reading: what it costs the server is in
	// that reading.
	AfterLoad func(ctx context.Context)
	// Live, if it is not nil, forces a full collection and returns live memory; nil if it is not known any more. It is
	// called after each end reading.
	Live    func(ctx context.Context) *memory.Live
	Sampler *memory.Sampler
	Meter   *load.Meter
}

// Generator makes the load of the iteration with the given number, which counts from 1, and counts it in meter. It
// fails if the load could not be made, or if the server answers nothing any more.
type Generator func(ctx context.Context, number int, meter *load.Meter) (load.Result, error)

// Generate returns a Generator of the loader's own load.
func Generate(plan load.Plan) Generator {
	return func(ctx context.Context, _ int, meter *load.Meter) (load.Result, error) {
		return load.Run(ctx, plan, meter)
	}
}

// Baseline is a server to compare with. It lives as long as the other, and is loaded in turns with it, so that both see
// what drifts on the machine.
type Baseline struct {
	Load    load.Plan                              // as that of the server, but that each iteration has as many requests as the server's
	Live    func(ctx context.Context) *memory.Live // as that of the server
	Sampler *memory.Sampler
	Meter   *load.Meter
}

// Rest is a reading after the last iteration.
type Rest struct {
	Reading memory.Reading
	Length  time.Duration // since the end reading, or since connections were closed
	EndedAt time.Time     // when the reading was taken, on the clock of the iterations
	Closed  bool          // connections that were open at the end reading were closed before this one
	// Live is live memory while these connections were still open; nil if it is not known. It was read at LiveAt, on the
	// same clock.
	Live   *memory.Live
	LiveAt time.Time
	// Baseline is the reading of the baseline; nil if there is none.
	Baseline *memory.Reading
}

// Iteration is one burst of load between two readings. Memory is in bytes.
type Iteration struct {
	Number, Of int  // counted from 1
	AtMost     bool // Of is a limit: the run may end before
	OfBaseline bool // it is the baseline's, and follows the server's with the same number
	Load       load.Result
	Start      memory.Reading // before the load
	End        memory.Reading // after the load and settling
	Peak       int64          // the highest total from the start reading to the end of the load
	EndedAt    time.Time      // when the end reading was taken
	Live       *Live          // after the end reading; nil if it is not known
	// Requests are those that the growth is said of: those of the load, with what the server has sent by itself, or else
	// those that the server has counted, of all loaders if there are several. If neither is known it is 1, and Uncounted is
	// true: the growth is that of an iteration.
	Requests  uint64
	Uncounted bool
	// ServerCount is how many requests the server itself has counted since the iteration before; 0 if it did not tell at
	// the end of both.
	ServerCount uint64
	Turnover    *Turnover // nil if it is not known which processes there are
	Workers     []Worker  // none if the server has one process, or if it is not known what each has answered

	told     bool            // ServerCount is known
	members  []memory.Member // at the end, or when they were last known
	followed []Worker        // when they were last known, of processes that may go on
	calm     calm
}

// Live is the live memory of a server.
type Live struct {
	memory.Live
	// Idle is by how much a second reading differed without any load, in bytes; negative if there was none. Only the first
	// iteration has one.
	Idle int64
}

// Leaked is the difference between the end and the start reading, in bytes; negative when memory shrank.
func (i Iteration) Leaked() int64 { return i.End.Total - i.Start.Total }

// CPU is the processor time that the server has used between the two readings; false if it is unknown, as after a restart.
func (i Iteration) CPU() (time.Duration, bool) {
	used := i.End.CPU - i.Start.CPU
	return used, i.Start.CPU > 0 && used >= 0 && (i.Turnover == nil || !i.Turnover.Restarted)
}

// WithoutLatencies returns the iteration without the histogram of its latencies, the list of its processes and the sites of
// its live memory, for whoever keeps all iterations of a run: they take fifty times as much memory as the rest.
func (i Iteration) WithoutLatencies() Iteration {
	i.Load.Latency = nil
	if i.Live != nil {
		live := *i.Live
		live.Sites = nil
		i.Live = &live
	}
	i.Start.Members, i.End.Members, i.members, i.Workers, i.followed = nil, nil, nil, nil, nil
	return i
}

// RequestsPerSecond is the rate of answers to this loader while the load lasted; 0 if they are not counted.
func (i Iteration) RequestsPerSecond() float64 {
	if i.Load.Elapsed <= 0 {
		return 0
	}
	return float64(i.Load.Requests) / i.Load.Elapsed.Seconds()
}

// Place is the number of the iteration and of all: "3 of 10", or "3 of at most 100".
func (i Iteration) Place() string { return Place(i.Number, i.Of, i.AtMost) }

// Place is that of the iteration with this number. There are of iterations, or fewer if atMost is set.
func Place(number, of int, atMost bool) string {
	if atMost {
		return fmt.Sprintf("%d of at most %d", number, of)
	}
	return fmt.Sprintf("%d of %d", number, of)
}

// Answered fails if the load had errors alone, which says nothing about the server's memory.
func (i Iteration) Answered() error {
	if i.Load.Requests == 0 && i.Load.ErrorCount() > 0 {
		return fmt.Errorf("iteration %s: none of its %d requests was answered", i.Place(), i.Load.ErrorCount())
	}
	return nil
}

// Iterations measures plan.Tries iterations, and yields each as soon as it is complete: settle, reading, load, settle,
// reading; then the same of the baseline, if there is one. It ends with an error, which names the iteration, when ctx
// ends, a reading fails, or the server answers nothing any more.
func Iterations(ctx context.Context, plan Plan) iter.Seq2[Iteration, error] {
	return func(yield func(Iteration, error) bool) {
		var before, beforeOfBaseline Iteration
		began := time.Now()
		for number := 1; number <= plan.Tries; number++ {
			iteration, err := iterate(ctx, plan, number, plan.Server, plan.settles(before))
			if err == nil {
				iteration.Load.StartedAt = began.Add(iteration.Load.StartedAt.Sub(began)) // though the clock may have been set back
				iteration.EndedAt = began.Add(iteration.EndedAt.Sub(began))
				err = iteration.count(before, plan.Align > 0, plan.Server.Meter)
				iteration.compare(before)
				iteration.follow(before)
				before = iteration
			}
			if !yield(iteration, iteration.failed(err)) || err != nil {
				return
			}
			if plan.Baseline == nil {
				continue
			}
			iteration, err = plan.Baseline.follow(ctx, plan, iteration)
			iteration.compare(beforeOfBaseline)
			iteration.follow(beforeOfBaseline)
			beforeOfBaseline = iteration
			if !yield(iteration, iteration.failed(err)) || err != nil {
				return
			}
		}
	}
}

// settles are the rests before the start and the end reading of an iteration.
type settles struct{ start, end time.Duration }

// settles are those of an iteration that follows another; the Number of that is 0 if there is none.
func (p Plan) settles(before Iteration) settles {
	s := settles{start: p.Settle, end: p.Settle + p.SettleMore}
	if p.SettleLive == 0 || before.Number > 0 && before.Live == nil {
		return s
	}
	s.end = p.SettleLive
	if before.Number > 0 {
		s.start = 0
	}
	return s
}

// failed is err with the place of the iteration; nil if that is nil.
func (i Iteration) failed(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("iteration %s: %w", i.Place(), err)
}

// RestLength is how long a server rests after its last iteration. The zero RestLength is no rest.
type RestLength struct {
	Live  time.Duration // until live memory is read
	Total time.Duration // until all memory is read, with no connection open
}

// AwaitRest lets the server rest after its last iteration, and takes one more reading, of live memory as well. Connections
// that are open are closed in between: live memory is read after a rest with them, and the rest after a second one without
// them. If none are open there is one rest, the longer of the two. The baseline was loaded last, so that the server's rest
// is longer. It fails when ctx ends or a reading fails.
func AwaitRest(ctx context.Context, length RestLength, plan Plan, last Iteration) (*Rest, error) {
	rest := &Rest{Length: length.Total, Closed: plan.CloseConnections != nil}
	if !rest.Closed {
		rest.Length = max(length.Total, length.Live)
	}
	if err := rest.take(ctx, length.Live, plan, last); err != nil {
		return nil, fmt.Errorf("rest after the last iteration: %w", err)
	}
	return rest, nil
}

// take takes the readings of a rest. untilLive is how long it is, with connections open, until live memory is read.
func (r *Rest) take(ctx context.Context, untilLive time.Duration, plan Plan, last Iteration) (err error) {
	asks := plan.Server.Live != nil && last.Live != nil
	if r.Closed && asks {
		if err := pause(ctx, untilLive); err != nil {
			return err
		}
		if err := r.takeLive(ctx, plan.Server, last); err != nil {
			return err
		}
	}
	if r.Closed {
		plan.CloseConnections()
	}
	if r.Reading, err = settledReading(ctx, r.Length, plan.Server.Sampler); err != nil {
		return err
	}
	r.EndedAt = last.later()
	if asks && !r.Closed {
		if err := r.takeLive(ctx, plan.Server, last); err != nil {
			return err
		}
	}
	if plan.Baseline == nil {
		return nil
	}
	r.Length = time.Since(last.EndedAt)
	other, err := plan.Baseline.Sampler.ReadAll(ctx)
	r.Baseline = &other
	return err
}

// takeLive reads live memory in a rest.
func (r *Rest) takeLive(ctx context.Context, server Server, last Iteration) error {
	r.LiveAt = last.later() // what comes with the collection is not the rest's
	read, err := server.readLive(ctx, false)
	if read != nil {
		r.Live = &read.Live
	}
	return err
}

// later is the present on the clock of the iterations.
func (i Iteration) later() time.Time { return i.EndedAt.Add(time.Since(i.EndedAt)) }

// Extra makes the load of one more iteration after the last, which no measurement belongs to. It returns its Load, and its
// Requests as they are counted in the others. It fails as those do. Neither the samples nor the plan's Meter know of it.
func Extra(ctx context.Context, plan Plan, last Iteration) (Iteration, error) {
	extra := Iteration{Number: last.Number + 1, Of: plan.Tries, AtMost: plan.AtMost}
	meter := load.NewMeter()
	meter.StartBurst(extra.Number, time.Now())
	defer meter.EndBurst()
	var err error
	if extra.Load, err = plan.Server.Generate(ctx, extra.Number, meter); err != nil {
		return extra, err
	}
	if err := extra.Answered(); err != nil {
		return extra, err
	}
	if extra.End, err = settledReading(ctx, plan.settles(last).end, plan.Server.Sampler); err != nil {
		return extra, err
	}
	return extra, extra.count(last, plan.Align > 0, meter)
}

// follow measures the baseline with as many requests as the server has had in its iteration.
func (b *Baseline) follow(ctx context.Context, plan Plan, server Iteration) (Iteration, error) {
	loaded := Server{Generate: Generate(b.Load.Repeat(server.Load)), Live: b.Live, Sampler: b.Sampler, Meter: b.Meter}
	iteration, err := iterate(ctx, plan, server.Number, loaded, plan.settles(server))
	iteration.OfBaseline, iteration.Requests = true, iteration.Load.Arrived()
	return iteration, err
}

// iterate measures an iteration of a server.
func iterate(ctx context.Context, plan Plan, number int, server Server, settle settles) (Iteration, error) {
	iteration := Iteration{Number: number, Of: plan.Tries, AtMost: plan.AtMost}
	var err error
	if plan.Align > 0 {
		if err := pause(ctx, time.Until(NextStart(time.Now(), plan.Align))); err != nil {
			return iteration, err
		}
	}
	if iteration.Start, err = settledReading(ctx, settle.start, server.Sampler); err != nil {
		return iteration, err
	}
	server.Sampler.TakePeak()
	iteration.Load, err = server.burst(ctx, number)
	if server.AfterLoad != nil {
		server.AfterLoad(ctx)
	}
	if err != nil {
		return iteration, err
	}
	loaded, err := server.Sampler.Read(ctx)
	if err != nil {
		return iteration, err
	}
	iteration.Peak = max(iteration.Start.Total, loaded.Total, server.Sampler.TakePeak())
	if iteration.End, err = settledReading(ctx, settle.end, server.Sampler); err != nil {
		return iteration, err
	}
	iteration.EndedAt = time.Now()
	if server.Live != nil {
		iteration.Live, err = server.readLive(ctx, number == 1)
	}
	return iteration, err
}

// readLive reads live memory, the first time twice, to tell how far it moves by itself. It is nil, without an error, if
// live memory is not known any more.
func (s Server) readLive(ctx context.Context, first bool) (*Live, error) {
	live := s.Live(ctx)
	if live == nil {
		return nil, context.Cause(ctx)
	}
	read := &Live{Live: *live, Idle: -1}
	if first {
		again := s.Live(ctx)
		if again == nil {
			return nil, context.Cause(ctx)
		}
		read.Idle = max(again.Bytes-live.Bytes, live.Bytes-again.Bytes)
		read.Live = *again
		read.Stopped = max(live.Stopped, again.Stopped)
	}
	return read, nil
}

// burst makes the load of an iteration. The samples and the counts of that time know that it runs.
func (s Server) burst(ctx context.Context, number int) (load.Result, error) {
	s.Sampler.Mark(number)
	defer s.Sampler.Mark(0)
	s.Meter.StartBurst(number, time.Now())
	defer s.Meter.EndBurst()
	return s.Generate(ctx, number, s.Meter)
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

// count sets the requests that the growth is said of: those of the load, unless there are other loaders or a load tool
// that leaves some out, or else in the way in which those of the iteration before were counted, since a run is judged by
// one measure.
func (i *Iteration) count(before Iteration, others bool, meter *load.Meter) error {
	from := i.Start
	if before.Number > 0 { // other loaders may begin a moment before this one has read
		from = before.End
	}
	if i.told = from.RequestsCounter != "" && i.End.RequestsCounter != ""; i.told {
		i.ServerCount = answered(from.Requests, i.End.Requests)
	}
	switch {
	case others && !i.told:
		return errors.New("the server does not tell how many requests it has answered, of all loaders")
	case others:
		i.Requests = i.ServerCount
	case i.Load.Partial && before.Number > 0 && i.told && !before.told:
		return errors.New("the server tells only now how many requests it has answered: those of the iterations before are not known")
	case i.Load.Partial && before.told && !i.told:
		return errors.New("the server does not tell any more how many requests it has answered")
	case i.Load.Partial:
		i.Requests = max(i.Load.Requests, i.ServerCount)
	case !i.Load.Uncounted:
		i.Requests = i.Load.Arrived()
	case before.Uncounted || before.Number == 0 && !i.told:
		i.Requests, i.Uncounted = 1, true
	case !i.told:
		return errors.New("the server does not tell any more how many requests it has answered")
	default:
		i.Load.Totals = meter.Add(map[int]uint64{0: i.ServerCount}, nil)
		i.Requests = i.Load.Requests
	}
	return nil
}

// answered is how many requests a server has answered from one reading of its counter to another.
func answered(from, to uint64) uint64 {
	if to < from { // it has restarted
		return to
	}
	return to - from
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
