package load

import "fmt"

func slow() Shape {
	return Shape{
		Name: "slow",
		Help: fmt.Sprintf("reads the response %d bytes at a time, with a pause of %s before each read", slowBytes, slowPause),
		apply: func(plain plain) Behaviour {
			return each(plain, func(e Exchange) []Exchange {
				e.Slow = true
				return []Exchange{e}
			})
		},
	}
}
