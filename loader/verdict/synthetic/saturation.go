package synthetic

import (
	"math"
	"math/rand/v2"

	"leaklab/loader/verdict"
)

// The requests of an iteration. With a quarter as many, the kernel's and the allocator's grain alone leaves a flat server
// open at a tolerance of 4 bytes a request.
const (
	requestsOfGrowth = 7500
	requestsOfFlat   = 30_000
)

// saturations are servers that grow ever more slowly, by 5 to 60 MiB in the first iteration, with any noise.
//
//   - An exponential is a cache with a fixed number of keys that are requested equally often. Its scale is 2 to 30
//     iterations: what is filled after each is that share of the rest.
//   - A hyperbola is one whose keys are requested unequally (Michaelis and Menten 1913 for the curve). It is half full
//     after 2 to 30 iterations.
//   - A square root, and a power of 0.7, are vocabularies: the number of different keys among those requested (Heaps 1978).
//   - A logarithm is one with the keys of Zipf's law.
func saturations() []Family {
	kinds := []struct {
		name  string
		curve func(done, scale float64) float64
	}{
		{"exponential", func(done, scale float64) float64 { return 1 - math.Exp(-done/scale) }},
		{"hyperbola", func(done, scale float64) float64 { return done / (done + scale) }},
		{"square root", func(done, _ float64) float64 { return math.Sqrt(done) }},
		{"power of 0.7", func(done, _ float64) float64 { return math.Pow(done, 0.7) }},
		{"logarithm", func(done, scale float64) float64 { return math.Log1p(20 * done / scale) }},
	}
	var families []Family
	for _, kind := range kinds {
		families = append(families, Family{
			Name:     "saturation: " + kind.name,
			Truth:    verdict.NoLeak,
			requests: requestsOfGrowth,
			course: func(l load, r *rand.Rand) course {
				scale := between(2, 30, r)
				unit := between(5, 60, r) * mebibyte / kind.curve(1, scale)
				level := l.at(func(done float64) float64 { return unit * kind.curve(done, scale) })
				return course{level: level, errors: anyNoise(len(level), r)}
			},
		})
	}
	return families
}
