package load

import (
	"strconv"
	"strings"
)

func unique() Shape {
	return Shape{
		Name: "unique",
		Help: "requests a new path with a new header field each time; with gRPC a new header field alone",
		apply: func(plain plain) Behaviour {
			var made uint64
			return Behaviour{Next: asTheyAreSent(plain, func(e Exchange) []Exchange {
				made++
				e.Unique = true
				return []Exchange{numbered(e, made, !plain.calls)}
			})}
		},
	}
}

// numbered adds a number to the header of an exchange, and to the path if that is wanted. It follows the last segment of
// the path, so that a route with a parameter there still matches.
func numbered(e Exchange, number uint64, path bool) Exchange {
	n := strconv.FormatUint(number, 10)
	if before, query, asked := strings.Cut(e.Path, "?"); path {
		e.Path = before + "-" + n
		if asked {
			e.Path += "?" + query
		}
	}
	e.Header = append(e.Header[:len(e.Header):len(e.Header)], Field{"X-Leaklab-" + n, n})
	return e
}
