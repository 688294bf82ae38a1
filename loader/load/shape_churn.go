package load

func churn() Shape {
	return Shape{
		Name: "churn",
		Help: "opens a new connection for each request",
		apply: func(plain plain) Behaviour {
			return each(plain, func(e Exchange) []Exchange {
				e.Close = true
				return []Exchange{e}
			})
		},
	}
}
