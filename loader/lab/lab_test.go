package lab

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/load"
	"leaklab/loader/memory"
)

// journal is an observer that keeps what it is told.
type journal struct {
	events     []string
	iterations []Iteration
	err        error
}

func (j *journal) LoadBegins(int, time.Time) { j.events = append(j.events, "begins") }
func (j *journal) LoadEnded()                { j.events = append(j.events, "ended") }
func (j *journal) IterationEnded(i Iteration) error {
	j.events = append(j.events, "iteration")
	j.iterations = append(j.iterations, i)
	return j.err
}

// leaky is a server whose memory is 1000 bytes and 10 for each request so far, and 500 more during a request.
type leaky struct {
	*httptest.Server
	requests, busy int64
}

func newLeaky(t *testing.T) *leaky {
	l := &leaky{}
	l.Server = httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		l.requests++
		l.busy = 500
		time.Sleep(5 * time.Millisecond)
	}))
	t.Cleanup(l.Close)
	return l
}

func (l *leaky) read(context.Context) (memory.Reading, error) {
	reading := memory.Reading{Total: 1000 + 10*l.requests + l.busy}
	l.busy = 0
	return reading, nil
}

func (l *leaky) plan(tries int) Plan {
	address := l.Listener.Addr().String()
	behaviour := load.NewBehaviour(load.ShapeNamed("keepalive"), load.Request{Paths: []string{"/"}}, address)
	return Plan{Tries: tries, Load: load.Plan{Address: address, Behaviour: behaviour, Workers: 1, Requests: 4, Timeout: time.Second}}
}

func TestEachIterationIsLoadBetweenTwoReadings(t *testing.T) {
	server := newLeaky(t)
	var j journal
	_, err := Run(t.Context(), server.plan(3), memory.NewSampler(server.read), load.NewMeter(), &j)
	require.NoError(t, err)
	assert.Equal(t, []string{"begins", "ended", "iteration", "begins", "ended", "iteration", "begins", "ended", "iteration"}, j.events)
	for n, i := range j.iterations {
		assert.Equal(t, n+1, i.Number)
		assert.Equal(t, 3, i.Of)
		assert.EqualValues(t, 4, i.Load.Requests)
		assert.EqualValues(t, 4, i.Requests)
		assert.EqualValues(t, 1000+40*n, i.Start.Total)
		assert.EqualValues(t, 1000+40*(n+1), i.End.Total)
		assert.EqualValues(t, 40, i.Leaked())
		assert.EqualValues(t, i.End.Total+500, i.Peak, "what is given back after the load is in the peak")
		assert.InEpsilon(t, 4/i.Load.Elapsed.Seconds(), i.RequestsPerSecond(), 1e-9)
	}
}

// told is a load of another program that sends nothing and tells so many requests, or nothing if there are none.
func told(requests uint64) func(context.Context, int, *load.Meter) (load.Result, error) {
	return func(_ context.Context, _ int, meter *load.Meter) (load.Result, error) {
		return load.Result{Totals: meter.Add(map[int]uint64{0: requests}, nil), Elapsed: time.Second, Uncounted: requests == 0}, nil
	}
}

func TestRequestsOfAnExternalLoad(t *testing.T) {
	// A server that restarts in its third iteration.
	counter, readings := []uint64{5, 10, 10, 30, 30, 7}, 0
	read := func(context.Context) (memory.Reading, error) { return memory.Reading{Total: 1000}, nil }
	complete := func(_ context.Context, reading *memory.Reading) {
		if readings < len(counter) {
			reading.Requests, reading.RequestsCounter = counter[readings], "c"
		}
		readings++
	}
	for name, test := range map[string]struct {
		load      uint64
		complete  []func(context.Context, *memory.Reading)
		want      []uint64
		uncounted bool
		total     uint64
	}{
		"told":                  {50, []func(context.Context, *memory.Reading){complete}, []uint64{50, 50, 50}, false, 150},
		"counted by the server": {0, []func(context.Context, *memory.Reading){complete}, []uint64{5, 20, 7}, false, 32},
		"not known":             {0, nil, []uint64{1, 1, 1}, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			readings = 0
			meter := load.NewMeter()
			var j journal
			_, err := Run(t.Context(), Plan{Tries: 3, External: told(test.load)}, memory.NewSampler(read, test.complete...), meter, &j)
			require.NoError(t, err)
			for n, i := range j.iterations {
				assert.Equal(t, test.want[n], i.Requests)
				assert.Equal(t, test.uncounted, i.Uncounted)
				if !test.uncounted {
					assert.Equal(t, i.Requests, i.Load.Requests)
				}
			}
			assert.Equal(t, test.total, meter.Requests())
		})
	}
	readings = 0
	var j journal
	_, err := Run(t.Context(), Plan{Tries: 4, External: told(0)}, memory.NewSampler(read, complete), load.NewMeter(), &j)
	assert.EqualError(t, err, "iteration 4 of 4: the server does not tell any more how many requests it has answered")
	assert.Len(t, j.iterations, 3)
}

