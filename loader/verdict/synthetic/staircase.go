package synthetic

import (
	"fmt"
	"math/rand/v2"

	"leaklab/loader/verdict"
)

// staircases are servers that take memory in steps, as allocators do by arenas, and hash tables by doubling. Those that
// have stopped have no step in their last 3, 4 or 5 gains, and each step is 1 to 16 MiB. They need 7 iterations. Those that go
// on take a step of the same size with a chance of a half in each iteration.
func staircases() []Family {
	var families []Family
	for _, flat := range []int{3, 4, 5} {
		families = append(families, Family{
			Name:     fmt.Sprintf("staircase, no step in the last %d gains", flat),
			Truth:    verdict.NoLeak,
			OfLength: true,
			requests: requestsOfGrowth,
			course: func(l load, r *rand.Rand) course {
				n := len(l.done)
				steps := make([]float64, n)
				for range 2 + r.IntN(n-flat-1) {
					steps[r.IntN(n-flat)] += between(1, 16, r) * mebibyte
				}
				return course{level: sums(steps)}
			},
		})
	}
	return append(families, Family{
		Name:     "staircase that goes on",
		Truth:    verdict.Leak,
		requests: requestsOfGrowth,
		course: func(l load, r *rand.Rand) course {
			const chance = 0.5
			step := between(1, 16, r) * mebibyte
			level := l.at(func(done float64) float64 { return chance * step * done })
			errors := make([]float64, len(level))
			taken := 0.0
			for i := range errors {
				if r.Float64() < chance {
					taken += step
				}
				errors[i] = taken - level[i]
			}
			return course{level: level, errors: errors}
		},
	})
}

// sums are the sums up to each of the values.
func sums(values []float64) []float64 {
	sum := 0.0
	var all []float64
	for _, value := range values {
		sum += value
		all = append(all, sum)
	}
	return all
}
