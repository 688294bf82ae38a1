package record

// Due tells when it is time to judge and to report the first iterations of a run: after each of the first 100, then
// ten times less often for each power of ten, since both take longer the more iterations there are.
func Due(iterations int) bool {
	const eachUntil = 100
	step := 1
	for iterations > eachUntil*step {
		step *= 10
	}
	return iterations%step == 0
}
