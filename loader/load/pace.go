package load

import (
	"sync/atomic"
	"time"
)

// pace returns the scheduled send time of the next request; false after the last. All workers call it, with the current
// time. Latency is measured from the scheduled send time: while a server stalls, requests that wait to be sent count as
// slow too (no coordinated omission).
type pace func(now time.Time) (intended time.Time, more bool)

// take returns the scheduled send time of the next request that is not overdue by more than limit. Requests that are count
// as timed out, unsent. False after the last.
func (next pace) take(now time.Time, limit time.Duration, counts *recorder) (intended time.Time, more bool) {
	for {
		intended, more = next(now)
		if !more || now.Sub(intended) <= limit {
			return intended, more
		}
		counts.overdue()
	}
}

// newPace returns the pace of plan. The first request is due at start.
func newPace(plan *Plan, start time.Time) pace {
	switch deadline := start.Add(plan.Duration); {
	case plan.Rate > 0:
		return scheduled(plan, start)
	case plan.Requests > 0:
		return untilCount(plan.Requests)
	default:
		return untilTime(deadline)
	}
}

func untilTime(deadline time.Time) pace {
	return func(now time.Time) (time.Time, bool) { return now, now.Before(deadline) }
}

func untilCount(n uint64) pace {
	var taken atomic.Uint64
	return func(now time.Time) (time.Time, bool) { return now, taken.Add(1) <= n }
}

// scheduled is the open loop: requests are scheduled at fixed intervals, whatever the server does. All that are due before
// the end are sent, late if necessary.
func scheduled(plan *Plan, start time.Time) pace {
	var taken atomic.Uint64
	total := plan.Requests
	if total == 0 {
		total = max(1, uint64(plan.Rate*plan.Duration.Seconds()))
	}
	between := float64(time.Second) / plan.Rate
	return func(now time.Time) (time.Time, bool) {
		n := taken.Add(1) - 1
		if n >= total {
			return now, false
		}
		return start.Add(time.Duration(float64(n) * between)), true
	}
}
