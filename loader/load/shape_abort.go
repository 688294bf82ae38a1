package load

// abort vanishes, in turns after half of the request and after the first bytes of the answer.
func abort(plain []Exchange) Behaviour {
	return each(plain, func(e Exchange) []Exchange {
		half, first := e, e
		half.Cut, first.Cut = CutRequest, CutAnswer
		return []Exchange{half, first}
	})
}
