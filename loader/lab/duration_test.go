package lab

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestDurationsGrow(t *testing.T) {
	for number, want := range map[int]time.Duration{
		1: 500 * time.Millisecond, 5: 500 * time.Millisecond, 6: 650 * time.Millisecond, 7: 850 * time.Millisecond,
		11: 2410 * time.Millisecond, 12: UsualDuration, 10_000: UsualDuration,
	} {
		assert.Equal(t, want, GrowingDuration(number), "iteration %d", number)
	}
	sum := time.Duration(0)
	for number := 1; number <= 10; number++ {
		sum += GrowingDuration(number)
		assert.LessOrEqual(t, GrowingDuration(number), GrowingDuration(number+1))
	}
	assert.Less(t, sum, 10*UsualDuration/3, "ten iterations take less than a third of the load that ten usual ones are")
}
