package synthetic

import (
	"math"
	"math/rand/v2"

	"leaklab/loader/verdict"
)

// Pair returns the iterations of two servers that were loaded in turns, with equal requests, on one machine. The suspect
// is made by plan, the baseline as well but flat. Both see the drift of the machine, the baseline half an iteration
// later: a wave with the given amplitude in bytes, which takes as long as the run, or up to three times as long.
func Pair(plan Plan, drift float64, r *rand.Rand) (baseline, suspect []verdict.Iteration) {
	suspect = Make(plan, r).Iterations
	plan.Pattern, plan.Growth = Flat, 0
	baseline = Make(plan, r).Iterations
	period := float64(plan.Iterations) * (1 + 2*r.Float64())
	phase := 2 * math.Pi * r.Float64()
	add := func(all []verdict.Iteration, i int, at float64) {
		level := drift * (1 + math.Sin(2*math.Pi*at/period+phase))
		all[i].EndBytes = pages(float64(all[i].EndBytes) + level)
		if i+1 < len(all) {
			all[i+1].StartBytes = all[i].EndBytes
		}
	}
	for i := range suspect {
		baseline[i].Requests = suspect[i].Requests
		add(suspect, i, float64(i))
		add(baseline, i, float64(i)+0.5)
	}
	return baseline, suspect
}
