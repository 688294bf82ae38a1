package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/record"
	"leaklab/loader/verdict"
)

// keepTrial writes a recorded run of 10 iterations of 1000 requests. Each keeps live bytes, while resident memory grows
// by the given bytes. Without live memory live is -1.
func keepTrial(t *testing.T, folder string, live, resident int64, change func(*record.Run)) {
	t.Helper()
	run := record.Run{State: record.Complete, StartedAt: time.Unix(1e9, 0).UTC(), Tries: 10, Verdict: record.Verdict{Kind: verdict.Inconclusive, Shape: verdict.PatternNone}}
	for n := range int64(10) {
		i := record.Iteration{Iteration: int(n + 1), Requests: 1000, RSSStartBytes: 1e9 + n*1000*resident, RSSEndBytes: 1e9 + (n+1)*1000*resident}
		if live >= 0 {
			held, outside, stopped := uint64(1e8+(n+1)*1000*live), uint64(1e7), 0.02
			i.LiveEndBytes, i.HeapCommittedEndBytes, i.OutsideEndBytes, i.StoppedSeconds = &held, &held, &outside, &stopped
		}
		run.Iterations = append(run.Iterations, i)
	}
	if change != nil {
		change(&run)
	}
	require.NoError(t, os.MkdirAll(folder, 0o755))
	var text bytes.Buffer
	require.NoError(t, run.Write(&text))
	require.NoError(t, os.WriteFile(filepath.Join(folder, runFile), text.Bytes(), 0o600))
}

func TestSuiteTable(t *testing.T) {
	folder := t.TempDir()
	s := suite{name: "suite", head: "Runs of %d iterations, tolerance %g:", iterations: 10, subjects: []subject{
		{name: "kept", title: "Kept", truth: 1000}, {name: "clean", title: "Clean"}, {name: "unmeasured", title: "Unmeasured"},
	}}
	keepTrial(t, filepath.Join(folder, "suite", "kept", "1"), 1010, 5000, nil)
	keepTrial(t, filepath.Join(folder, "suite", "kept", "2"), -1, 5000, nil)
	keepTrial(t, filepath.Join(folder, "suite", "clean", "1"), -1, 0, nil)
	var out bytes.Buffer
	require.NoError(t, writeSuite(&out, s, folder, 4))
	text := out.String()
	assert.Contains(t, text, "Runs of 10 iterations, tolerance 4:\n")
	assert.Regexp(t, `\n\| Kept \| 1000 \| 2 \| 1 \| 2 \| 0 \| 0 \| [^|]* \(1010\.0 to 5000\.0\) \| [^|]* \(400\.0%\) \| 20 \(20\) \| 2, 0, 0 \| 5000\.0 \(5000\.0 to 5000\.0\) \|\n`, text)
	assert.Regexp(t, `\n\| Clean \| 0 \| 1 \| 0 \| 0 \| 0 \| 1 \| 0\.0 [^|]* \|  \|  \| 0, 0, 1 \| 0\.0 `, text, "1000 requests cannot show it")
	assert.NotContains(t, text, "Unmeasured")
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for _, line := range lines[2:] {
		assert.Equal(t, strings.Count(lines[2], "|"), strings.Count(line, "|"), line)
	}
}

func TestTrialIsJudgedWithAndWithoutLiveMemory(t *testing.T) {
	folder := t.TempDir()
	keepTrial(t, folder, 0, 5000, nil)
	run, err := readRun(filepath.Join(folder, runFile), 10)
	require.NoError(t, err)
	before := run.Evidence()
	judged := judgeTrial(run, 4)
	assert.True(t, judged.known)
	assert.Len(t, judged.stopped, 10)
	assert.Equal(t, verdict.NoLeak, judged.live.Kind, judged.live.Sentence)
	assert.Equal(t, verdict.Live, judged.live.Of)
	assert.Equal(t, verdict.Leak, judged.resident.Kind)
	assert.InDelta(t, 5000, judged.resident.Growth, 1)
	assert.Equal(t, before, run.Evidence(), "the run stays as it was read")

	run.Verdict.GivenBackBytes = 9 * 1000 * 5000
	assert.Equal(t, verdict.Inconclusive, judgeTrial(run, 4).resident.Kind, "all growth was given back")
}

func TestTrialsThatAreNotWhole(t *testing.T) {
	for want, change := range map[string]func(*record.Run){
		"expected complete, with 10":         func(r *record.Run) { r.Iterations = r.Iterations[:9] },
		"run is running":                     func(r *record.Run) { r.State = record.Running },
		"1000 of 10000 requests failed":      func(r *record.Run) { r.Iterations[3].Errors = 1000 },
		`state is "odd"; expected "running"`: func(r *record.Run) { r.State = "odd" },
	} {
		folder := t.TempDir()
		keepTrial(t, filepath.Join(folder, "1"), 0, 0, change)
		_, err := judgeTrials(folder, 10, 4)
		assert.ErrorContains(t, err, want)
		assert.ErrorContains(t, err, filepath.Join(folder, "1", runFile))
	}
}

func TestSubjects(t *testing.T) {
	for _, s := range []suite{runtimes(), stock(), demo(), asShipped(), smallest(), costs()} {
		names := map[string]bool{}
		for _, one := range s.subjects {
			assert.False(t, names[one.name], one.name)
			names[one.name] = true
			for _, word := range one.command {
				if file, found := strings.CutPrefix(word, "{programs}/"); found && strings.Contains(file, "/") {
					content, err := sources.ReadFile(file)
					assert.NoError(t, err, one.name)
					assert.NotEmpty(t, content, file)
				}
			}
		}
	}
	for _, one := range demo().subjects {
		assert.Equal(t, strings.HasPrefix(one.name, "heap") || strings.HasPrefix(one.name, "log"), one.truth > 0, one.name)
	}
	for _, one := range slices.Concat(runtimes().subjects, smallest().subjects, costs().subjects) {
		assert.Equal(t, strings.HasSuffix(one.name, "-kept"), one.truth > 0, one.name)
	}
	assert.Empty(t, asShipped().settings, "the loader's defaults are measured")
	assert.Equal(t, []string{"no-such-program", "/no/such/file"}, subject{needs: []string{"go", "no-such-program", "/no/such/file"}}.missing())
}

// What is recorded is not measured again, and neither is what cannot be here.
func TestRecordSuiteMeasuresWhatIsMissing(t *testing.T) {
	folder := t.TempDir()
	s := suite{name: "suite", iterations: 10, subjects: []subject{
		{name: "recorded"}, {name: "absent", needs: []string{"no-such-program"}}, {name: "unwanted"},
	}}
	for n := range 2 {
		keepTrial(t, filepath.Join(folder, "suite", "recorded", fmt.Sprint(n+1)), 0, 0, nil)
	}
	require.NoError(t, recordSuite(t.Context(), s, folder, 2, regexp.MustCompile("^(recorded|absent)$")))
	assert.ErrorContains(t, recordSuite(t.Context(), s, folder, 2, regexp.MustCompile("")), "cannot build the lab", "this is not the top of the repository")
}

func TestBuildSuite(t *testing.T) {
	folder := t.TempDir()
	s := suite{build: [][]string{{"no-such-compiler"}, {"go", "version"}}}
	require.NoError(t, buildSuite(t.Context(), s, folder))
	assert.FileExists(t, filepath.Join(folder, "stock", "puma.sh"))
	s.build = [][]string{{"go", "no-such-command"}}
	assert.ErrorContains(t, buildSuite(t.Context(), s, t.TempDir()), "go no-such-command: exit status 2")
}
