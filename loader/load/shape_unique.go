package load

import (
	"strconv"
	"strings"
	"sync/atomic"
)

// unique asks for a path, and has a line in its header, that no request before had. The path's last part stays,
// with a number after it, so that a route with a parameter there still fits.
func unique(plain []Exchange) Behaviour {
	var made atomic.Uint64
	return Behaviour{Next: func() *Exchange {
		turn := made.Add(1)
		e := plain[(turn-1)%uint64(len(plain))]
		n := strconv.FormatUint(turn, 10)
		path, query, asked := strings.Cut(e.Path, "?")
		e.Path = path + "-" + n
		if asked {
			e.Path += "?" + query
		}
		e.Header = append(e.Header[:len(e.Header):len(e.Header)], Field{"X-Leaklab-" + n, n})
		return newExchange(e)
	}}
}
