package load

import (
	"bytes"
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

// plain are the exchanges of a request before a shape changes them: one for each path.
type plain struct {
	of    Exchange // without a path
	paths []string
	many  func() func() string // in place of paths; nil without
	calls bool                 // as in Request
}

func (r Request) plain(address string) plain {
	p := plain{of: Exchange{Method: r.Method, Host: r.Host, Header: r.Header, Body: r.Body}, paths: r.Paths, many: r.ManyPaths, calls: r.Calls}
	switch {
	case r.Calls:
		p.of.Method, p.of.Header = "POST", callHeader(r.Header)
		p.of.Chunked = true // the length of a stream of messages is not told
		if sizeOf(r.Body) == 0 {
			p.of.Body = bytes.NewReader(Messages(nil))
		}
	case p.of.Method == "":
		p.of.Method = "GET"
	}
	if p.of.Host == "" {
		p.of.Host = address
	}
	return p
}

// inTurn returns a function that returns the exchanges one after the other, for ever. It is not safe for concurrent use.
func (p plain) inTurn() func() Exchange {
	n := -1
	next := func() string {
		n++
		return p.paths[n%len(p.paths)]
	}
	if p.many != nil {
		next = p.many()
	}
	return func() Exchange {
		e := p.of
		e.Path = next()
		return e
	}
}

// each is a behaviour that sends what change makes of each plain exchange. Exchanges are made once, or as they are sent
// if they would take too much memory.
func each(p plain, change func(Exchange) []Exchange) Behaviour {
	variants := change(p.of)
	closes := slices.ContainsFunc(variants, func(e Exchange) bool { return e.Close || e.Cut != CutNothing })
	size := 0
	for _, path := range p.paths {
		size += p.of.headerSize() + len(path)
	}
	if p.many != nil || size*len(variants) > wireLimit {
		return Behaviour{Next: asTheyAreSent(p, change), Closes: closes}
	}
	streamed := sizeOf(p.of.Body) > int64(wireLimit/max(1, len(p.paths)*len(variants)))
	var all []*Exchange
	for next := p.inTurn(); len(all) < len(p.paths)*len(variants); {
		for _, changed := range change(next()) {
			all = append(all, newExchange(changed, streamed))
		}
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
