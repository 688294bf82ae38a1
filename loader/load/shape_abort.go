package load

func abort() Shape {
	return Shape{
		Name: "abort",
		Help: "disconnects alternately after half of the request and after the first bytes of the response",
		apply: func(plain plain) Behaviour {
			return each(plain, func(e Exchange) []Exchange {
				half, first := e, e
				half.Cut, first.Cut = CutRequest, CutAnswer
				return []Exchange{half, first}
			})
		},
	}
}
