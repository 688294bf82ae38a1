package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

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

	printSequential(&sequential, 1, 1)
	assert.Equal(t, 1+len(synthetic.Patterns())*len(noises()), strings.Count(sequential.String(), "\n"))
}
