package lab

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// assertTogether checks that most iterations of all loaders began in the same periods: one loader may be a period ahead,
// and an iteration that takes too long lets one go by.
func AssertTogether(t *testing.T, tables [][][]string, period time.Duration) {
	t.Helper()
	seen := map[int64]int{}
	for _, rows := range tables {
		last := int64(0)
		for _, row := range rows {
			started, err := time.Parse(time.RFC3339, row[ColumnStarted])
			require.NoError(t, err)
			slot := started.Truncate(period).Unix()
			assert.Greater(t, slot, last, "each in another period")
			last = slot
			seen[slot]++
		}
	}
	together := 0
	for _, loaders := range seen {
		if loaders == len(tables) {
			together++
		}
	}
	assert.Greater(t, together, len(tables[0])/2, "%v", seen)
}
