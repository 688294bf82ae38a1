package lab

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/load"
	"leaklab/loader/memory"
)

// measure collects the iterations of a plan, up to an error.
func measure(ctx context.Context, plan Plan) ([]Iteration, error) {
	var all []Iteration
	for i, err := range Iterations(ctx, plan) {
		if err != nil {
			return all, err
		}
		all = append(all, i)
	}
	return all, nil
}

// leaky is a server whose memory is 1000 bytes and 10 for each request so far, and 500 more during a request.
type leaky struct {
	*httptest.Server
	requests, busy atomic.Int64
}

func newLeaky(t *testing.T) *leaky {
	l := &leaky{}
	l.Server = httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		l.requests.Add(1)
		l.busy.Store(500)
		time.Sleep(5 * time.Millisecond)
	}))
	t.Cleanup(l.Close)
	return l
}

func (l *leaky) read(context.Context) (memory.Reading, error) {
	return memory.Reading{Total: 1000 + 10*l.requests.Load() + l.busy.Swap(0)}, nil
}

func (l *leaky) load() load.Plan {
	address := l.Listener.Addr().String()
	behaviour := load.NewBehaviour(load.ShapeNamed("keepalive"), load.Request{Paths: []string{"/"}}, address)
	return load.Plan{Address: address, Behaviour: behaviour, Workers: 1, Requests: 4, Timeout: time.Second}
}

func (l *leaky) plan(tries int) Plan {
	return Plan{Tries: tries, Server: Server{Generate: Generate(l.load()), Sampler: memory.NewSampler(l.read), Meter: load.NewMeter()}}
}

// loads is a plan of iterations whose load is generated elsewhere, of a server whose memory stays.
func loads(tries int, generate Generator, complete ...func(context.Context, *memory.Reading)) Plan {
	read := func(context.Context) (memory.Reading, error) { return memory.Reading{Total: 1000}, nil }
	return Plan{Tries: tries, Server: Server{Generate: generate, Sampler: memory.NewSampler(read, complete...), Meter: load.NewMeter()}}
}

func TestEachIterationIsLoadBetweenTwoReadings(t *testing.T) {
	server := newLeaky(t)
	plan := server.plan(3)
	var marks []int
	plan.Server.Sampler.Observe = func(s memory.Sample) { marks = append(marks, s.Iteration) }
	iterations, err := measure(t.Context(), plan)
	require.NoError(t, err)
	require.Len(t, iterations, 3)
	assert.Equal(t, make([]int, 9), marks, "the readings are taken at rest")
	assert.Equal(t, 3, plan.Server.Meter.Burst().Number)
	assert.False(t, plan.Server.Meter.Burst().Active)
	for n, i := range iterations {
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

// told is a load of another program that sends nothing, and tells the given number of requests, or nothing if it is 0.
func told(requests uint64) Generator {
	return func(_ context.Context, _ int, meter *load.Meter) (load.Result, error) {
		return load.Result{Totals: meter.Add(map[int]uint64{0: requests}, nil), Elapsed: time.Second, Uncounted: requests == 0}, nil
	}
}

// What a server sends by itself between two bursts is in what the growth is said of, and not in the rate.
func TestWhatComesUnaskedIsInTheRequestsAlone(t *testing.T) {
	generate := func(_ context.Context, number int, meter *load.Meter) (load.Result, error) {
		return load.Result{Totals: meter.Add(map[int]uint64{200: 50}, nil), Unasked: uint64(7 * (number - 1)), Elapsed: 2 * time.Second}, nil
	}
	iterations, err := measure(t.Context(), loads(3, generate))
	require.NoError(t, err)
	for n, i := range iterations {
		assert.EqualValues(t, 50+7*n, i.Requests)
		assert.EqualValues(t, 50, i.Load.Requests)
		assert.InDelta(t, 25, i.RequestsPerSecond(), 1e-9)
	}
}

func TestRequestsOfAnExternalLoad(t *testing.T) {
	// A server that restarts in its third iteration.
	counter, readings := []uint64{5, 10, 10, 30, 30, 7}, 0
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
			plan := loads(3, told(test.load), test.complete...)
			iterations, err := measure(t.Context(), plan)
			require.NoError(t, err)
			require.Len(t, iterations, 3)
			for n, i := range iterations {
				assert.Equal(t, test.want[n], i.Requests)
				assert.Equal(t, test.uncounted, i.Uncounted)
				if !test.uncounted {
					assert.Equal(t, i.Requests, i.Load.Requests)
				}
			}
			assert.Equal(t, test.total, plan.Server.Meter.Requests())
		})
	}
	readings = 0
	iterations, err := measure(t.Context(), loads(4, told(0), complete))
	assert.EqualError(t, err, "iteration 4 of 4: the server does not tell any more how many requests it has answered")
	assert.Len(t, iterations, 3)
}

