package load

// churn opens a new connection for each request.
func churn(plain []Exchange) Behaviour {
	return each(plain, func(e Exchange) []Exchange {
		e.Close = true
		return []Exchange{e}
	})
}
