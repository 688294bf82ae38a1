package load

// upload sends the body with POST, in turns with its length and in chunks.
func upload(plain []Exchange) Behaviour {
	return each(plain, func(e Exchange) []Exchange {
		if e.Method == "GET" {
			e.Method = "POST"
		}
		chunked := e
		chunked.Chunked = true
		return []Exchange{e, chunked}
	})
}
