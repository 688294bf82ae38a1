package synthetic

import (
	"math"
	"math/rand/v2"

	"leaklab/loader/verdict"
)

// Pair returns the iterations of two servers, with equal requests, on one machine. The suspect follows the plan; the
// baseline does too, but is flat. They are loaded in turns, suspect first, or one after the other, baseline first. Both
// are subject to the machine's drift: a sine with the given amplitude in bytes, whose period is one to three times the
// length of the whole run.
func Pair(plan Plan, drift float64, inTurns bool, r *rand.Rand) (baseline, suspect []verdict.Iteration) {
	suspect = Make(plan, r).Iterations
	plan.Pattern, plan.Growth = Flat, 0
	baseline = Make(plan, r).Iterations
	period := float64(2*plan.Iterations) * (1 + 2*r.Float64())
	phase := 2 * math.Pi * r.Float64()
	add := func(all []verdict.Iteration, i, at int) {
		level := drift * (1 + math.Sin(2*math.Pi*float64(at)/period+phase))
		all[i].EndBytes = pages(float64(all[i].EndBytes) + level)
		if i+1 < len(all) {
			all[i+1].StartBytes = all[i].EndBytes
		}
	}
	for i := range suspect {
		baseline[i].Requests = suspect[i].Requests
		if inTurns {
			add(suspect, i, 2*i)
			add(baseline, i, 2*i+1)
		} else {
			add(baseline, i, i)
			add(suspect, i, plan.Iterations+i)
		}
	}
	return baseline, suspect
}
