package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/record"
	"leaklab/loader/verdict"
)

// keepOutcome writes a recorded run with that verdict, which took the given seconds, 2 of them load.
func keepOutcome(t *testing.T, folder string, kind verdict.Kind, seconds float64) {
	t.Helper()
	start := time.Unix(1e9, 0).UTC()
	keepTrial(t, folder, 0, 0, func(r *record.Run) {
		r.Verdict.Kind, r.Iterations = kind, r.Iterations[:2]
		for n := range r.Iterations {
			r.Iterations[n].StartedAt, r.Iterations[n].DurationSeconds = start.Add(time.Duration(n)*time.Second), 1
		}
	})
	end := start.Add(time.Duration(seconds * float64(time.Second))).Format(time.RFC3339Nano)
	require.NoError(t, os.WriteFile(filepath.Join(folder, endFile), []byte(end), 0o600))
}

func TestContestTable(t *testing.T) {
	folder := t.TempDir()
	s := suite{name: "suite", head: "All:", subjects: []subject{{name: "kept", title: "Kept", truth: 100}, {name: "clean", title: "Clean"}, {name: "unmeasured", title: "Unmeasured"}}}
	for _, run := range []struct {
		at      string
		kind    verdict.Kind
		seconds float64
	}{
		{"before/kept/1", verdict.Leak, 40}, {"before/kept/2", verdict.Leak, 60}, {"before/kept/3", verdict.Inconclusive, 41},
		{"now/kept/1", verdict.Leak, 10}, {"now/kept/2", verdict.NoLeak, 10.5},
		{"now/clean/1", verdict.Leak, 8}, {"now/clean/2", verdict.NoLeak, 9}, {"now/clean/3", verdict.NoLeak, 10},
	} {
		keepOutcome(t, filepath.Join(folder, "suite", run.at), run.kind, run.seconds)
	}
	var out bytes.Buffer
	require.NoError(t, writeContest(&out, s, []contender{{name: "before"}, {name: "now"}}, folder))
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	assert.Equal(t, "All:", lines[0])
	assert.Equal(t, []string{
		"| Kept | 100 | before | 3 | 2 | 0 | 1 | 0 (0-71%) | 41.0 (60.0) |  | 2.0 |",
		"| Kept | 100 | now | 2 | 1 | 1 | 0 | 1 (1-99%) | 10.2 (10.5) | 0.25 | 2.0 |",
		"| Clean | 0 | now | 3 | 1 | 2 | 0 | 1 (1-91%) | 9.0 (10.0) |  | 2.0 |",
	}, lines[4:])
	for _, line := range lines[2:] {
		assert.Equal(t, strings.Count(lines[2], "|"), strings.Count(line, "|"), line)
	}
}

func TestOutcomesThatAreNotWhole(t *testing.T) {
	folder := t.TempDir()
	keepOutcome(t, filepath.Join(folder, "1"), verdict.Leak, -1)
	_, err := readOutcomes(folder, 0)
	assert.ErrorContains(t, err, filepath.Join(folder, "1", endFile)+": the loader ended before the first request")
	keepOutcome(t, filepath.Join(folder, "1"), verdict.Leak, 1)
	_, err = readOutcomes(folder, 10)
	assert.ErrorContains(t, err, "with 2 iterations; expected complete, with 10")
	require.NoError(t, os.Remove(filepath.Join(folder, "1", endFile)))
	_, err = readOutcomes(folder, 0)
	assert.ErrorIs(t, err, os.ErrNotExist)
}

func TestContendersTakeTurns(t *testing.T) {
	alone, err := contenders("")
	require.NoError(t, err)
	assert.Equal(t, []contender{{name: "now"}}, alone)
	assert.Equal(t, "programs/loader", alone[0].in("programs"))
	_, err = contenders(filepath.Join(t.TempDir(), "none"))
	assert.ErrorIs(t, err, os.ErrNotExist)

	both, err := contenders("contenders.go")
	require.NoError(t, err)
	assert.True(t, filepath.IsAbs(both[0].in("programs")), "the loader is started in another folder")
	var order []string
	for round := range 3 {
		for _, one := range turn(both, round) {
			order = append(order, one.name)
		}
	}
	assert.Equal(t, "before now now before before now", strings.Join(order, " "))
}

// What is recorded is not measured again, by either loader.
func TestRecordContestMeasuresWhatIsMissing(t *testing.T) {
	folder := t.TempDir()
	s := suite{name: "suite", subjects: []subject{{name: "recorded"}, {name: "absent", needs: []string{"no-such-program"}}}}
	all := []contender{{name: "before"}, {name: "now"}}
	for _, loader := range all {
		for n := range 2 {
			keepOutcome(t, filepath.Join(folder, "suite", loader.name, "recorded", fmt.Sprint(n+1)), verdict.Leak, 1)
		}
	}
	everything := regexp.MustCompile("")
	require.NoError(t, recordContest(t.Context(), s, all, folder, 2, everything))
	assert.ErrorContains(t, recordContest(t.Context(), s, all, folder, 3, everything), "cannot build the lab", "this is not the top of the repository")
}
