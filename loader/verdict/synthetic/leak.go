package synthetic

import (
	"math/rand/v2"

	"leaklab/loader/verdict"
)

// steadyLeaks are servers that keep something of each request, with any noise: in an iteration as much as saturations in
// their first, or less, and objects of lognormal size.
func steadyLeaks() []Family {
	steady := func(name string, least, most float64) Family {
		return Family{
			Name:     name,
			Truth:    verdict.Leak,
			requests: requestsOfGrowth,
			course: func(l load, r *rand.Rand) course {
				gain := between(least, most, r) * mebibyte
				level := l.at(func(done float64) float64 { return gain * done })
				return course{level: level, errors: anyNoise(len(level), r)}
			},
		}
	}
	return []Family{
		steady("steady leak of 5 to 60 MiB an iteration", 5, 60),
		steady("steady leak of 1 to 5 MiB an iteration", 1, 5),
		steady("steady leak of 0.2 to 1 MiB an iteration", 0.2, 1),
		{
			Name:     "leak of one response of lognormal size in 20",
			Truth:    verdict.Leak,
			requests: requestsOfGrowth,
			course: func(l load, r *rand.Rand) course {
				const share = 0.05
				size := lognormal(between(4096, 65536, r), 1.5)
				kept := make([]float64, len(l.done))
				for i, requests := range l.requests {
					for range int(requests) {
						if r.Float64() < share {
							kept[i] += size(r)
						}
					}
				}
				return course{level: sums(kept)}
			},
		},
	}
}