// setBack is a moment as a clock tells it that was set back by an hour before. What has passed since another moment is
// the same: the first word of a Time that time.Now has made holds the seconds of the clock from its bit 30 on, and the
// other what time.Since counts.
func setBack(moment time.Time) time.Time {
	*(*uint64)(unsafe.Pointer(&moment)) -= 3600 << 30
	return moment
}

func TestIterationsFollowEachOtherWhenTheClockIsSetBack(t *testing.T) {
	began := time.Now()
	require.Negative(t, setBack(began.Add(time.Second)).Round(0).Sub(began.Round(0)))
	external := func(_ context.Context, number int, meter *load.Meter) (load.Result, error) {
		start := time.Now()
		if number > 1 {
			start = setBack(start)
		}
		return load.Result{Totals: meter.Add(map[int]uint64{0: 1}, nil), StartedAt: start, Elapsed: time.Second}, nil
	}
	read := func(context.Context) (memory.Reading, error) { return memory.Reading{Total: 1000}, nil }
	var j journal
	_, err := Run(t.Context(), Plan{Tries: 3, External: external}, memory.NewSampler(read), load.NewMeter(), &j)
	require.NoError(t, err)
	for n, i := range j.iterations[1:] {
		between := i.Load.StartedAt.Round(0).Sub(j.iterations[n].Load.StartedAt.Round(0))
		assert.GreaterOrEqual(t, between, time.Duration(0), i.Number)
		assert.Less(t, between, time.Minute, i.Number)
	}
}

func TestALastIterationWithoutAnswersIsAnError(t *testing.T) {
	read := func(context.Context) (memory.Reading, error) { return memory.Reading{Total: 1000}, nil }
	answered := []uint64{5, 0, 5, 0}
	external := func(_ context.Context, number int, meter *load.Meter) (load.Result, error) {
		return load.Result{Totals: meter.Add(map[int]uint64{0: answered[number-1]}, map[load.Reason]uint64{load.Connect: 7})}, nil
	}
	for tries, message := range map[int]string{3: "", 4: "iteration 4 of 4: none of its 7 requests was answered"} {
		var j journal
		_, err := Run(t.Context(), Plan{Tries: tries, External: external}, memory.NewSampler(read), load.NewMeter(), &j)
		if message == "" {
			assert.NoError(t, err)
		} else {
			assert.EqualError(t, err, message)
		}
		assert.Len(t, j.iterations, tries, "a server may restart meanwhile")
	}
}

func TestNextStart(t *testing.T) {
	at := func(text string) time.Time {
		moment, err := time.Parse(time.RFC3339Nano, text)
		require.NoError(t, err)
		return moment
	}
	for _, test := range []struct {
		now    string
		period time.Duration
		want   string
	}{
		{"2026-11-23T12:00:00Z", 5 * time.Second, "2026-11-23T12:00:00Z"},
		{"2026-11-23T12:00:00.000000001Z", 5 * time.Second, "2026-11-23T12:00:05Z"},
		{"2026-11-23T12:00:04.999Z", 5 * time.Second, "2026-11-23T12:00:05Z"},
		{"2026-11-23T12:59:59Z", time.Minute, "2026-11-23T13:00:00Z"},
		{"2026-11-23T13:00:01+05:30", 5 * time.Second, "2026-11-23T07:30:05Z"},
	} {
		assert.True(t, at(test.want).Equal(NextStart(at(test.now), test.period)), test.now)
	}
	// Wherever two loaders are in the same period, they find the same start.
	for offset := range 7 {
		now := at("2026-11-23T12:00:00.1Z").Add(time.Duration(offset) * time.Second)
		start := NextStart(now, 7*time.Second)
		assert.True(t, start.Equal(NextStart(start.Add(-time.Nanosecond).In(time.FixedZone("", 3600)), 7*time.Second)))
	}
}

