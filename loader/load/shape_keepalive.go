package load

// keepAlive sends one request after the other on a connection that stays open.
func keepAlive(plain []Exchange) Behaviour {
	return each(plain, func(e Exchange) []Exchange { return []Exchange{e} })
}