func TestRequestsThatALoadToolLeavesOut(t *testing.T) {
	const missed = 0 // the server did not tell
	telling := func(counter ...uint64) func(context.Context, *memory.Reading) {
		return func(_ context.Context, reading *memory.Reading) {
			if len(counter) > 0 && counter[0] != missed {
				reading.Requests, reading.RequestsCounter = counter[0], "c"
			}
			counter = counter[min(1, len(counter)):]
		}
	}
	partial := func(_ context.Context, _ int, meter *load.Meter) (load.Result, error) {
		return load.Result{Totals: meter.Add(map[int]uint64{0: 50}, nil), Elapsed: time.Second, Reported: true, Partial: true}, nil
	}
	iterations, err := measure(t.Context(), loads(2, partial, telling(5, 100, 100, 180)))
	require.NoError(t, err)
	for n, want := range []uint64{95, 80} {
		assert.Equal(t, want, iterations[n].Requests, "those of the server")
		assert.EqualValues(t, 50, iterations[n].Load.Requests)
	}
	iterations, err = measure(t.Context(), loads(2, partial))
	require.NoError(t, err)
	assert.EqualValues(t, 50, iterations[1].Requests, "the server does not tell")
	const notAnyMore = "the server does not tell any more how many requests it has answered"
	const onlyNow = "the server tells only now how many requests it has answered: those of the iterations before are not known"
	const before = 1_000_000 // requests that the server has answered in its life
	for name, test := range map[string]struct {
		counter []uint64
		want    string
	}{
		"not any more":               {[]uint64{5, 100, 100, 180, 180}, "iteration 3 of 3: " + notAnyMore},
		"nothing more, and then not": {[]uint64{5, 5, 5}, "iteration 2 of 3: " + notAnyMore},
		"the start was missed":       {[]uint64{missed, before + 100, before + 100, before + 180}, "iteration 2 of 3: " + onlyNow},
		"the end was missed":         {[]uint64{before, missed, before + 100, before + 180, before + 180, before + 260}, "iteration 3 of 3: " + onlyNow},
	} {
		_, err = measure(t.Context(), loads(3, partial, telling(test.counter...)))
		assert.EqualError(t, err, test.want, name)
	}
	// What a load tool reports is compared with what the server has counted in the same time alone.
	iterations, err = measure(t.Context(), loads(4, told(50), telling(missed, before, before, before+80, before+80, missed, before+100, before+150)))
	require.NoError(t, err)
	for n, want := range []uint64{0, 80, 0, 0} {
		assert.Equal(t, want, iterations[n].ServerCount, n)
		assert.EqualValues(t, 50, iterations[n].Requests)
	}
	// Nor is what the server has answered in its life a number of requests where the load has none.
	iterations, err = measure(t.Context(), loads(2, told(0), telling(missed, before, before, before+80)))
	require.NoError(t, err)
	for _, i := range iterations {
		assert.True(t, i.Uncounted)
		assert.EqualValues(t, 1, i.Requests)
	}
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
	iterations, err := measure(t.Context(), loads(3, external))
	require.NoError(t, err)
	require.Len(t, iterations, 3)
	for n, i := range iterations[1:] {
		between := i.Load.StartedAt.Round(0).Sub(iterations[n].Load.StartedAt.Round(0))
		assert.GreaterOrEqual(t, between, time.Duration(0), i.Number)
		assert.Less(t, between, time.Minute, i.Number)
	}
}

