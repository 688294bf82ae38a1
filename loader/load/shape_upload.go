package load

func upload() Shape {
	return Shape{
		Name:      "upload",
		Help:      "sends BODY_BYTES by POST, alternately with Content-Length and chunked; with gRPC a message of that size",
		NeedsBody: true,
		apply: func(plain plain) Behaviour {
			return each(plain, func(e Exchange) []Exchange {
				if e.Method == "GET" {
					e.Method = "POST"
				}
				if plain.calls {
					return []Exchange{e}
				}
				chunked := e
				chunked.Chunked = true
				return []Exchange{e, chunked}
			})
		},
	}
}
