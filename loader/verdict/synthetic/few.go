package synthetic

import (
	"math"
	"math/rand/v2"

	"leaklab/loader/verdict"
)

// fewRequests are servers that answer about 60 requests in ten iterations, as one does with an iteration of a millisecond.
// Resident memory moves by half a MiB anyhow, for runtimes take pages as they please: as white noise, as a random walk, or as
// a rise that ends. A leak among them keeps 1 to 4 MiB a request.
func fewRequests() []Family {
	const requests, moves = 6, 0.5 * mebibyte
	own := func(l load, r *rand.Rand) []float64 {
		n := len(l.done)
		switch r.IntN(3) {
		case 0:
			return noise(n, moves/2, 0, r)
		case 1:
			return noise(n, moves/math.Sqrt(float64(n)), 1, r)
		}
		scale := between(1, 20, r)
		return l.at(func(done float64) float64 { return moves * (1 - math.Exp(-done/scale)) })
	}
	return []Family{
		{
			Name:     "60 requests in ten iterations, no leak",
			Truth:    verdict.NoLeak,
			requests: requests,
			course: func(l load, r *rand.Rand) course {
				return course{level: make([]float64, len(l.done)), errors: own(l, r)}
			},
		},
		{
			Name:     "60 requests in ten iterations, 1 to 4 MiB each kept",
			Truth:    verdict.Leak,
			requests: requests,
			course: func(l load, r *rand.Rand) course {
				kept := between(1, 4, r) * mebibyte * requests
				return course{level: l.at(func(done float64) float64 { return kept * done }), errors: own(l, r)}
			},
		},
	}
}
