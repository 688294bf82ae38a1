package load

func keepAlive() Shape {
	return Shape{
		Name: "keepalive",
		Help: "sends requests one after the other over one connection",
		apply: func(plain plain) Behaviour {
			return each(plain, func(e Exchange) []Exchange { return []Exchange{e} })
		},
	}
}
