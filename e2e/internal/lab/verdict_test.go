package lab

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestVerdicts(t *testing.T) {
	const rule = "===============================\n"
	assert.Equal(t, []string{"leak", "inconclusive"}, Verdicts(rule+"leak  +180 bytes/request (95%: 173 to 186; tolerance 4)\n"+rule+
		"inconclusive\n"+rule))
	assert.Equal(t, []string{"no leak"}, Verdicts(rule+"no leak  -0.3 bytes/request (95%: -1.2 to 0.6; tolerance 4)\n"))
	assert.Equal(t, []string{"leak"}, Verdicts(rule+"leak  live memory +104 bytes/request (95%: 103 to 105; tolerance 4)\n"))
	assert.Equal(t, []string{"leak"}, Verdicts(rule+"leak  live memory +104 bytes/request (95%: 103 to 105; tolerance 4): int[] at a.b (b.java:9)\n"))
	assert.Empty(t, Verdicts(rule+"Memory leaked: 12 KB\nThere is no leak in this sentence.\nleak and more\n"))
}
