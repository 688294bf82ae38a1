package load

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestBurstCountsTheRequestsSinceItStarted(t *testing.T) {
	meter := NewMeter()
	assert.Zero(t, meter.Burst())
	meter.Add(map[int]uint64{200: 5}, nil)
	assert.Zero(t, meter.Burst(), "these belong to no burst")

	first := time.Now()
	meter.StartBurst(1, first)
	assert.Equal(t, Burst{Number: 1, StartedAt: first, Active: true}, meter.Burst())
	meter.Add(map[int]uint64{200: 2, 404: 1}, map[Reason]uint64{Timeout: 7})
	assert.Equal(t, Burst{Number: 1, StartedAt: first, Active: true, Requests: 3}, meter.Burst())
	meter.EndBurst()
	assert.Equal(t, Burst{Number: 1, StartedAt: first, Requests: 3}, meter.Burst(), "the counts outlive the load")

	second := first.Add(time.Second)
	meter.StartBurst(2, second)
	assert.Equal(t, Burst{Number: 2, StartedAt: second, Active: true}, meter.Burst())
}

// The count is live: the handler of the server sees it grow while the load runs.
func TestBurstIsReadWhileTheLoadRuns(t *testing.T) {
	meter := NewMeter()
	var last atomic.Uint64
	server := newCountingServer(t, func(http.ResponseWriter, *http.Request) {
		burst := meter.Burst()
		assert.True(t, burst.Active)
		assert.GreaterOrEqual(t, burst.Requests, last.Swap(burst.Requests))
	})
	plan := server.plan()
	plan.Workers, plan.Requests = 1, 100
	for number := range 2 {
		meter.StartBurst(number+1, time.Now())
		_, err := Run(t.Context(), plan, meter)
		require.NoError(t, err)
		meter.EndBurst()
		assert.EqualValues(t, 99, last.Swap(0), "all but the one in flight")
		assert.EqualValues(t, 100, meter.Burst().Requests)
	}
}
