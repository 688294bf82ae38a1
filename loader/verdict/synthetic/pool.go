package synthetic

import (
	"fmt"
	"math"
	"math/rand/v2"

	"leaklab/loader/verdict"
)

// pools are servers whose threads, or a pool such as Go's sync.Pool, keep buffers that are enlarged but never made smaller.
// Each request uses any of them, so each holds the largest response that it was ever used for. What they hold in sum
// grows ever more slowly, without end: the extreme value of a growing sample (Gumbel, "Statistics of Extremes", 1958).
//
// The sizes of responses are lognormal, or have the tail of a Pareto distribution (Barford and Crovella, "Generating
// representative web workloads for network and server performance evaluation", 1998) up to 4 MiB, which is the limit of a message in gRPC.
func pools() []Family {
	kinds := []struct {
		name    string
		buffers int
		size    func(r *rand.Rand) float64
	}{
		{"2,000 buffers, lognormal sizes", 2000, lognormal(4096, 1.5)},
		{"64 threads, lognormal sizes", 64, lognormal(65536, 1.5)},
		{"500 buffers, Pareto sizes", 500, pareto(8192, 1.3, 4*mebibyte)},
	}
	var families []Family
	for _, kind := range kinds {
		for _, requests := range []float64{1000, 2500, 7500} {
			families = append(families, Family{
				Name:     fmt.Sprintf("pool of %s, %.0f requests", kind.name, requests),
				Truth:    verdict.NoLeak,
				requests: requests,
				course:   func(l load, r *rand.Rand) course { return course{level: pool(l, kind.buffers, kind.size, r)} },
			})
		}
	}
	return families
}

// pool is what the buffers hold, in bytes, at each end reading.
func pool(l load, buffers int, size func(r *rand.Rand) float64, r *rand.Rand) []float64 {
	largest, held := make([]float64, buffers), 0.0
	var level []float64
	for _, requests := range l.requests {
		for range int(requests) {
			buffer, needed := r.IntN(buffers), size(r)
			if more := needed - largest[buffer]; more > 0 {
				largest[buffer] = needed
				held += more
			}
		}
		level = append(level, held)
	}
	return level
}

// lognormal draws sizes with the given median, and the given standard deviation of their logarithm.
func lognormal(median, deviation float64) func(r *rand.Rand) float64 {
	return func(r *rand.Rand) float64 { return median * math.Exp(deviation*r.NormFloat64()) }
}

// pareto draws sizes of at least the given one, with a tail of the given index, up to a limit.
func pareto(least, index, limit float64) func(r *rand.Rand) float64 {
	return func(r *rand.Rand) float64 { return min(limit, least*math.Pow(1-r.Float64(), -1/index)) }
}
