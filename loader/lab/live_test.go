package lab

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/load"
	"leaklab/loader/memory"
)

// collected is a server that holds 600 bytes more before a collection, and whose live memory is as told.
type collected struct {
	live   []int64 // of one reading after the other; live memory is not known afterwards
	asked  int
	rested bool
}

func (c *collected) read(context.Context) (memory.Reading, error) {
	garbage := int64(600)
	if c.rested {
		garbage = 0
	}
	return memory.Reading{Total: 5000 + garbage}, nil
}

func (c *collected) collect(context.Context) *memory.Live {
	if c.asked == len(c.live) {
		return nil
	}
	c.asked, c.rested = c.asked+1, true
	return &memory.Live{Bytes: c.live[c.asked-1], Outside: 900}
}

func (c *collected) plan(tries int) Plan {
	generate := func(_ context.Context, _ int, meter *load.Meter) (load.Result, error) {
		c.rested = false
		return told(4)(context.Background(), 0, meter)
	}
	return Plan{Tries: tries, Server: Server{Generate: generate, Live: c.collect, Sampler: memory.NewSampler(c.read), Meter: load.NewMeter()}}
}

func TestLiveMemoryIsReadAfterTheEnd(t *testing.T) {
	server := &collected{live: []int64{100, 70, 140}}
	iterations, err := measure(t.Context(), server.plan(3))
	require.NoError(t, err)
	require.Len(t, iterations, 3)
	first, second := iterations[0], iterations[1]
	assert.Equal(t, int64(5600), first.End.Total, "before the collection")
	require.NotNil(t, first.Live)
	assert.Equal(t, int64(70), first.Live.Bytes, "the second reading")
	assert.Equal(t, int64(30), first.Live.Idle, "how far it moves by itself")
	assert.Equal(t, int64(900), first.Live.Outside)
	require.NotNil(t, second.Live)
	assert.Equal(t, int64(140), second.Live.Bytes)
	assert.Negative(t, second.Live.Idle)
	assert.Nil(t, iterations[2].Live, "not known any more")
}

func TestLiveMemoryOfARunThatEnds(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	server := &collected{live: []int64{100}}
	plan := server.plan(3)
	plan.Server.Live = func(context.Context) *memory.Live {
		cancel(errors.New("interrupted"))
		return nil
	}
	_, err := measure(ctx, plan)
	assert.ErrorContains(t, err, "interrupted")
}

// Live memory is read once more after the rest: what grows there grows without requests.
func TestLiveMemoryIsReadAfterTheRest(t *testing.T) {
	server := &collected{live: []int64{100, 100, 140, 190}}
	plan := server.plan(2)
	iterations, err := measure(t.Context(), plan)
	require.NoError(t, err)
	rest, err := AwaitRest(t.Context(), RestLength{}, plan, iterations[1])
	require.NoError(t, err)
	require.NotNil(t, rest.Live)
	assert.Equal(t, int64(190), rest.Live.Bytes)
	assert.False(t, rest.EndedAt.Before(iterations[1].EndedAt))

	assert.False(t, rest.LiveAt.Before(rest.EndedAt))
	assert.False(t, rest.Closed)

	rest, err = AwaitRest(t.Context(), RestLength{}, plan, iterations[1])
	require.NoError(t, err)
	assert.Nil(t, rest.Live, "not known any more")
}

// Connections that are kept stay open until live memory is read, and are closed before the last reading.
func TestConnectionsAreClosedInTheRest(t *testing.T) {
	length := RestLength{Live: 20 * time.Millisecond, Total: 10 * time.Millisecond}
	server := &collected{live: []int64{100, 100, 140, 190, 240}}
	plan := server.plan(2)
	iterations, err := measure(t.Context(), plan)
	require.NoError(t, err)
	var closedAt time.Time
	askedBefore := 0
	plan.CloseConnections = func() { closedAt, askedBefore = time.Now(), server.asked }
	rest, err := AwaitRest(t.Context(), length, plan, iterations[1])
	require.NoError(t, err)
	assert.True(t, rest.Closed)
	assert.Equal(t, 4, askedBefore, "live memory is read before")
	require.NotNil(t, rest.Live)
	assert.Equal(t, int64(190), rest.Live.Bytes)
	assert.GreaterOrEqual(t, rest.LiveAt.Sub(iterations[1].EndedAt), length.Live)
	assert.GreaterOrEqual(t, closedAt.Sub(rest.LiveAt), time.Duration(0))
	assert.GreaterOrEqual(t, rest.EndedAt.Sub(closedAt), length.Total)
	assert.Equal(t, length.Total, rest.Length, "without connections")
	assert.Equal(t, 4, server.asked, "and not again")

	plan.CloseConnections = nil
	rest, err = AwaitRest(t.Context(), length, plan, iterations[1])
	require.NoError(t, err)
	assert.Equal(t, length.Live, rest.Length, "one rest, the longer one")
	assert.GreaterOrEqual(t, rest.LiveAt.Sub(closedAt), length.Live)
}

// After a full collection nothing is left to settle, unless it has failed.
func TestTheLoadFollowsLiveMemoryAtOnce(t *testing.T) {
	const settle, live = 200 * time.Millisecond, 10 * time.Millisecond
	server := &collected{live: []int64{100, 100, 140}}
	plan := server.plan(4)
	plan.Settle, plan.SettleLive = settle, live
	began := time.Now()
	var waited, rested []time.Duration
	generate, ended, loaded := plan.Server.Generate, began, began
	plan.Server.Generate = func(ctx context.Context, number int, meter *load.Meter) (load.Result, error) {
		waited = append(waited, time.Since(ended))
		loaded = time.Now()
		return generate(ctx, number, meter)
	}
	for i, err := range Iterations(t.Context(), plan) {
		require.NoError(t, err)
		rested = append(rested, i.EndedAt.Sub(loaded))
		ended = time.Now()
	}
	for n, least := range []time.Duration{live, live, live, settle} {
		assert.GreaterOrEqual(t, rested[n], least, "before end reading %d", n+1)
	}
	assert.Less(t, slices.Min(rested), settle)
	require.Len(t, waited, 4)
	assert.GreaterOrEqual(t, waited[0], settle, "the first follows the start of the server")
	assert.Less(t, min(waited[1], waited[2]), settle)
	assert.GreaterOrEqual(t, waited[3], settle, "live memory is not known any more")
}

func TestPlaceOfAnIteration(t *testing.T) {
	assert.Equal(t, "3 of 10", Iteration{Number: 3, Of: 10}.Place())
	assert.Equal(t, "3 of at most 100", Iteration{Number: 3, Of: 100, AtMost: true}.Place())
	server := &collected{}
	plan := server.plan(7)
	plan.AtMost = true
	plan.Server.Sampler = memory.NewSampler(gone)
	_, err := measure(t.Context(), plan)
	assert.EqualError(t, err, "iteration 1 of at most 7: "+memory.ErrGone.Error())
}
