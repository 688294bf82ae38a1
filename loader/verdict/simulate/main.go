// Command simulate prints the accuracy of verdicts on synthetic traces, and the
// coverage of their intervals:
//
//	go run ./loader/verdict/simulate [-traces 2000] [-seed 1] [-sequential | -baseline | -parts | -families [-only REGEXP]]
package main

import (
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"text/tabwriter"

	"leaklab/loader/verdict"
	"leaklab/loader/verdict/synthetic"
)

const tolerance = 4 // bytes per request

func main() {
	traces := flag.Int("traces", 2000, "traces of each pattern")
	seed := flag.Uint64("seed", 1, "seed of the noise")
	sequential := flag.Bool("sequential", false, "sequential runs of up to 100 iterations, instead of fixed lengths of 12, 30 and 100")
	baseline := flag.Bool("baseline", false, "compare a suspect with a baseline, loaded in turns and one after the other")
	parts := flag.Bool("parts", false, "servers with live memory: leaks in the heap, and outside of it")
	families := flag.Bool("families", false, "families of servers that fill, warm up, stop or leak")
	only := flag.String("only", "", "regular expression: the names of the families to judge with -families")
	flag.Parse()
	names, err := regexp.Compile(*only)
	if err != nil {
		fmt.Fprintln(os.Stderr, "simulate:", err)
		os.Exit(2)
	}
	switch {
	case *sequential:
		printSequential(os.Stdout, *traces, *seed)
	case *families:
		chosen := slices.DeleteFunc(synthetic.Families(), func(f synthetic.Family) bool { return !names.MatchString(f.Name) })
		printFamilies(os.Stdout, chosen, *traces, *seed)
		fmt.Println()
		printSequentialFamilies(os.Stdout, chosen, *traces, *seed)
	case *parts:
		printParts(os.Stdout, *traces, *seed)
	case *baseline:
		printBaseline(os.Stdout, *traces, *seed)
	default:
		printFixed(os.Stdout, *traces, *seed)
	}
}

// noises are the noise models that each pattern is combined with.
func noises() []struct {
	name        string
	persistence float64
} {
	return []struct {
		name        string
		persistence float64
	}{{"white", 0}, {"AR 0.6", 0.6}, {"walk", 1}}
}

// plan gives the pattern the figures of a real server. Noise is 0.3 MB (0.12 MB per
// step of a random walk), as of a garbage-collected heap and above the interval's
// floor. A leak is 40 bytes per request: four times the noise in an iteration.
func plan(p synthetic.Pattern, iterations int, persistence float64) synthetic.Plan {
	made := synthetic.Plan{Pattern: p, Iterations: iterations, Persistence: persistence, Noise: 0.3e6}
	switch p {
	case synthetic.Flat:
	case synthetic.Log, synthetic.Filling:
		made.Growth = 400
	case synthetic.Plateau:
		made.Growth = 100
	default:
		made.Growth = 40
	}
	if persistence == 1 {
		made.Noise *= 0.4
	}
	return made
}

// printFixed prints the table for runs of fixed length.
func printFixed(w io.Writer, traces int, seed uint64) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "pattern\tnoise\titerations\tleak %\tno leak %\tinconclusive %\tcoverage %\twarm-up\t")
	for _, p := range synthetic.Patterns() {
		for _, z := range noises() {
			for _, n := range []int{12, 30, 100} {
				r := rand.New(rand.NewPCG(seed, uint64(n)))
				kinds := map[verdict.Kind]int{}
				covered, warmUp := 0, 0
				for range traces {
					t := synthetic.Make(plan(p, n, z.persistence), r)
					v := verdict.Judge(t.Iterations, verdict.Options{Tolerance: tolerance})
					kinds[v.Kind]++
					warmUp += v.WarmUp
					if !v.Estimated {
						continue
					}
					if truth := t.Growth(v.Judged); v.Lower <= truth && truth <= v.Upper {
						covered++
					}
				}
				share := func(count int) float64 { return 100 * float64(count) / float64(traces) }
				fmt.Fprintf(table, "%s\t%s\t%d\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t\n", p, z.name, n,
					share(kinds[verdict.Leak]), share(kinds[verdict.NoLeak]), share(kinds[verdict.Inconclusive]),
					share(covered), float64(warmUp)/float64(traces))
			}
		}
	}
	table.Flush()
}

// printSequential prints the table for sequential runs, which stop when decided.
func printSequential(w io.Writer, traces int, seed uint64) {
	const maxIterations = 100
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "pattern\tnoise\tleak %\tno leak %\tinconclusive %\tmean iterations\t")
	for _, p := range synthetic.Patterns() {
		for _, z := range noises() {
			r := rand.New(rand.NewPCG(seed, maxIterations))
			kinds := map[verdict.Kind]int{}
			iterations := 0
			for range traces {
				t := synthetic.Make(plan(p, maxIterations, z.persistence), r)
				kind, n := verdict.Inconclusive, 0
				for _, n = range verdict.Looks(maxIterations) {
					v := verdict.Judge(t.Iterations[:n], verdict.Options{Tolerance: tolerance, MaxIterations: maxIterations})
					if kind = v.Kind; kind != verdict.Inconclusive {
						break
					}
				}
				kinds[kind]++
				iterations += n
			}
			share := func(count int) float64 { return 100 * float64(count) / float64(traces) }
			fmt.Fprintf(table, "%s\t%s\t%.1f\t%.1f\t%.1f\t%.1f\t\n", p, z.name, share(kinds[verdict.Leak]),
				share(kinds[verdict.NoLeak]), share(kinds[verdict.Inconclusive]), float64(iterations)/float64(traces))
		}
	}
	table.Flush()
}
