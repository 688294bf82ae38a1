package load

import (
	"bytes"
	"cmp"
	"slices"
)

// Target is what one of several requests asks for.
type Target struct {
	Path string
	// Method, if it is not empty, and Body stand in place of those of the Request.
	Method string
	Body   Body
	// Weight is how often it is requested, in proportion to those of the others. 0 is 1.
	Weight int
}

// turns returns the cycle in which targets are requested, as indexes of them. Each is there as often as its weight says, at
// even distances (stride scheduling: Waldspurger and Weihl, MIT/LCS/TM-528, 1995).
func turns(targets []Target) []int32 {
	type turn struct{ target, number int32 }
	length := 0
	for _, t := range targets {
		length += max(1, t.Weight)
	}
	cycle := make([]turn, 0, length)
	for n, t := range targets {
		for number := range max(1, t.Weight) {
			cycle = append(cycle, turn{int32(n), int32(number)})
		}
	}
	if length > len(targets) {
		// A turn is due at (number + 1/2) / weight of the cycle.
		due := func(of, other turn) int {
			return (2*int(of.number) + 1) * max(1, targets[other.target].Weight)
		}
		slices.SortStableFunc(cycle, func(a, b turn) int { return cmp.Compare(due(a, b), due(b, a)) })
	}
	order := make([]int32, length)
	for n, t := range cycle {
		order[n] = t.target
	}
	return order
}

// plain are the exchanges of a request before a shape changes them: one for each target.
type plain struct {
	of      Exchange // without a path
	targets []Target
	many    func() func() Target // in place of targets; nil without
	unique  []Dimension          // for the shape of that name
	calls   bool                 // as in Request
}

func (r Request) plain(address string) plain {
	p := plain{of: Exchange{Method: r.Method, Host: r.Host, Header: r.Header, Body: r.Body}, targets: r.Targets, many: r.ManyTargets, calls: r.Calls}
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
	if p.targets == nil {
		for _, path := range r.Paths {
			p.targets = append(p.targets, Target{Path: path})
		}
	}
	p.unique = dimensionsNamed(r.Unique)
	if r.Calls { // whose path names the method, and whose body are messages
		p.unique = slices.DeleteFunc(p.unique, func(d Dimension) bool { return !slices.Contains(CallDimensions(), d.Name) })
	}
	return p
}

// exchange is the plain exchange of a target.
func (p plain) exchange(t Target) Exchange {
	e := p.of
	e.Path = t.Path
	if t.Method != "" {
		e.Method, e.Body = t.Method, t.Body
	}
	return e
}

// inTurn returns a function that returns the exchanges one after the other, for ever. It is not safe for concurrent use.
// Of too many for memory, each comes as often in succession as its weight says.
func (p plain) inTurn() func() Exchange {
	if p.many != nil {
		next, left := p.many(), 0
		var t Target
		return func() Exchange {
			if left == 0 {
				t = next()
				left = max(1, t.Weight)
			}
			left--
			return p.exchange(t)
		}
	}
	order, n := turns(p.targets), -1
	return func() Exchange {
		n++
		return p.exchange(p.targets[order[n%len(order)]])
	}
}