func TestPeriod(t *testing.T) {
	for _, test := range [][3]time.Duration{
		{500 * time.Millisecond, 3 * time.Second, 5 * time.Second},
		{0, time.Millisecond, 2 * time.Second},
		{200 * time.Millisecond, time.Second, 3 * time.Second},
		{time.Second, time.Second, 4 * time.Second},
	} {
		assert.Equal(t, test[2], Period(test[0], test[1]))
	}
}

func TestAlignedIterationsBeginTogether(t *testing.T) {
	server := newLeaky(t)
	plan := server.plan(3)
	plan.Align = 200 * time.Millisecond
	var starts []time.Time
	begun := true
	complete := func(_ context.Context, reading *memory.Reading) {
		if begun = !begun; !begun { // every other reading is a start
			starts = append(starts, time.Now())
		}
		reading.Requests, reading.RequestsCounter = uint64(3*server.requests), "c"
	}
	var j journal
	_, err := Run(t.Context(), plan, memory.NewSampler(server.read, complete), load.NewMeter(), &j)
	require.NoError(t, err)
	require.Len(t, starts, 3)
	for n, i := range j.iterations {
		assert.EqualValues(t, 12, i.Requests, "of all loaders")
		assert.EqualValues(t, 4, i.Load.Requests, "of this one")
		if n > 0 {
			assert.Positive(t, starts[n].Truncate(plan.Align).Sub(starts[n-1].Truncate(plan.Align)), "each in a period of its own")
		}
	}

	_, err = Run(t.Context(), plan, memory.NewSampler(server.read), load.NewMeter())
	assert.EqualError(t, err, "iteration 1 of 3: the server does not tell how many requests it has answered, of all loaders")
}

func TestAnExternalLoadThatFails(t *testing.T) {
	server := newLeaky(t)
	failed := errors.New("failed")
	plan := Plan{Tries: 2, External: func(context.Context, int, *load.Meter) (load.Result, error) { return load.Result{}, failed }}
	var j journal
	_, err := Run(t.Context(), plan, memory.NewSampler(server.read), load.NewMeter(), &j)
	assert.ErrorIs(t, err, failed)
	assert.Equal(t, []string{"begins", "ended"}, j.events)
}

func TestItSettlesBeforeEachReading(t *testing.T) {
	server := newLeaky(t)
	plan := server.plan(1)
	plan.Settle = 50 * time.Millisecond
	var readings []time.Time
	var j journal
	sampler := memory.NewSampler(func(ctx context.Context) (memory.Reading, error) {
		readings = append(readings, time.Now())
		return server.read(ctx)
	})
	begin := time.Now()
	_, err := Run(t.Context(), plan, sampler, load.NewMeter(), &j)
	require.NoError(t, err)
	require.Len(t, readings, 3, "start, end of the load, end")
	assert.GreaterOrEqual(t, readings[0].Sub(begin), plan.Settle)
	assert.GreaterOrEqual(t, readings[2].Sub(readings[1]), plan.Settle)
}

func TestItReadsOnceMoreAfterARest(t *testing.T) {
	server := newLeaky(t)
	plan := server.plan(2)
	rested, err := Run(t.Context(), plan, memory.NewSampler(server.read), load.NewMeter())
	require.NoError(t, err)
	assert.Nil(t, rested)

	plan.Release = 50 * time.Millisecond
	var j journal
	var ended time.Time
	plan.Enough = func() bool { ended = time.Now(); return false }
	rested, err = Run(t.Context(), plan, memory.NewSampler(server.read), load.NewMeter(), &j)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, time.Since(ended), plan.Release)
	assert.Equal(t, j.iterations[1].End.Total, rested.Reading.Total)
	assert.Equal(t, plan.Release, rested.Length)

	calls := 0
	_, err = Run(t.Context(), plan, memory.NewSampler(func(ctx context.Context) (memory.Reading, error) {
		if calls++; calls > 6 {
			return memory.Reading{}, memory.ErrGone
		}
		return server.read(ctx)
	}), load.NewMeter())
	assert.ErrorIs(t, err, memory.ErrGone)
	assert.ErrorContains(t, err, "rest after the last iteration: ")
}

