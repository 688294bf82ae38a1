package synthetic

import (
	"math"
	"math/rand/v2"

	"leaklab/loader/verdict"
)

// bounded are servers whose growth has a bound: reached within the run, so that half of it or more is flat, or beyond, at
// 1.2 to 4 times the run. Readings of the latter are those of a leak, and only the bound itself can tell. They grow by 0.5 to 15
// MiB an iteration, with any noise.
//
//   - Entries that expire some time after the request (a TTL) and are removed by a sweep at regular times.
//   - A cache with a largest number of entries, each requested once.
//   - A log in shared memory of a fixed size, as Varnish's and nginx's shared zones, that is filled by fewer bytes a
//     request the longer it runs, since entries are reused. Its bound is 0.5 to 2 times the run away.
func bounded() []Family {
	family := func(name string, least, most float64, held func(done, bound float64) (level, error float64)) Family {
		return Family{
			Name:     name,
			Truth:    verdict.NoLeak,
			requests: requestsOfFlat,
			course: func(l load, r *rand.Rand) course {
				bound := between(least, most, r) * float64(len(l.done))
				gain := between(0.5, 15, r) * mebibyte
				c := course{errors: make([]float64, len(l.done))}
				noise := anyNoise(len(l.done), r)
				for i, done := range l.done {
					level, error := held(done, bound)
					c.level = append(c.level, gain*level)
					c.errors[i] = gain*error + errorAt(noise, i)
				}
				return c
			},
		}
	}
	full := func(done, bound float64) (float64, float64) { return min(done, bound), 0 }
	log := func(done, bound float64) (float64, float64) { return math.Pow(min(done, bound), 0.8), 0 }
	return []Family{
		family("entries that expire, within the run", 0.1, 0.5, expire),
		family("entries that expire, beyond the run", 1.2, 4, expire),
		family("cache filled within the run", 0.1, 0.5, full),
		family("cache not full in the run", 1.2, 4, full),
		family("log in shared memory of a fixed size", 0.5, 2, log),
	}
}

// expire is what is held after the requests done, in mean iterations, if entries expire after as many as the bound, and are
// removed by a sweep every third of that. Up to the mean of what is then held, it is the truth; the rest is error.
func expire(done, bound float64) (level, error float64) {
	sweep := bound / 3
	held := done - max(0, sweep*math.Floor(done/sweep)-bound)
	level = min(done, bound+sweep/2)
	return level, held - level
}
