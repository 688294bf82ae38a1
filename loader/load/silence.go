package load

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"
)

// ErrSilent says that the server does not answer any more.
var ErrSilent = errors.New("the server does not answer any more")

const (
	// silentGrace is how long after the first requests have timed out others may be the ones that are answered.
	silentGrace   = 2 * time.Second
	watchInterval = 100 * time.Millisecond
)

// silence is how long the server has not answered, while there was load. It goes on from one iteration to the next.
type silence struct {
	length time.Duration
	before tally // when it began
}

// tally counts the requests of a run.
type tally struct {
	heard  uint64 // answers
	failed map[Reason]uint64
}

// silentLimit is how long a server may answer nothing: until the requests that were waiting then have timed out, and
// the next ones, with some time to be answered, as well.
func (p *Plan) silentLimit() time.Duration {
	limit := p.Timeout + p.Timeout/deadlineSlack + silentGrace
	if p.Rate > 0 {
		limit += time.Duration(float64(time.Second) / p.Rate)
	}
	return limit
}

// watch calls giveUp with an ErrSilent when nothing has been answered for limit, though requests were sent, and returns
// when ctx ends. Time in which the loader itself stood still does not count.
func (m *Meter) watch(ctx context.Context, limit time.Duration, giveUp context.CancelCauseFunc) {
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now, tally := time.Now(), m.tally()
		if tally.heard != m.silence.before.heard || m.silence.before.failed == nil {
			m.silence = silence{before: tally}
		} else {
			m.silence.length += min(now.Sub(last), 2*watchInterval)
		}
		last = now
		if failed := tally.since(m.silence.before); m.silence.length > limit && failed != "" {
			giveUp(fmt.Errorf("%w: nothing for %s, though it was asked (%s)", ErrSilent, m.silence.length.Round(time.Second), failed))
			return
		}
	}
}

// since says which requests have failed since before: "timeout 100, reset 1", or nothing if none has.
func (t tally) since(before tally) string {
	var parts []string
	for _, reason := range Reasons() {
		if n := t.failed[reason] - before.failed[reason]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", reason, n))
		}
	}
	return strings.Join(parts, ", ")
}

// tally counts the requests from the start of the run until now.
func (m *Meter) tally() tally {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := tally{failed: maps.Clone(m.past.Errors)}
	for _, r := range m.recorders {
		r.mu.Lock()
		t.heard += r.heard
		for reason, n := range r.totals.Errors {
			t.failed[reason] += n
		}
		r.mu.Unlock()
	}
	return t
}
