package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"text/tabwriter"

	"leaklab/loader/verdict"
	"leaklab/loader/verdict/synthetic"
)

// drifts are the amplitudes of the machine's drift, in bytes.
func drifts() []float64 { return []float64{0, 0.5e6, 1e6, 2e6, 4e6} }

// printBaseline prints the mean half-width and the coverage of the interval of the difference. The two servers are
// loaded one after the other, or in turns in the same time, with 12 iterations each. The suspect leaks 40 bytes per
// request; both have AR(1) noise of 0.1 MB.
func printBaseline(w io.Writer, traces int, seed uint64) {
	const growth = 40
	plan := synthetic.Plan{Pattern: synthetic.Steady, Iterations: 12, Growth: growth, Noise: 0.1e6, Persistence: 0.6}
	options := verdict.Options{Tolerance: tolerance}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "drift MB\tapart: ± bytes/request\tcoverage %\tin turns: ± bytes/request\tcoverage %\t")
	for _, drift := range drifts() {
		var width [2]float64
		var held [2]int
		for n, inTurns := range []bool{false, true} {
			r := rand.New(rand.NewPCG(seed, 12))
			for range traces {
				baseline, suspect := synthetic.Pair(plan, drift, inTurns, r)
				c := verdict.Compare(baseline, suspect, options)
				if inTurns {
					c = verdict.ComparePaired(
						verdict.Judged{Iterations: baseline, Verdict: verdict.Judge(baseline, options)},
						verdict.Judged{Iterations: suspect, Verdict: verdict.Judge(suspect, options)}, options)
				}
				width[n] += (c.Upper - c.Lower) / 2
				if c.Lower <= growth && growth <= c.Upper {
					held[n]++
				}
			}
		}
		mean := func(n int) float64 { return width[n] / float64(traces) }
		share := func(n int) float64 { return 100 * float64(held[n]) / float64(traces) }
		fmt.Fprintf(table, "%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t\n", drift/1e6, mean(0), share(0), mean(1), share(1))
	}
	table.Flush()
}