// A baseline is loaded after the server, with as many requests, by DURATION too.
func TestABaselineIsLoadedInTurns(t *testing.T) {
	server, other := newLeaky(t), newLeaky(t)
	plan := server.plan(3)
	plan.Load.Requests, plan.Load.Duration = 0, 50*time.Millisecond
	plan.Release = 10 * time.Millisecond
	var order []string
	note := func(who string, read memory.Reader) memory.Reader {
		return func(ctx context.Context) (memory.Reading, error) {
			order = append(order, who)
			return read(ctx)
		}
	}
	var suspect, baseline journal
	meter := load.NewMeter()
	plan.Baseline = &Baseline{
		Load: other.plan(0).Load, Sampler: memory.NewSampler(note("baseline", other.read)), Meter: meter, Observers: []Observer{&baseline},
	}
	rested, err := Run(t.Context(), plan, memory.NewSampler(note("suspect", server.read)), load.NewMeter(), &suspect)
	require.NoError(t, err)
	assert.Equal(t, []string{
		"suspect", "suspect", "suspect", "baseline", "baseline", "baseline", "suspect", "suspect", "suspect",
		"baseline", "baseline", "baseline", "suspect", "suspect", "suspect", "baseline", "baseline", "baseline", "suspect", "baseline",
	}, order, "and a rest")
	assert.Greater(t, rested.Length, plan.Release, "it has rested during the baseline's last load as well")
	require.Len(t, baseline.iterations, 3)
	assert.Equal(t, baseline.iterations[2].End.Total, rested.Baseline.Total)
	for n, i := range baseline.iterations {
		assert.Equal(t, n+1, i.Number)
		assert.Positive(t, i.Requests)
		assert.Equal(t, suspect.iterations[n].Requests, i.Requests)
		assert.EqualValues(t, 10*i.Requests, i.Leaked())
	}
	assert.EqualValues(t, other.requests, meter.Requests(), "its requests are its own")

	plan.Baseline.Sampler = memory.NewSampler(func(context.Context) (memory.Reading, error) { return memory.Reading{}, memory.ErrGone })
	suspect = journal{}
	_, err = Run(t.Context(), plan, memory.NewSampler(server.read), load.NewMeter(), &suspect)
	assert.ErrorIs(t, err, memory.ErrGone)
	assert.Len(t, suspect.iterations, 1, "what was measured is kept")
}

func TestWhatEndsARun(t *testing.T) {
	gone := func(context.Context) (memory.Reading, error) { return memory.Reading{}, memory.ErrGone }
	server := newLeaky(t)

	t.Run("no reading", func(t *testing.T) {
		_, err := Run(t.Context(), server.plan(3), memory.NewSampler(gone), load.NewMeter())
		assert.ErrorIs(t, err, memory.ErrGone)
		assert.ErrorContains(t, err, "iteration 1 of 3: ")
	})
	t.Run("observer", func(t *testing.T) {
		full := errors.New("disk full")
		first, second := &journal{err: full}, &journal{}
		_, err := Run(t.Context(), server.plan(3), memory.NewSampler(server.read), load.NewMeter(), first, second)
		assert.ErrorIs(t, err, full)
		assert.Len(t, first.iterations, 1)
		assert.Len(t, second.iterations, 1, "one that fails does not take the iteration from the others")
	})
	t.Run("enough", func(t *testing.T) {
		plan := server.plan(100)
		var j journal
		plan.Enough = func() bool { return len(j.iterations) == 7 }
		_, err := Run(t.Context(), plan, memory.NewSampler(server.read), load.NewMeter(), &j)
		require.NoError(t, err)
		assert.Len(t, j.iterations, 7)
	})
	t.Run("interrupted", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		interrupted := errors.New("interrupted")
		plan := server.plan(3)
		plan.Settle = time.Hour
		cancel(interrupted)
		_, err := Run(ctx, plan, memory.NewSampler(server.read), load.NewMeter())
		assert.ErrorIs(t, err, interrupted)
	})
}
