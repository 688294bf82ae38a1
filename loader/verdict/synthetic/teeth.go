package synthetic

import (
	"math/rand/v2"

	"leaklab/loader/verdict"
)

// teeth are servers with a collected heap, whose readings rise for 3 to 6 iterations and then fall by 1 to 8 MiB, and servers
// that take 1 to 16 MiB at a random request, 0.2 to 1 times an iteration: a table that is copied, or a rare error.
func teeth() []Family {
	saw := func(name string, truth verdict.Kind, least, most float64) Family {
		return Family{
			Name:     name,
			Truth:    truth,
			requests: requestsOfFlat,
			course: func(l load, r *rand.Rand) course {
				period, phase := 3+r.IntN(4), r.IntN(6)
				tooth, gain := between(1, 8, r)*mebibyte, 0.0
				if most > 0 {
					gain = tooth * between(least, most, r)
				}
				c := course{level: l.at(func(done float64) float64 { return gain * done }), errors: make([]float64, len(l.done))}
				noise := anyNoise(len(l.done), r)
				for i := range c.errors {
					c.errors[i] = tooth*float64((i+phase)%period)/float64(period-1) + errorAt(noise, i)
				}
				return c
			},
		}
	}
	return []Family{
		saw("saw-teeth, no growth", verdict.NoLeak, 0, 0),
		saw("saw-teeth, and a leak of half a tooth to 5 an iteration", verdict.Leak, 0.5, 5),
		{
			Name:     "random jumps, 0.2 to 1 an iteration",
			Truth:    verdict.Leak,
			requests: requestsOfGrowth,
			course: func(l load, r *rand.Rand) course {
				rate, size := between(0.2, 1, r), between(1, 16, r)*mebibyte
				c := course{level: l.at(func(done float64) float64 { return rate * size * done }), errors: make([]float64, len(l.done))}
				next, taken := r.ExpFloat64()/rate, 0.0
				for i, done := range l.done {
					for ; next <= done; next += r.ExpFloat64() / rate {
						taken += size
					}
					c.errors[i] = taken - c.level[i]
				}
				return c
			},
		},
	}
}
