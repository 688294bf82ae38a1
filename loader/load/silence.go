package load

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"
)

// ErrSilent is the error when the server has stopped responding.
var ErrSilent = errors.New("no response from the server")

const (
	// silentGrace is the time for a response to a later request, after the first requests have timed out.
	silentGrace   = 2 * time.Second
	watchInterval = 100 * time.Millisecond
)

// silence is how long the server has not responded under load. It continues from one iteration to the next.
type silence struct {
	length time.Duration
	before tally // at its start
}

// tally counts the requests of a run.
type tally struct {
	heard  uint64 // responses
	failed map[Reason]uint64
	bad    string // what was bad in a response; empty if that is unknown
	late   string // what has not come in time; empty if that is unknown
}

// silentLimit is how long a server may stay silent. By then the requests in flight have timed out, and later ones have
// had some time for a response.
func (p *Plan) silentLimit() time.Duration {
	limit := p.Timeout + p.Timeout/deadlineSlack + silentGrace
	if p.Rate > 0 {
		limit += time.Duration(float64(time.Second) / p.Rate)
	}
	return limit
}

// watch calls giveUp with an ErrSilent when there was no response for limit although requests failed. It returns then, or
// when ctx ends. Time during which the loader itself was suspended does not count.
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
			giveUp(fmt.Errorf("%w for %s (%s)", ErrSilent, m.silence.length.Round(time.Second), failed))
			return
		}
	}
}

// since lists the requests that have failed since before, as in "timeout 100, reset 1"; "" if none has.
func (t tally) since(before tally) string {
	var parts []string
	for _, reason := range Reasons() {
		if n := t.failed[reason] - before.failed[reason]; n > 0 {
			part := fmt.Sprintf("%s %d", reason, n)
			if reason == BadResponse && t.bad != "" {
				part += ": " + t.bad
			}
			if reason == Timeout && t.late != "" {
				part += ": " + t.late
			}
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ", ")
}

// tally returns the counts since the start of the run.
func (m *Meter) tally() tally {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := tally{failed: maps.Clone(m.past.Errors), bad: m.past.BadResponse}
	for _, r := range m.recorders {
		r.mu.Lock()
		t.heard += r.heard
		if t.bad == "" {
			t.bad = r.totals.BadResponse
		}
		if t.late == "" {
			t.late = r.late
		}
		for reason, n := range r.totals.Errors {
			t.failed[reason] += n
		}
		r.mu.Unlock()
	}
	return t
}
