package load

import (
	"slices"
	"sync"
)

// Kept are the connections of a run that stay open from one iteration to the next. Memory that a server holds for a
// connection adds up then, over all requests of the run. The zero value has none. It is for one server and one shape, and
// not for concurrent use.
//
// A connection that the server has closed in the meantime is opened again, and that is no error. The idle connections of
// a Behaviour are not kept: to open them is the load.
type Kept struct {
	clients []client
	stopped bool       // none is kept any more
	mu      sync.Mutex // lets one connection at a time return from a loop, which takes one more file descriptor for a moment
}

// Close closes the connections. The next iteration opens new ones. It may be called several times.
func (k *Kept) Close() {
	closeAll(k.clients)
	k.clients = nil
}

// Any reports if connections are kept.
func (k *Kept) Any() bool { return len(k.clients) > 0 }

// Missing reports if a connection is not open, nor was since Close: its worker has had no turn yet.
func (k *Kept) Missing() bool {
	return slices.ContainsFunc(k.clients, func(c client) bool { return c.opened() == 0 })
}

// Stop closes the connections, and keeps none from now on: each iteration opens its own, and closes them at its end.
func (k *Kept) Stop() {
	k.stopped = true
	k.Close()
}

// rest keeps the connections of clients until the next iteration, unless k was stopped.
func (k *Kept) rest(clients []client) {
	if k.stopped {
		closeAll(clients)
		return
	}
	k.clients = clients
	for _, c := range clients {
		c.rest()
	}
}

// clients returns a client for each worker that sends requests, with its connection if that was kept.
func (p *Plan) clients() []client {
	var clients []client
	if p.Kept != nil {
		clients, p.Kept.clients = p.Kept.clients, nil
	}
	for len(clients) < p.working() {
		clients = append(clients, newClient(p))
	}
	return clients
}

// closeAll closes connections concurrently, since each may have to wait for the server.
func closeAll(clients []client) {
	var closing sync.WaitGroup
	for _, c := range clients {
		closing.Go(c.close)
	}
	closing.Wait()
}

// opened are the numbers of connections that clients have opened so far.
func opened(clients []client) []uint64 {
	var numbers []uint64
	for _, c := range clients {
		numbers = append(numbers, c.opened())
	}
	return numbers
}

// takeUnasked is the number of events or messages that clients have discarded since the last call, between two iterations.
func takeUnasked(clients []client) uint64 {
	var n uint64
	for _, c := range clients {
		n += c.takeUnasked()
	}
	return n
}

// reopened is the number of connections that clients have opened since, in place of others that the server has closed
// between two responses. It is 0 if the load itself closes them. Each failed request has closed one as well.
func (p *Plan) reopened(before, after []uint64, totals Totals) uint64 {
	if p.Kept == nil || p.Kept.stopped || p.Behaviour.Closes {
		return 0
	}
	var n uint64
	for c := range after {
		if n += after[c] - before[c]; before[c] == 0 && after[c] > 0 {
			n--
		}
	}
	return n - min(n, totals.Errors[Timeout]+totals.Errors[Reset]+totals.Errors[BadResponse]+totals.Errors[Other])
}
