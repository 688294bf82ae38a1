package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strings"

	"leaklab/loader/verdict"
	"leaklab/loader/verdict/synthetic"
)

// familyLengths are the numbers of iterations in the table of families.
func familyLengths() []int { return []int{10, 14, 20} }

// tally counts the verdicts on traces of one family.
type tally struct {
	traces, wrong, inconclusive int
	estimated, covered          int
	iterations                  int
}

// add counts a verdict after n iterations of a trace. The opposite of the truth is wrong.
func (c *tally) add(truth verdict.Kind, t synthetic.Trace, v verdict.Verdict, n int) {
	c.traces++
	c.iterations += n
	switch v.Kind {
	case truth:
	case verdict.Inconclusive:
		c.inconclusive++
	default:
		c.wrong++
	}
	if !v.Estimated {
		return
	}
	c.estimated++
	if growth := t.GrowthOf(v); v.Lower <= growth && growth <= v.Upper {
		c.covered++
	}
}

// perThousand is a count of traces, per 1,000.
func (c *tally) perThousand(count int) string {
	return fmt.Sprintf("%.0f", 1000*float64(count)/float64(c.traces))
}

// coverage is the share of intervals that hold the true growth, in percent.
func (c *tally) coverage() string {
	return fmt.Sprintf("%.1f", 100*float64(c.covered)/float64(max(1, c.estimated)))
}

// judge is the verdict after n iterations. A leak is judged once more, with a reading after a rest, as the lab does.
func judge(t synthetic.Trace, n int, options verdict.Options) verdict.Verdict {
	v := verdict.Judge(t.Iterations[:n], options)
	if options.Rest = t.Rest(n); options.Rest != nil && v.Kind == verdict.Leak {
		v = verdict.Judge(t.Iterations[:n], options)
	}
	return v
}

// printFamilies prints the table of verdicts on families of servers, for runs of fixed length, as Markdown.
func printFamilies(w io.Writer, families []synthetic.Family, traces int, seed uint64) {
	lengths := strings.Trim(strings.ReplaceAll(fmt.Sprint(familyLengths()), " ", ", "), "[]")
	fmt.Fprintf(w, "| family | truth | wrong per 1,000, at %s iterations | inconclusive per 1,000 | coverage of the interval, %% |\n", lengths)
	fmt.Fprintln(w, "|---|---|---|---|---|")
	for _, f := range families {
		var wrong, inconclusive, coverage []string
		for _, n := range familyLengths() {
			r := rand.New(rand.NewPCG(seed, uint64(n)))
			var c tally
			for range traces {
				t := f.Make(n, false, r)
				c.add(f.Truth, t, judge(t, n, verdict.Options{Tolerance: f.Tolerance}), n)
			}
			wrong = append(wrong, c.perThousand(c.wrong))
			inconclusive = append(inconclusive, c.perThousand(c.inconclusive))
			coverage = append(coverage, c.coverage())
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s |\n", f.Name, f.Truth,
			strings.Join(wrong, ", "), strings.Join(inconclusive, ", "), strings.Join(coverage, ", "))
	}
}

// familyMaxIterations is the largest length of the sequential runs of families.
const familyMaxIterations = 40

// printSequentialFamilies prints the same for runs that stop when they are decided. With live memory their iterations grow
// from the sixth on.
func printSequentialFamilies(w io.Writer, families []synthetic.Family, traces int, seed uint64) {
	fmt.Fprintf(w, "| family | truth | wrong per 1,000 | undecided after %d iterations, per 1,000 | iterations: mean |\n", familyMaxIterations)
	fmt.Fprintln(w, "|---|---|---:|---:|---:|")
	for _, f := range families {
		if f.OfLength {
			continue
		}
		options := verdict.Options{Tolerance: f.Tolerance, MaxIterations: familyMaxIterations}
		r := rand.New(rand.NewPCG(seed, familyMaxIterations))
		var c tally
		for range traces {
			t := f.Make(familyMaxIterations, f.Live, r)
			v, n := verdict.Verdict{Kind: verdict.Inconclusive}, 0
			for n < familyMaxIterations && v.Kind == verdict.Inconclusive {
				n = max(n+1, v.NextLook)
				v = judge(t, n, options)
			}
			c.add(f.Truth, t, v, n)
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s | %.1f |\n", f.Name, f.Truth,
			c.perThousand(c.wrong), c.perThousand(c.inconclusive), float64(c.iterations)/float64(traces))
	}
}
