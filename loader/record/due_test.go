package record

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestDue(t *testing.T) {
	for iterations, want := range map[int]bool{1: true, 100: true, 101: false, 110: true, 1000: true, 1010: false, 1100: true, 10_000: true} {
		assert.Equal(t, want, Due(iterations), iterations)
	}
}
