package load

// slow reads the answers a few bytes at a time.
func slow(plain []Exchange) Behaviour {
	return each(plain, func(e Exchange) []Exchange {
		e.Slow = true
		return []Exchange{e}
	})
}
