package load

import (
	"strconv"
	"strings"
)

func unique() Shape {
	return Shape{
		Name: "unique",
		Help: "requests a new path with a new header field each time",
		apply: func(plain plain) Behaviour {
			var made uint64
			return Behaviour{Next: asTheyAreSent(plain, func(e Exchange) []Exchange {
				made++
				e.Unique = true
				return []Exchange{numbered(e, made)}
			})}
		},
	}
}

// numbered adds a number to the path and to the header of an exchange. It follows the last segment of the path, so that a
// route with a parameter there still matches.
func numbered(e Exchange, number uint64) Exchange {
	n := strconv.FormatUint(number, 10)
	path, query, asked := strings.Cut(e.Path, "?")
	e.Path = path + "-" + n
	if asked {
		e.Path += "?" + query
	}
	e.Header = append(e.Header[:len(e.Header):len(e.Header)], Field{"X-Leaklab-" + n, n})
	return e
}
