package judge

import (
	"fmt"
	"time"
)

// What a server that answers takes at least. System calls alone take 2 us a request, and about 1 us if HTTP/2 puts many
// requests into each.
const (
	leastRequests = 1000
	leastCPU      = 500 * time.Nanosecond // a request
)

// Served fails if the processes that were measured have used too little processor time to have answered the requests. It
// is nil as long as that is unknown, or there were too few. Iterations in which processor time may have been lost do not count.
func (j *Judge) Served() error {
	var requests uint64
	var used time.Duration
	for _, i := range j.iterations {
		if cpu, known := i.CPU(); known && i.Start.Lost == i.End.Lost {
			used += cpu
			requests += i.Load.Requests
		}
	}
	if requests < leastRequests || used >= time.Duration(requests)*leastCPU {
		return nil
	}
	return fmt.Errorf("the measured processes used %s of processor time while %d requests were answered, so another process answers them; name it in SERVER_PID",
		used.Round(time.Microsecond), requests)
}
