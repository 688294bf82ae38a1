package synthetic

import (
	"math"
	"math/rand/v2"

	"leaklab/loader/verdict"
)

const liveRequests = 2500

// liveFamilies are servers with live memory. It is exact, or moves by 2 KB, as V8's. Memory outside the heap has warmed up
// and moves by 0.02 to 0.1 MB, unless the family says otherwise; slack is anything up to 45 MB.
func liveFamilies() []Family {
	family := func(name string, truth verdict.Kind, live func(l load, r *rand.Rand) []float64) Family {
		return Family{Name: "live: " + name, Truth: truth, Live: true, requests: liveRequests, course: func(l load, r *rand.Rand) course {
			c := quiet(l, r)
			c.live = live(l, r)
			return c
		}}
	}
	outside := func(name string, truth verdict.Kind, held func(l load, r *rand.Rand) course) Family {
		return Family{Name: "live, and outside: " + name, Truth: truth, Live: true, requests: requestsOfGrowth, course: func(l load, r *rand.Rand) course {
			c := held(l, r)
			c.live, c.liveErrors = make([]float64, len(l.done)), liveNoise(len(l.done), r)
			return c
		}}
	}
	return []Family{
		family("nothing kept", verdict.NoLeak, func(l load, _ *rand.Rand) []float64 { return make([]float64, len(l.done)) }),
		family("8 to 200 bytes a request, in a list", verdict.Leak, func(l load, r *rand.Rand) []float64 { return kept(l, List, 8, r) }),
		family("48 to 200 bytes a request, in a dict", verdict.Leak, func(l load, r *rand.Rand) []float64 { return kept(l, Dict, 48, r) }),
		family("48 to 200 bytes a request, in a Map", verdict.Leak, func(l load, r *rand.Rand) []float64 { return kept(l, Map, 48, r) }),
		family("cache with a fixed number of keys", verdict.NoLeak, func(l load, r *rand.Rand) []float64 {
			scale, gain := between(2, 30, r), objects(8, r)
			return l.at(func(done float64) float64 { return gain * scale * (1 - math.Exp(-done/scale)) })
		}),
		expiring("within the run", 0.1, 0.5),
		expiring("beyond the run", 1.2, 4),
		family("classes loaded for 2 to 25 iterations", verdict.NoLeak, func(l load, r *rand.Rand) []float64 { return classes(l, r) }),
		family("classes loaded, and 8 to 200 bytes a request", verdict.Leak, func(l load, r *rand.Rand) []float64 {
			all := kept(l, List, 8, r)
			for i, loaded := range classes(l, r) {
				all[i] += loaded
			}
			return all
		}),
		outside("any noise", verdict.NoLeak, func(l load, r *rand.Rand) course {
			return course{level: make([]float64, len(l.done)), errors: anyNoise(len(l.done), r)}
		}),
		outside("warm-up of 2 to 25 iterations", verdict.NoLeak, func(l load, r *rand.Rand) course {
			return course{level: compiled(l, 25, r), errors: anyNoise(len(l.done), r)}
		}),
		outside("leak of 1 to 15 MiB an iteration", verdict.Leak, func(l load, r *rand.Rand) course {
			gain := between(1, 15, r) * mebibyte
			return course{level: l.at(func(done float64) float64 { return gain * done }), errors: anyNoise(len(l.done), r)}
		}),
	}
}

// smallLeaks are servers that keep 64 bytes of every 128th request, or nothing, with 10,000 requests an iteration.
func smallLeaks() []Family {
	const requests, kept, each, tolerance = 10_000, 64, 128, 0.1
	family := func(name string, truth verdict.Kind, count func(requests float64) float64) Family {
		return Family{
			Name: name, Truth: truth, Tolerance: tolerance, Live: true, requests: requests,
			course: func(l load, r *rand.Rand) course {
				c := quiet(l, r)
				c.live = l.at(func(done float64) float64 { return kept * count(done*requests) })
				return c
			},
		}
	}
	return []Family{
		family("live: 0.5 bytes a request, tolerance 0.1", verdict.Leak, func(requests float64) float64 { return math.Floor(requests / each) }),
		family("live: nothing kept, tolerance 0.1", verdict.NoLeak, func(float64) float64 { return 0 }),
	}
}

// quiet is a server whose memory outside the heap does not grow, with any noise of live memory.
func quiet(l load, r *rand.Rand) course {
	n := len(l.done)
	return course{
		level:      make([]float64, n),
		errors:     noise(n, between(0.02, 0.1, r)*megabyte, 0, r),
		liveErrors: liveNoise(n, r),
	}
}

// liveNoise draws n errors of live memory: none but its grain, or 2 KB with a random walk of a quarter of that, as of
// SplitPlan.
func liveNoise(n int, r *rand.Rand) []float64 {
	if r.IntN(2) == 0 {
		return nil
	}
	const size = 2000
	errors, walk := noise(n, size, 0, r), noise(n, size/4, 1, r)
	for i := range errors {
		errors[i] += walk[i]
	}
	return errors
}

// objects draws how many bytes an iteration keeps: from least to 200 a request.
func objects(least float64, r *rand.Rand) float64 { return between(least, 200, r) * liveRequests }

// kept is what objects of one size take, of least to 200 bytes, one a request, in a list or in a hash table.
func kept(l load, pattern LivePattern, least float64, r *rand.Rand) []float64 {
	object := objects(least, r)
	return l.at(func(done float64) float64 { return math.Round(done*object/16)*16 + table(pattern, done*liveRequests) })
}

// expiring are servers whose entries expire after as long as a share of the run takes, and are removed at once, with or
// without load.
func expiring(name string, least, most float64) Family {
	return Family{
		Name: "live: entries that expire, " + name, Truth: verdict.NoLeak, Live: true, requests: liveRequests,
		course: func(l load, r *rand.Rand) course {
			bound, gain := between(least, most, r)*float64(len(l.done)), objects(8, r)
			c := quiet(l, r)
			c.live = l.at(func(done float64) float64 { return gain * min(done, bound) })
			c.rested = func(done, rest float64) float64 { return gain * max(0, min(done, bound-rest)) }
			return c
		},
	}
}

// classes is what a runtime keeps for code on first use, 5 to 500 KB in 2 to 25 iterations, ever more seldom.
func classes(l load, r *rand.Rand) []float64 {
	scale := between(0.05, 0.5, r) * megabyte / (40 * mebibyte)
	all := compiled(l, 25, r)
	for i := range all {
		all[i] *= scale
	}
	return all
}
