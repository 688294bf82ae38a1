package load

import (
	"sync/atomic"
	"time"
)

// pace says when the next request is to be sent; false if there is none any more. It is called by every worker, with
// the time that it is now. A latency is counted from the time that pace returns: if a server stalls, the requests that
// would have been sent meanwhile have waited as well.
type pace func(now time.Time) (intended time.Time, more bool)

// take returns when the next request is to be sent that is not due for longer than limit: when the server has stalled for
// so long, those before have timed out, unsent. False if there is none.
func (next pace) take(now time.Time, limit time.Duration, counts *recorder) (intended time.Time, more bool) {
	for {
		intended, more = next(now)
		if !more || now.Sub(intended) <= limit {
			return intended, more
		}
		counts.failed(Timeout)
	}
}

// newPace returns the pace of plan, whose first request is due at start.
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

// scheduled is the open loop: the requests are due at equal distances, whatever the server does. Those that are
// due before the end are all sent, late if need be.
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
