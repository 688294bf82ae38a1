package load

import (
	"slices"
	"sync"
	"sync/atomic"
)

// Shape is a load pattern: what the clients do. The setting SHAPE names one.
type Shape struct {
	Name string
	// Help completes the sentence "each client ...". It is plain text on one line.
	Help string
	// NeedsBody is true if a request without a body gets one of BODY_BYTES.
	NeedsBody bool

	// apply returns what the clients send.
	apply func(plain plain) Behaviour
}

// Shapes returns all shapes, in the order in which they are listed. A new shape is a file shape_NAME.go and a line here.
func Shapes() []Shape {
	return []Shape{
		keepAlive(),
		churn(),
		abort(),
		slow(),
		upload(),
		idle(),
		unique(),
	}
}

// ShapeNames returns the names of all shapes.
func ShapeNames() []string {
	var names []string
	for _, s := range Shapes() {
		names = append(names, s.Name)
	}
	return names
}

// ShapeNamed returns the shape of the given name; nil if there is none.
func ShapeNamed(name string) *Shape {
	shapes := Shapes()
	n := slices.IndexFunc(shapes, func(s Shape) bool { return s.Name == name })
	if n < 0 {
		return nil
	}
	return &shapes[n]
}

// Behaviour is what a shape makes of a request, for a whole run.
type Behaviour struct {
	// Next returns the next exchange. It is safe for concurrent use.
	Next func() *Exchange
	// Idle is the number of connections that each worker holds besides its main one, idle after one request each.
	Idle int
	// OneIn is the number of workers per active one: 10 means that one worker in ten sends requests. The others only hold
	// their idle connections. 0 and 1 mean that all are active.
	OneIn int
	// Closes is true if clients close their connections as part of the load.
	Closes bool
}

// NewBehaviour returns what the clients do in a run: the request in the given shape. address is the server's host:port.
func NewBehaviour(shape *Shape, request Request, address string) Behaviour {
	return shape.apply(request.plain(address))
}

// inTurn returns the exchanges one after the other, for ever.
func inTurn(exchanges []*Exchange) func() *Exchange {
	if len(exchanges) == 1 {
		return func() *Exchange { return exchanges[0] }
	}
	var taken atomic.Uint64
	return func() *Exchange { return exchanges[(taken.Add(1)-1)%uint64(len(exchanges))] }
}

// each is a behaviour that sends what change makes of each plain exchange. Exchanges are made once, or as they are sent
// if they would take too much memory.
func each(p plain, change func(Exchange) []Exchange) Behaviour {
	variants := change(p.of)
	closes := slices.ContainsFunc(variants, func(e Exchange) bool { return e.Close || e.Cut != CutNothing })
	headers, bodies := 0, int64(0)
	for _, t := range p.targets {
		e := p.exchange(t)
		headers += e.headerSize() + len(e.Path)
		bodies += sizeOf(e.Body)
	}
	if p.many != nil || headers*len(variants) > wireLimit {
		return Behaviour{Next: asTheyAreSent(p, change), Closes: closes}
	}
	share := int64(wireLimit / max(1, len(p.targets)*len(variants))) // of each body, if all together are too large
	tooLarge := bodies*int64(len(variants)) > wireLimit
	made := make([][]*Exchange, len(p.targets))
	for n, t := range p.targets {
		for _, changed := range change(p.exchange(t)) {
			made[n] = append(made[n], newExchange(changed, tooLarge && sizeOf(changed.Body) > share))
		}
	}
	order := turns(p.targets)
	all := make([]*Exchange, 0, len(order)*len(variants))
	for _, n := range order {
		all = append(all, made[n]...)
	}
	return Behaviour{Next: inTurn(all), Closes: closes}
}

// asTheyAreSent returns a function that makes what change makes of each plain exchange.
func asTheyAreSent(p plain, change func(Exchange) []Exchange) func() *Exchange {
	var mu sync.Mutex
	var changed []Exchange // of one plain exchange
	next := p.inTurn()
	take := func() Exchange {
		mu.Lock()
		defer mu.Unlock()
		if len(changed) == 0 {
			changed = change(next())
		}
		e := changed[0]
		changed = changed[1:]
		return e
	}
	return func() *Exchange {
		e := take()
		return newExchange(e, sizeOf(e.Body) > wholeLimit)
	}
}
