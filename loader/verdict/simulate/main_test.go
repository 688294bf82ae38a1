package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"leaklab/loader/verdict"
	"leaklab/loader/verdict/synthetic"
)

func TestTablesHaveARowForEachPatternAndNoise(t *testing.T) {
	var fixed, again, sequential bytes.Buffer
	printFixed(&fixed, 2, 1)
	printFixed(&again, 2, 1)
	assert.Equal(t, fixed.String(), again.String(), "the same seed gives the same table")
	assert.Equal(t, 1+len(synthetic.Patterns())*len(noises())*3, strings.Count(fixed.String(), "\n"))

	var baseline bytes.Buffer
	printBaseline(&baseline, 1, 1)
	assert.Equal(t, 1+len(drifts()), strings.Count(baseline.String(), "\n"))

	var parts bytes.Buffer
	printParts(&parts, 1, 1)
	assert.Equal(t, 1+len(partsPlans()), strings.Count(parts.String(), "\n"))

	var families, sequentialFamilies bytes.Buffer
	var some []synthetic.Family
	for _, f := range synthetic.Families() {
		if strings.HasPrefix(f.Name, "staircase") || f.Name == "live: nothing kept" {
			some = append(some, f)
		}
	}
	printFamilies(&families, some, 1, 1)
	assert.Equal(t, 2+5, strings.Count(families.String(), "\n"))
	printSequentialFamilies(&sequentialFamilies, some, 1, 1)
	assert.Equal(t, 2+2, strings.Count(sequentialFamilies.String(), "\n"), "without the staircases that stop at the end of a run")

	printSequential(&sequential, 1, 1)
	assert.Equal(t, 1+len(synthetic.Patterns())*len(noises()), strings.Count(sequential.String(), "\n"))
}

// The opposite of the truth is wrong, and an interval that does not hold the true growth is not counted as one that does.
func TestTally(t *testing.T) {
	trace := synthetic.Trace{Levels: []float64{0, 1000, 2000}, Iterations: make([]verdict.Iteration, 3)}
	for i := range trace.Iterations {
		trace.Iterations[i].Requests = 100
	}
	judged := verdict.Range{First: 2, Last: 3}
	var c tally
	c.add(verdict.Leak, trace, verdict.Verdict{Kind: verdict.Leak, Estimated: true, Lower: 9, Upper: 11, Judged: judged}, 3)
	c.add(verdict.Leak, trace, verdict.Verdict{Kind: verdict.NoLeak, Estimated: true, Lower: 1, Upper: 3, Judged: judged}, 3)
	c.add(verdict.NoLeak, trace, verdict.Verdict{Kind: verdict.Leak, Estimated: true, Lower: 10, Upper: 20, Judged: judged}, 3)
	c.add(verdict.NoLeak, trace, verdict.Verdict{Kind: verdict.Inconclusive}, 3)
	assert.Equal(t, "500", c.perThousand(c.wrong))
	assert.Equal(t, "250", c.perThousand(c.inconclusive))
	assert.Equal(t, "66.7", c.coverage())
	assert.Equal(t, 12, c.iterations)
}
