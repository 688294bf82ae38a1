package synthetic

import (
	"math/rand/v2"

	"leaklab/loader/verdict"
)

// warmUps are servers whose runtime compiles what is used often: code and its data are taken in up to 100 steps of lognormal
// size, ever more seldom, until a last iteration, which is the second to the twenty-fifth. All of it takes 4 to 40 MiB. Then
// nothing grows, or a true leak of 1 to 5 MiB an iteration, which is there from the beginning. Noise is any.
func warmUps() []Family {
	return []Family{
		{
			Name:     "warm-up of 2 to 25 iterations, then flat",
			Truth:    verdict.NoLeak,
			requests: requestsOfFlat,
			course: func(l load, r *rand.Rand) course {
				return course{level: compiled(l, 25, r), errors: anyNoise(len(l.done), r)}
			},
		},
		{
			Name:     "warm-up of 2 to 8 iterations, then flat",
			Truth:    verdict.NoLeak,
			requests: requestsOfFlat,
			course: func(l load, r *rand.Rand) course {
				return course{level: compiled(l, 8, r), errors: anyNoise(len(l.done), r)}
			},
		},
		{
			Name:     "warm-up of 2 to 8 iterations, and a leak of 1 to 5 MiB an iteration",
			Truth:    verdict.Leak,
			requests: requestsOfFlat,
			course: func(l load, r *rand.Rand) course {
				level, gain := compiled(l, 8, r), between(1, 5, r)*mebibyte
				for i, done := range l.done {
					level[i] += gain * done
				}
				return course{level: level, errors: anyNoise(len(level), r)}
			},
		},
	}
}

// compiled is what compiled code takes, in bytes, of a warm-up that ends after 2 to most iterations.
func compiled(l load, most float64, r *rand.Rand) []float64 {
	end, total := between(2, most, r), between(4, 40, r)*mebibyte
	steps := 20 + r.IntN(80)
	at, size, all := make([]float64, steps), make([]float64, steps), 0.0
	for i := range steps {
		u := r.Float64()
		at[i], size[i] = end*u*u, lognormal(1, 1)(r)
		all += size[i]
	}
	return l.at(func(done float64) float64 {
		sum := 0.0
		for i := range steps {
			if at[i] <= done {
				sum += size[i]
			}
		}
		return total * sum / all
	})
}
