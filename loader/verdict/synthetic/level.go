package synthetic

import (
	"math/rand/v2"

	"leaklab/loader/verdict"
)

// levels are servers that are flat but for one fall or rise of 0.5 to 8 MiB, with any noise: an allocator gives back what
// the start-up freed, a pool is filled at once, or a collector returns pages late in the run.
func levels() []Family {
	change := func(name string, sign float64, at func(n int, r *rand.Rand) int) Family {
		return Family{
			Name:     name,
			Truth:    verdict.NoLeak,
			requests: requestsOfFlat,
			course: func(l load, r *rand.Rand) course {
				n := len(l.done)
				changes := make([]float64, n)
				changes[at(n, r)] = sign * between(0.5, 8, r) * mebibyte
				return course{level: sums(changes), errors: anyNoise(n, r)}
			},
		}
	}
	return []Family{
		change("fall after the first iteration, then flat", -1, func(int, *rand.Rand) int { return 1 }),
		change("rise after 1 to 4 iterations, then flat", 1, func(_ int, r *rand.Rand) int { return 1 + r.IntN(4) }),
		change("flat, with a fall in the second half", -1, func(n int, r *rand.Rand) int { return n/2 + r.IntN(n-n/2) }),
		change("flat", 0, func(int, *rand.Rand) int { return 0 }),
	}
}
