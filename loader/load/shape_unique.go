package load

func unique() Shape {
	return Shape{
		Name: "unique",
		Help: "requests what is new each time, in the parts that UNIQUE names",
		apply: func(plain plain) Behaviour {
			var made uint64
			return Behaviour{Next: asTheyAreSent(plain, func(e Exchange) []Exchange {
				made++
				for _, d := range plain.unique {
					d.number(&e, made)
				}
				return []Exchange{e}
			})}
		},
	}
}
