package run

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/judge"
	"leaklab/loader/lab"
	"leaklab/loader/record"
	"leaklab/loader/reproduce"
	"leaklab/loader/target"
	"leaklab/loader/terminal"
	"leaklab/loader/verdict"
)

// A run that fails between its first report and its first iteration has ended.
func TestARunThatFailsAfterItsFirstReport(t *testing.T) {
	var json bytes.Buffer
	s := &session{
		plan: &plan{origin: reproduce.Attached}, folder: t.TempDir(), screen: Screen{Notes: &bytes.Buffer{}, JSON: &json},
		record: record.Run{StartedAt: time.Now(), State: record.Running, Verdict: record.NewVerdict(verdict.Judge(nil, verdict.Options{}), 4)},
	}
	require.NoError(t, s.write())
	assert.EqualError(t, s.failed(t.Context(), errors.New("nothing can be printed")), "nothing can be printed")
	again, err := reproduce.Open(s.folder)
	require.NoError(t, err)
	assert.Equal(t, record.EndedEarly, again.Record.State)
	assert.Equal(t, "nothing can be printed", again.Record.Reason)
	assert.Contains(t, json.String(), `"state":"ended early"`)

	assert.Empty(t, again.Record.Verdict.Advice, "more iterations are no remedy")
	content, err := os.ReadFile(filepath.Join(s.folder, "report.md"))
	require.NoError(t, err)
	assert.Contains(t, string(content), "## Verdict: inconclusive\n\nThe run ended early, after 0 of 0 iterations: `nothing can be printed`\n\n")
}

// What ended a run stands above the verdict on the terminal, and no more iterations are advised.
func TestARunThatEndedEarlySaysSoFirst(t *testing.T) {
	var out bytes.Buffer
	s := &session{
		plan: &plan{options: verdict.Options{Tolerance: 4}}, folder: "results/x", judge: judge.New(judge.Plan{}), terminal: terminal.New(&out, false),
		record: record.Run{Tries: 10},
	}
	row := record.Iteration{Iteration: 1, Requests: 100, RSSStartBytes: 1 << 20, RSSEndBytes: 1 << 20}
	s.judge.Add(lab.Iteration{Number: 1, Of: 10, Requests: 100}, row)
	s.record.Iterations = []record.Iteration{row}
	s.record.End(errors.New("iteration 2 of 10: the server ended by itself with exit code 3"))
	require.NoError(t, s.print())
	assert.Regexp(t, `\ninconclusive\n-+\nThe run ended early, after 1 of 10 iterations: iteration 2 of 10: the server\s+ended by itself with exit code 3\n`, out.String())
	assert.NotContains(t, out.String(), "Run at least")
}

// The record of a run with a baseline that is refused before anything was judged can be read.
func TestARunWithABaselineThatIsRefused(t *testing.T) {
	s := &session{
		plan: &plan{origin: reproduce.Attached}, folder: t.TempDir(), screen: Screen{Notes: &bytes.Buffer{}},
		target: &target.Target{}, baseline: &baseline{target: &target.Target{Command: "x"}},
	}
	assert.EqualError(t, s.failed(t.Context(), errors.New("refused")), "refused")
	again, err := reproduce.Open(s.folder)
	require.NoError(t, err)
	assert.Nil(t, again.Record.Baseline)
}

// The table of all shapes agrees with the exit code.
func TestSummaryOfAShape(t *testing.T) {
	s := &session{plan: &plan{}, shape: "churn"}
	assert.Equal(t, terminal.Shape{Name: "churn", Outcome: "not begun"}, s.summary(errors.New("port in use")))
	s = &session{plan: &plan{}, shape: "churn", folder: "results/x", judge: judge.New(judge.Plan{})}
	assert.Equal(t, string(s.judge.Verdict().Kind), s.summary(nil).Outcome)
	assert.Equal(t, "results/x", s.summary(nil).Results)
	assert.Equal(t, "ended early", s.summary(errors.New("the server died")).Outcome)
}

// drawing is a session with an iteration, beside which the drawing program is a script.
func drawing(t *testing.T, script string) (*session, *bytes.Buffer) {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	path := filepath.Join(filepath.Dir(program), "draw")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o755))
	t.Cleanup(func() { assert.NoError(t, os.Remove(path)) })
	notes := &bytes.Buffer{}
	return &session{folder: t.TempDir(), record: record.Run{Iterations: []record.Iteration{{Iteration: 1}}}, plan: &plan{}, screen: Screen{Notes: notes}}, notes
}

func TestADrawingProgramThatCannotBeBuiltChangesNoVerdict(t *testing.T) {
	for _, said := range []string{
		"go: writing go.sum: write /cache/x: no space left on device",
		"go: could not create module cache: mkdir /x/y: no such file or directory",
	} {
		t.Run(said, func(t *testing.T) {
			s, notes := drawing(t, "echo 'draw: building the drawing program' >&2; echo '"+said+"' >&2; exit 1\n")
			assert.NoError(t, s.draw(t.Context()))
			assert.Equal(t, "draw: building the drawing program\nloader: no memory.svg and memory.png: exit status 1: "+said+"\n", notes.String())
		})
	}
}

func TestAFullDiskIsSeenByTheDrawingProgram(t *testing.T) {
	s, _ := drawing(t, "echo 'draw: cannot write x/memory.svg: no space left on device' >&2; exit 1\n")
	assert.ErrorContains(t, s.unwritten(s.draw(t.Context())), "the disk is full: ")
}
