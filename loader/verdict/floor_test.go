package verdict_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"leaklab/loader/verdict"
)

// A figure that lags by 32 MiB, as that of a server with 64 processors may, cannot show growth of 10 MB.
func TestFloorOfResidentMemory(t *testing.T) {
	its := trace(24000, 7, grow(13, 12, func(i float64) float64 { return i })...)
	exact := verdict.Judge(its, fixed)
	assert.Equal(t, verdict.Leak, exact.Kind)

	lagging := verdict.Judge(its, verdict.Options{Tolerance: 4, Floor: 32 << 20})
	assert.Equal(t, verdict.Inconclusive, lagging.Kind)
	assert.InDelta(t, exact.Growth, lagging.Growth, 0.1)
	assert.GreaterOrEqual(t, lagging.Resolution*float64(lagging.JudgedRequests), float64(32<<20)-1)

	assert.Equal(t, exact, verdict.Judge(its, verdict.Options{Tolerance: 4, Floor: 4096}), "it is never below that of the kernel")
}
