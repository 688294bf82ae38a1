package load

// idlePerWorker is how many silent connections each worker holds; one worker in ten works.
const idlePerWorker = 10

// idle holds many connections open and silent while a few work.
func idle(plain []Exchange) Behaviour {
	b := keepAlive(plain)
	b.Idle, b.OneIn = idlePerWorker, 10
	return b
}
