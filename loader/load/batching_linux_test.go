package load

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestPollsAreDelayedForManySlowResponses(t *testing.T) {
	for _, c := range []struct {
		name            string
		stamped         bool
		connections     int
		vacant, waiting int
		taken           time.Duration
		want            time.Duration
	}{
		{"many slow ones", true, 16, 0, 0, time.Second, longestDelay},
		{"a share of the response time", true, 100, 0, 0, time.Millisecond, 200 * time.Microsecond},
		{"fast ones", true, 100, 0, 0, 200 * time.Microsecond, 0},
		{"few", true, 15, 0, 0, time.Second, 0},
		{"few with a request in flight", true, 100, 50, 35, time.Second, 0},
		{"arrivals without timestamps", false, 100, 0, 0, time.Second, 0},
	} {
		l := loop{
			plan:    &Plan{},
			stamped: c.stamped, responseTime: c.taken, conns: make([]*connState, c.connections),
			vacant: make([]int32, c.vacant), due: make([]dueConn, c.waiting),
		}
		assert.Equal(t, c.want, l.batchingDelay(), c.name)
	}
}

func TestPollsAreDelayedForManyStreams(t *testing.T) {
	l := loop{plan: &Plan{Protocol: H2}, stamped: true, responseTime: time.Second, unanswered: batchingFrom}
	assert.Equal(t, longestDelay, l.batchingDelay())
	l.bulk = true
	assert.Zero(t, l.batchingDelay(), "a large response is read at full speed")
	l.bulk, l.unanswered = false, batchingFrom-1
	assert.Zero(t, l.batchingDelay(), "few")
}
