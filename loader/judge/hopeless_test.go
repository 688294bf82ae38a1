package judge

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"leaklab/loader/lab"
	"leaklab/loader/load"
	"leaklab/loader/memory"
	"leaklab/loader/verdict"
)

// A run that goes on until it is decided is given up at a look from which no number of iterations that it may have decides
// it, and not before the twentieth iteration.
func TestARunThatCannotBeDecidedIsGivenUp(t *testing.T) {
	level := func(number int) int64 { return 100<<20 + int64(30<<20*math.Sin(float64(7*number))) }
	j := New(Plan{Options: verdict.Options{Tolerance: 4, MaxIterations: 40}})
	for number := 1; number <= 40; number++ {
		add(j, lab.Iteration{
			Number: number, Of: 40, Requests: 1000, Load: load.Result{Totals: totals(1000), Elapsed: time.Second},
			Start: memory.Reading{Total: level(number - 1)}, End: memory.Reading{Total: level(number)},
		})
		if j.Decided() {
			break
		}
	}
	assert.Equal(t, verdict.Inconclusive, j.Verdict().Kind)
	assert.Equal(t, 20, j.Iterations(), j.Verdict().Sentence)
}
