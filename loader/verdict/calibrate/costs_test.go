package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/record"
)

// keepCost writes a recorded run of ten iterations of that rate, with as many milliseconds between their loads. naming is
// how many requests its sites took; 0 if they were not named.
func keepCost(t *testing.T, folder string, rate float64, pause, naming int) {
	t.Helper()
	start := time.Unix(1e9, 0).UTC()
	keepTrial(t, folder, 0, 0, func(r *record.Run) {
		for n := range r.Iterations {
			i := &r.Iterations[n]
			i.StartedAt, i.DurationSeconds, i.RequestsPerSecond = start.Add(time.Duration(n)*time.Duration(1000+pause)*time.Millisecond), 1, rate
		}
		r.Iterations[0].RequestsPerSecond = rate / 100 // it compiles
		if naming > 0 {
			r.Sites = &record.Sites{NamingRequests: uint64(naming)}
		}
	})
	end := start.Add(time.Duration(9*(1000+pause)+1000+4500) * time.Millisecond).Format(time.RFC3339Nano)
	require.NoError(t, os.WriteFile(filepath.Join(folder, endFile), []byte(end), 0o600))
}

func TestCostsTable(t *testing.T) {
	folder := t.TempDir()
	s := suite{name: "suite", head: "What sites cost, %d iterations:", iterations: 10, subjects: []subject{{name: "kept", title: "Kept"}, {name: "unmeasured", title: "Unmeasured"}}}
	for round, rates := range [][2]float64{{1000, 990}, {2000, 1000}, {3000, 3300}} {
		at := func(loader string) string { return filepath.Join(folder, "suite", loader, "kept", fmt.Sprint(round+9)) }
		keepCost(t, at("off"), rates[0], 300, 0)
		keepCost(t, at("auto"), rates[1], 350, 1000*round)
	}
	var out bytes.Buffer
	all := withoutAndWith()
	require.NoError(t, writeCosts(&out, s, all[0], all[1], folder))
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	assert.Equal(t, "What sites cost, 10 iterations:", lines[0])
	assert.Equal(t, []string{"| Kept | 3 | 2000 | 1000 | 0.99 (0.50 to 1.10) | 300 | 350 | 2 | 4.5 | 4.5 |"}, lines[4:])
	for _, line := range lines[2:] {
		assert.Equal(t, strings.Count(lines[2], "|"), strings.Count(line, "|"), line)
	}
}

// Both contenders are the same loader, with another setting each.
func TestCostsAreThoseOfSites(t *testing.T) {
	all := withoutAndWith()
	assert.Equal(t, []string{"SITES=off"}, all[0].settings)
	assert.Equal(t, []string{"SITES=auto"}, all[1].settings)
	for _, loader := range all {
		assert.Equal(t, "programs/loader", loader.in("programs"))
	}
	var names []string
	for _, one := range costs().subjects {
		names = append(names, one.name)
		assert.Regexp(t, `^REQUESTS=\d+$`, one.settings[len(one.settings)-1])
	}
	assert.Equal(t, "jvm-kept node-kept python-kept tcmalloc-kept go-kept", strings.Join(names, " "))
}