func TestAnIterationWithoutAnswers(t *testing.T) {
	answered := []uint64{5, 0, 5, 0}
	external := func(_ context.Context, number int, meter *load.Meter) (load.Result, error) {
		return load.Result{Totals: meter.Add(map[int]uint64{0: answered[number-1]}, map[load.Reason]uint64{load.Connect: 7})}, nil
	}
	iterations, err := measure(t.Context(), loads(4, external))
	require.NoError(t, err, "a server may restart meanwhile")
	require.Len(t, iterations, 4)
	assert.NoError(t, iterations[2].Answered())
	assert.EqualError(t, iterations[3].Answered(), "iteration 4 of 4: none of its 7 requests was answered")
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
		reading.Requests, reading.RequestsCounter = uint64(3*server.requests.Load()), "c"
	}
	plan.Server.Sampler = memory.NewSampler(server.read, complete)
	iterations, err := measure(t.Context(), plan)
	require.NoError(t, err)
	require.Len(t, starts, 3)
	require.Len(t, iterations, 3)
	for n, i := range iterations {
		assert.EqualValues(t, 12, i.Requests, "of all loaders")
		assert.EqualValues(t, 4, i.Load.Requests, "of this one")
		if n > 0 {
			assert.Positive(t, starts[n].Truncate(plan.Align).Sub(starts[n-1].Truncate(plan.Align)), "each in another period")
		}
	}

	plan.Server.Sampler = memory.NewSampler(server.read)
	_, err = measure(t.Context(), plan)
	assert.EqualError(t, err, "iteration 1 of 3: the server does not tell how many requests it has answered, of all loaders")
}

func TestAnExternalLoadThatFails(t *testing.T) {
	failed := errors.New("failed")
	plan := loads(2, func(context.Context, int, *load.Meter) (load.Result, error) { return load.Result{}, failed })
	iterations, err := measure(t.Context(), plan)
	assert.ErrorIs(t, err, failed)
	assert.ErrorContains(t, err, "iteration 1 of 2: ")
	assert.Empty(t, iterations)
	assert.Equal(t, 1, plan.Server.Meter.Burst().Number)
	assert.False(t, plan.Server.Meter.Burst().Active, "it is over all the same")
}

func TestItSettlesBeforeEachReading(t *testing.T) {
	server := newLeaky(t)
	plan := server.plan(1)
	plan.Settle, plan.SettleMore = 50*time.Millisecond, 100*time.Millisecond
	var readings []time.Time
	plan.Server.Sampler = memory.NewSampler(func(ctx context.Context) (memory.Reading, error) {
		readings = append(readings, time.Now())
		return server.read(ctx)
	})
	begin := time.Now()
	_, err := measure(t.Context(), plan)
	require.NoError(t, err)
	require.Len(t, readings, 3, "start, end of the load, end")
	assert.GreaterOrEqual(t, readings[0].Sub(begin), plan.Settle)
	assert.GreaterOrEqual(t, readings[2].Sub(readings[1]), plan.Settle+plan.SettleMore)
}

func TestAReadingAfterARest(t *testing.T) {
	const length = 50 * time.Millisecond
	server := newLeaky(t)
	plan := server.plan(2)
	iterations, err := measure(t.Context(), plan)
	require.NoError(t, err)
	rest, err := AwaitRest(t.Context(), RestLength{Live: length, Total: length}, plan, iterations[1])
	require.NoError(t, err)
	assert.GreaterOrEqual(t, time.Since(iterations[1].EndedAt), length)
	assert.Equal(t, iterations[1].End.Total, rest.Reading.Total)
	assert.Equal(t, length, rest.Length)
	assert.Nil(t, rest.Baseline)

	plan.Server.Sampler = memory.NewSampler(gone)
	_, err = AwaitRest(t.Context(), RestLength{}, plan, iterations[1])
	assert.ErrorIs(t, err, memory.ErrGone)
	assert.ErrorContains(t, err, "rest after the last iteration: ")
}

func gone(context.Context) (memory.Reading, error) { return memory.Reading{}, memory.ErrGone }

