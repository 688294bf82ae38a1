package judge

import (
	"fmt"
	"math"

	"leaklab/loader/text"
	"leaklab/loader/verdict"
)

// Limit is how much of a resource a server may have, beside memory.
type Limit struct {
	// Part is the resource: verdict.OpenFiles of a process, verdict.Threads of the server, verdict.Mappings of a process.
	Part verdict.Part
	Most int64  // 0 if unknown
	Of   string // what sets it: "ulimit -n", "vm.max_map_count"
}

// approach is how a limit is neared.
type approach struct {
	seconds float64 // until it is reached under this load
	memory  bool
	limit   string // with its figure
}

// never is the approach to no limit.
var never = approach{seconds: math.Inf(1)}

// TimeToLimit is when the server reaches the nearest limit under this load, in seconds: of its memory, of its heap, or of
// another resource. Infinite if nothing is sure to grow, or there is no limit.
func (j *Judge) TimeToLimit() float64 { return j.nearest(true).seconds }

// timeToLimit says when the server reaches the nearest limit; empty if it does not. Memory counts if the server leaks.
func (j *Judge) timeToLimit() string {
	nearest := j.nearest(j.verdict.Kind == verdict.Leak)
	if math.IsInf(nearest.seconds, 1) {
		return ""
	}
	return fmt.Sprintf("Under this load the server reaches the limit of %s, in %s.", nearest.limit, text.Coarse(nearest.seconds))
}

// nearest is the approach to the limit that is reached first, those of memory included or not.
func (j *Judge) nearest(memory bool) approach {
	rate := j.requestsPerSecond()
	if rate == 0 {
		return never
	}
	nearest := never
	for _, a := range append(j.ofCounts(rate), j.ofMemory(rate), j.ofHeap(rate), j.ofBuffers(rate)) {
		if a.seconds < nearest.seconds && (memory || !a.memory) {
			nearest = a
		}
	}
	return nearest
}

// requestsPerSecond is the rate of requests under load; 0 if there were none.
func (j *Judge) requestsPerSecond() float64 {
	var requests, seconds float64
	for _, i := range j.iterations {
		requests += float64(i.Requests)
		seconds += i.Load.Elapsed.Seconds()
	}
	if requests == 0 || seconds <= 0 {
		return 0
	}
	return requests / seconds
}

// ofMemory is the approach to the limit of the server's memory: by the growth of live memory and of memory outside the heap,
// where these are known, for heap slack is collected before; else by that of held memory.
func (j *Judge) ofMemory(rate float64) approach {
	parts := []verdict.Part{verdict.Held}
	if _, known := j.verdict.KnownGrowth(verdict.Live); known {
		parts = []verdict.Part{verdict.Live, verdict.Outside}
	}
	growth := 0.0
	for _, part := range parts {
		if grows, sure := j.sureGrowth(part); sure {
			growth += grows
		}
	}
	if growth <= 0 || j.limit.Bytes == 0 {
		return never
	}
	end := j.Last().End
	left := float64(j.limit.Bytes - end.HeldBytes())
	return approach{seconds: max(0, left) / (growth * rate), memory: true, limit: fmt.Sprintf("%s, %s", j.limit.Of, text.MiB(j.limit.Bytes))}
}

// ofHeap is the approach to the limit of the runtime's heap by the growth of live memory: slack is collected before. The
// limit is one of a process; the server's processes are taken as equal.
func (j *Judge) ofHeap(rate float64) approach {
	growth, sure := j.sureGrowth(verdict.Live)
	live := j.Last().Live
	if !sure || live == nil || live.Limit.Bytes == 0 {
		return never
	}
	processes := float64(max(1, live.Processes))
	left := float64(live.Limit.Bytes) - float64(live.Bytes)/processes
	return approach{seconds: max(0, left) / (growth / processes * rate), memory: true, limit: fmt.Sprintf("%s, %s", live.Limit.Of, text.MiB(live.Limit.Bytes))}
}

// ofBuffers is the approach to the limit of buffers outside the heap, if memory outside the heap is sure to grow, by what
// they have gained since the warm-up. The limit is one of a process; the server's processes are taken as equal.
func (j *Judge) ofBuffers(rate float64) approach {
	live := j.Last().Live
	if _, sure := j.sureGrowth(verdict.Outside); !sure || live == nil || live.BuffersLimit.Bytes == 0 {
		return never
	}
	gained, requests := 0.0, 0.0
	first := j.verdict.GrowthOf(verdict.Outside).Judged.First
	for n := len(j.iterations) - 1; n > 0 && j.iterations[n].Number >= first; n-- {
		before := j.iterations[n-1].Live
		if before == nil {
			break
		}
		requests += float64(j.iterations[n].Requests)
		gained = float64(live.Buffers - before.Buffers)
	}
	if gained <= 0 || requests == 0 {
		return never
	}
	processes := float64(max(1, live.Processes))
	left := float64(live.BuffersLimit.Bytes) - float64(live.Buffers)/processes
	return approach{
		seconds: max(0, left) / (gained / requests / processes * rate), memory: true,
		limit: fmt.Sprintf("%s, %s", live.BuffersLimit.Of, text.MiB(live.BuffersLimit.Bytes)),
	}
}

// ofCounts are the approaches to the limits of other resources.
func (j *Judge) ofCounts(rate float64) []approach {
	end := j.Last().End
	var all []approach
	for _, limit := range j.limits {
		count, processes := 0.0, 1.0
		switch limit.Part {
		case verdict.OpenFiles:
			count, processes = float64(end.OpenFiles), float64(max(1, end.Processes))
		case verdict.Threads:
			count = float64(end.Threads)
		case verdict.Mappings:
			if end.Held != nil {
				count = float64(end.Held.Count)
			}
		}
		for _, g := range j.verdict.Parts {
			if g.Part == limit.Part && g.Lower > 0 && limit.Most > 0 && count > 0 {
				left := max(0, float64(limit.Most)-count/processes)
				all = append(all, approach{seconds: left / (g.Growth / processes * rate), limit: fmt.Sprintf("%s, %d %s", limit.Of, limit.Most, limit.Part)})
			}
		}
	}
	return all
}

// sureGrowth is the growth of a part of held memory in bytes per request; false if it is not sure to grow.
func (j *Judge) sureGrowth(part verdict.Part) (float64, bool) {
	g, known := j.verdict.KnownGrowth(part)
	return g.Growth, known && g.Lower > 0
}
