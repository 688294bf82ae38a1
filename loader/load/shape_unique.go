package load

import "strconv"

func unique() Shape {
	return Shape{
		Name: "unique",
		Help: "requests what is new each time, in the parts that UNIQUE names",
		apply: func(plain plain) Behaviour {
			var made uint64
			return Behaviour{Next: asTheyAreSent(plain, func(e Exchange) []Exchange {
				made++
				e.Unique = true
				n, changed := strconv.FormatUint(made, 10), []Exchange{e}
				for _, d := range plain.unique {
					d.number(&changed[0], n)
				}
				return changed
			})}
		},
	}
}
