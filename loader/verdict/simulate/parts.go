package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"text/tabwriter"

	"leaklab/loader/verdict"
	"leaklab/loader/verdict/synthetic"
)

// partsPlan is a row of the table of verdicts by parts.
type partsPlan struct {
	name string
	plan synthetic.SplitPlan
}

// partsPlans are servers with live memory: what they keep in the heap, with 1,500 and 5,000 requests an iteration, and what
// grows outside of it, with 3,000 and 30,000. Each server of the latter keeps nothing in the heap.
func partsPlans() []partsPlan {
	const iterations, object, liveNoise = 10, 106, 800
	var plans []partsPlan
	for _, requests := range []float64{1500, 5000} {
		for _, live := range synthetic.LivePatterns() {
			plans = append(plans, partsPlan{fmt.Sprintf("%s, %.0f requests", live, requests), synthetic.SplitPlan{
				Live: live, Iterations: iterations, Requests: requests, Object: object, LiveNoise: liveNoise,
				Outside: synthetic.Plan{Pattern: synthetic.Flat, Noise: 0.1e6},
			}})
		}
	}
	outside := func(requests float64, plan synthetic.Plan, noise string) {
		plans = append(plans, partsPlan{
			fmt.Sprintf("outside: %s, %.0f a request, %s, %.0f requests", plan.Pattern, plan.Growth, noise, requests),
			synthetic.SplitPlan{Live: synthetic.Clean, Iterations: iterations, Requests: requests, LiveNoise: liveNoise, Outside: plan},
		})
	}
	for _, requests := range []float64{3000, 30_000} {
		for _, noise := range []float64{0.2e6, 1e6, 4e6} {
			for _, walk := range []bool{false, true} {
				plan, name := synthetic.Plan{Pattern: synthetic.Flat, Noise: noise}, fmt.Sprintf("white noise of %.1f MB", noise/1e6)
				if walk {
					plan.Noise, plan.Persistence, name = 0.4*noise, 1, fmt.Sprintf("walk of %.2f MB", 0.4*noise/1e6)
				}
				outside(requests, plan, name)
				plan.Pattern = synthetic.Steady
				for _, growth := range []float64{2 * tolerance, 5 * tolerance, 20 * tolerance, 100 * tolerance} {
					plan.Growth = growth
					outside(requests, plan, name)
				}
			}
		}
	}
	for _, pattern := range []synthetic.Pattern{synthetic.Plateau, synthetic.Log, synthetic.Filling, synthetic.Steps} {
		outside(30_000, synthetic.Plan{Pattern: pattern, Growth: 100, Noise: 0.2e6}, "white noise of 0.2 MB")
	}
	return plans
}

// printParts prints the table for verdicts by parts.
func printParts(w io.Writer, traces int, seed uint64) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "server\tleak %\tno leak %\tinconclusive %\t")
	for _, p := range partsPlans() {
		r := rand.New(rand.NewPCG(seed, 10))
		kinds := map[verdict.Kind]int{}
		for range traces {
			kinds[verdict.Judge(synthetic.MakeSplit(p.plan, r).Iterations, verdict.Options{Tolerance: tolerance}).Kind]++
		}
		share := func(kind verdict.Kind) float64 { return 100 * float64(kinds[kind]) / float64(traces) }
		fmt.Fprintf(table, "%s\t%.1f\t%.1f\t%.1f\t\n", p.name, share(verdict.Leak), share(verdict.NoLeak), share(verdict.Inconclusive))
	}
	table.Flush()
}
