package chart

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestAxis(t *testing.T) {
	for _, test := range []struct {
		low, high float64
		labels    string
	}{
		{0, 54, "0 10 20 30 40 50"},
		{0, 0.9, "0.0 0.2 0.4 0.6 0.8"},
		{11.52, 11.61, "11.52 11.54 11.56 11.58 11.60"},
		{-3, 3, "-3 -2 -1 0 1 2 3"},
		{0, 250_000, "0 50000 100000 150000 200000 250000"},
		{0, 0, "-0.4 -0.2 0.0 0.2 0.4"},
		{7, 7, "4 5 6 7 8 9 10"},
		{0, math.Inf(1), "0.0 0.2 0.4 0.6 0.8 1.0"},
	} {
		a := newAxis(test.low, test.high, 5)
		var labels []string
		for _, tick := range a.Ticks {
			labels = append(labels, a.Label(tick))
		}
		assert.Equal(t, test.labels, strings.Join(labels, " "), "%g to %g", test.low, test.high)
	}
}
