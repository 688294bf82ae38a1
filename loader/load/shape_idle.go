package load

// idlePerWorker is the number of idle connections of each worker; idleOneIn is the number of workers per active one.
const (
	idlePerWorker = 10
	idleOneIn     = 10
)

func idle() Shape {
	return Shape{
		Name: "idle",
		Help: "holds ten more connections open and idle, while one client in ten sends requests",
		apply: func(plain plain) Behaviour {
			b := keepAlive().apply(plain)
			b.Idle, b.OneIn = idlePerWorker, idleOneIn
			return b
		},
	}
}