// A baseline is loaded after the server, with as many requests, by DURATION too.
func TestABaselineIsLoadedInTurns(t *testing.T) {
	server, other := newLeaky(t), newLeaky(t)
	plan, load50 := server.plan(3), server.load()
	load50.Requests, load50.Duration = 0, 50*time.Millisecond
	plan.Server.Generate = Generate(load50)
	var order []string
	note := func(who string, read memory.Reader) memory.Reader {
		return func(ctx context.Context) (memory.Reading, error) {
			order = append(order, who)
			return read(ctx)
		}
	}
	plan.Server.Sampler = memory.NewSampler(note("suspect", server.read))
	plan.Baseline = &Baseline{Load: other.load(), Sampler: memory.NewSampler(note("baseline", other.read)), Meter: load.NewMeter()}
	iterations, err := measure(t.Context(), plan)
	require.NoError(t, err)
	require.Len(t, iterations, 6)
	const length = 10 * time.Millisecond
	rest, err := AwaitRest(t.Context(), RestLength{Live: length, Total: length}, plan, iterations[4])
	require.NoError(t, err)
	assert.Equal(t, []string{
		"suspect", "suspect", "suspect", "baseline", "baseline", "baseline", "suspect", "suspect", "suspect",
		"baseline", "baseline", "baseline", "suspect", "suspect", "suspect", "baseline", "baseline", "baseline", "suspect", "baseline",
	}, order, "and a rest")
	assert.Greater(t, rest.Length, length, "it has rested during the baseline's last load as well")
	assert.Equal(t, iterations[5].End.Total, rest.Baseline.Total)
	for n := range 3 {
		suspect, baseline := iterations[2*n], iterations[2*n+1]
		assert.False(t, suspect.OfBaseline)
		assert.True(t, baseline.OfBaseline)
		assert.Equal(t, n+1, suspect.Number)
		assert.Equal(t, n+1, baseline.Number)
		assert.Positive(t, baseline.Requests)
		assert.Equal(t, suspect.Requests, baseline.Requests)
		assert.EqualValues(t, 10*baseline.Requests, baseline.Leaked())
	}
	assert.EqualValues(t, other.requests.Load(), plan.Baseline.Meter.Requests(), "each meter counts the requests of one server")

	plan.Baseline.Sampler = memory.NewSampler(gone)
	iterations, err = measure(t.Context(), plan)
	assert.ErrorIs(t, err, memory.ErrGone)
	assert.Len(t, iterations, 1, "what was measured is kept")
}

func TestWhatEndsARun(t *testing.T) {
	server := newLeaky(t)
	t.Run("no reading", func(t *testing.T) {
		plan := server.plan(3)
		plan.Server.Sampler = memory.NewSampler(gone)
		iterations, err := measure(t.Context(), plan)
		assert.ErrorIs(t, err, memory.ErrGone)
		assert.ErrorContains(t, err, "iteration 1 of 3: ")
		assert.Empty(t, iterations)
	})
	t.Run("enough", func(t *testing.T) {
		n := 0
		for _, err := range Iterations(t.Context(), server.plan(100)) {
			require.NoError(t, err)
			if n++; n == 7 {
				break
			}
		}
		assert.Equal(t, 7, n)
	})
	t.Run("interrupted", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		interrupted := errors.New("interrupted")
		plan := server.plan(3)
		plan.Settle = time.Hour
		cancel(interrupted)
		_, err := measure(ctx, plan)
		assert.ErrorIs(t, err, interrupted)
	})
}

// One more iteration after the last is loaded and counted as the others, and stays out of samples, peaks and counts.
func TestOneMoreIteration(t *testing.T) {
	server := newLeaky(t)
	plan := server.plan(2)
	iterations, err := measure(t.Context(), plan)
	require.NoError(t, err)
	last := iterations[1]
	var marks []int
	plan.Server.Sampler.Observe = func(s memory.Sample) { marks = append(marks, s.Iteration) }
	extra, err := Extra(t.Context(), plan, last)
	require.NoError(t, err)
	assert.Equal(t, 3, extra.Number)
	assert.EqualValues(t, 4, extra.Requests)
	assert.EqualValues(t, 12, server.requests.Load())
	assert.Equal(t, []int{0}, marks)
	assert.Equal(t, 2, plan.Server.Meter.Burst().Number)
	assert.EqualValues(t, 8, plan.Server.Meter.Snapshot().Requests)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Extra(ctx, plan, last)
	require.Error(t, err)
	plan.Server.Generate = func(context.Context, int, *load.Meter) (load.Result, error) {
		return load.Result{}, errors.New("the tool failed")
	}
	_, err = Extra(t.Context(), plan, last)
	assert.EqualError(t, err, "the tool failed")
	plan.Server.Generate = func(context.Context, int, *load.Meter) (load.Result, error) {
		return load.Result{Totals: load.Totals{Errors: map[load.Reason]uint64{load.Timeout: 4}}}, nil
	}
	_, err = Extra(t.Context(), plan, last)
	assert.ErrorContains(t, err, "none of its 4 requests was answered")
}

// Requests that the server alone counts are those since the last iteration.
func TestOneMoreIterationOfALoadTool(t *testing.T) {
	count := uint64(100)
	plan := loads(2, func(context.Context, int, *load.Meter) (load.Result, error) {
		count += 7
		return load.Result{Uncounted: true}, nil
	}, func(_ context.Context, r *memory.Reading) {
		r.Requests, r.RequestsCounter = count, "http_requests_total"
	})
	iterations, err := measure(t.Context(), plan)
	require.NoError(t, err)
	extra, err := Extra(t.Context(), plan, iterations[1])
	require.NoError(t, err)
	assert.EqualValues(t, 7, extra.Requests)
}
