package lab

import (
	"cmp"
	"slices"
	"time"

	"leaklab/loader/memory"
)

// mostWorkers is how many workers of a server are followed at a time, the oldest.
const mostWorkers = 64

// Worker is one of several processes that run a server's program, at the end of an iteration.
type Worker struct {
	PID     int
	Started uint64 // clock ticks since the boot of the machine
	// Requests are those that it has answered since it was first seen: in each iteration its share by processor time.
	Requests float64
	Bytes    int64 // what it holds for itself
}

// calm is the processor time that the server used, and the requests that it answered, in the iterations so far in which no
// worker came or went.
type calm struct {
	used     time.Duration
	requests uint64
}

// follow sets the workers at the end reading, with the requests that they have answered. before is the iteration before.
// None are known if processes, their processor times or what each holds is not, as of a process that is alone.
//
// A worker's share of the requests is that of its processor time in what the server has used. Equal shares would be wrong:
// workers that wait at one socket are woken unevenly, and a connection that stays open belongs to one of them. To start and
// to end a worker may take longer than hundreds of requests. So in an iteration in which one came or went, a request counts
// as long as in those without. In an iteration in which a worker is not known its count stays as it was.
func (i *Iteration) follow(before Iteration) {
	i.calm, i.followed = before.calm, before.followed
	used, known := i.CPU()
	start, end := workersOf(i.Start.Members), workersOf(i.End.Members)
	if !known || used == 0 || len(end) == 0 {
		return
	}
	served := make([]time.Duration, len(end)) // processor time in this iteration; 0 of one that came
	sum := time.Duration(0)
	for n, m := range end {
		if at := slices.IndexFunc(start, m.Is); at >= 0 {
			served[n] = max(0, m.CPU-start[at].CPU)
		}
		sum += served[n]
	}
	requests := float64(i.Requests) / float64(max(1, sum)) // for each unit of processor time
	switch {
	case len(missing(start, end)) == 0 && len(missing(end, start)) == 0:
		requests = float64(i.Requests) / float64(max(used, sum))
		i.calm.used += used
		i.calm.requests += i.Requests
	case i.calm.used > 0:
		requests = min(requests, float64(i.calm.requests)/float64(i.calm.used))
	}
	for n, m := range end[:min(len(end), mostWorkers)] {
		w := Worker{PID: m.PID, Started: m.Started, Bytes: m.Own, Requests: requests * float64(served[n])}
		if at := slices.IndexFunc(before.followed, w.is); at >= 0 {
			w.Requests += before.followed[at].Requests
		}
		i.Workers = append(i.Workers, w)
	}
	i.followed = slices.Clone(i.Workers)
	for _, w := range before.followed {
		goesOn := slices.ContainsFunc(i.End.Members, func(m memory.Member) bool { return w.is(Worker{PID: m.PID, Started: m.Started}) })
		if goesOn && !slices.ContainsFunc(i.Workers, w.is) {
			i.followed = append(i.followed, w)
		}
	}
}

// is is true if both are the same process.
func (w Worker) is(other Worker) bool { return w.PID == other.PID && w.Started == other.Started }

// workersOf are the processes of which is known what they hold for themselves, the oldest first.
func workersOf(members []memory.Member) []memory.Member {
	all := slices.DeleteFunc(slices.Clone(members), func(m memory.Member) bool { return m.Own == 0 || m.CPU == 0 })
	slices.SortFunc(all, func(a, b memory.Member) int {
		return cmp.Or(cmp.Compare(a.Started, b.Started), cmp.Compare(a.PID, b.PID))
	})
	return all
}
