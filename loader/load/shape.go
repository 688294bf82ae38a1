package load

import (
	"slices"
	"sync/atomic"
)

// Shape is a way to load a server: what its clients do. It is given one exchange for each path, and returns what
// the clients send one after the other; the function that it returns is called from many goroutines at a time.
type Shape func(plain []Exchange) Behaviour

// Behaviour is what a shape makes of a request, for a whole run.
type Behaviour struct {
	Next func() *Exchange
	// Idle is how many connections each worker holds besides its own, silent after a request each.
	Idle int
	// OneIn is how few of the workers work: one in so many. The others only hold their silent connections.
	OneIn int
}

// shapes are all of them, in the order in which they are listed.
var shapes = []struct {
	name  string
	shape Shape
}{
	{"keepalive", keepAlive},
	{"churn", churn},
	{"abort", abort},
	{"slow", slow},
	{"upload", upload},
	{"idle", idle},
	{"unique", unique},
}

// NewBehaviour returns what the clients do in a run: the request in the given shape. address is the server's, as
// host:port.
func NewBehaviour(shape Shape, request Request, address string) Behaviour {
	return shape(request.exchanges(address))
}

// ShapeNames are the names of all shapes.
func ShapeNames() []string {
	var names []string
	for _, s := range shapes {
		names = append(names, s.name)
	}
	return names
}

// ShapeNamed returns the shape of that name; nil if there is none.
func ShapeNamed(name string) Shape {
	n := slices.Index(ShapeNames(), name)
	if n < 0 {
		return nil
	}
	return shapes[n].shape
}

// inTurn returns the exchanges one after the other, for ever.
func inTurn(exchanges []*Exchange) func() *Exchange {
	if len(exchanges) == 1 {
		return func() *Exchange { return exchanges[0] }
	}
	var taken atomic.Uint64
	return func() *Exchange { return exchanges[(taken.Add(1)-1)%uint64(len(exchanges))] }
}

// each is a behaviour that sends what change makes of each plain exchange.
func each(plain []Exchange, change func(Exchange) []Exchange) Behaviour {
	var all []*Exchange
	for _, e := range plain {
		for _, changed := range change(e) {
			all = append(all, newExchange(changed))
		}
	}
	return Behaviour{Next: inTurn(all)}
}
