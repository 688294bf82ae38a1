package record

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/lab"
	"leaklab/loader/verdict"
)

// withWorkers is an iteration with two workers.
func withWorkers(t *testing.T, number int) Iteration {
	i := measured(t)
	i.Number = number
	i.Workers = []lab.Worker{{PID: 7, Started: 100, Requests: 12.34567, Bytes: 1 << 20}, {PID: 8, Started: 200, Bytes: 2 << 20}}
	return NewIteration(i)
}

func TestWorkersAreReadAsTheyWereWritten(t *testing.T) {
	folder := t.TempDir()
	var want []verdict.Iteration
	table, err := CreateTable(folder, "iterations.csv")
	require.NoError(t, err)
	alone := NewIteration(measured(t))
	for n := range 3 {
		row := alone
		if n > 0 {
			row = withWorkers(t, n+1)
		}
		row.Iteration = n + 1
		require.NoError(t, table.Append(row))
		if n == 0 {
			assert.NoFileExists(t, filepath.Join(folder, "workers.csv"), "while there are none")
		}
		want = append(want, row.Evidence())
	}
	require.NoError(t, table.Close())
	content, err := os.ReadFile(filepath.Join(folder, "workers.csv"))
	require.NoError(t, err)
	assert.Equal(t, "iteration,pid,started_ticks,requests,own_bytes\n2,7,100,12.346,1048576\n2,8,200,0.000,2097152\n3,7,100,12.346,1048576\n3,8,200,0.000,2097152\n", string(content))

	for _, path := range []string{folder, filepath.Join(folder, "iterations.csv")} {
		got, err := ReadIterations(path)
		require.NoError(t, err)
		assert.Equal(t, want, got)
		assert.Empty(t, got[0].Workers)
		assert.Equal(t, []verdict.Worker{{PID: 7, Started: 100, Requests: 12.346, Bytes: 1 << 20}, {PID: 8, Started: 200, Bytes: 2 << 20}}, got[1].Workers)
	}
	without, err := CreateTable(folder, "baseline.csv")
	require.NoError(t, err)
	require.NoError(t, without.Close(), "no workers")
}

func TestWorkersInRunJSON(t *testing.T) {
	run := Run{State: Complete, Verdict: Verdict{Kind: verdict.Inconclusive}, Iterations: []Iteration{withWorkers(t, 1)}}
	var written bytes.Buffer
	require.NoError(t, run.Write(&written))
	got, err := ReadRun(&written)
	require.NoError(t, err)
	assert.Equal(t, run.Evidence()[0].Workers, got.Evidence()[0].Workers)

	run.Iterations[0].Workers[0].Requests = -1
	written.Reset()
	require.NoError(t, run.Write(&written))
	_, err = ReadRun(&written)
	assert.ErrorContains(t, err, "iterations[0].workers: 1048576 bytes and -1 requests; expected 0 to 9007199254740992")
}

func TestTheTableOfWorkersIsChecked(t *testing.T) {
	const header = "iteration,pid,started_ticks,requests,own_bytes\n"
	for text, want := range map[string]string{
		"":                                    "workers.csv:1:1: expected the header iteration,pid,started_ticks,requests,own_bytes",
		"iteration,pid\n":                     "workers.csv:1:1: expected the header iteration,pid,started_ticks,requests,own_bytes",
		header + "1,2,3,4\n":                  "workers.csv:2:1: wrong number of fields",
		header + "1,-2,3,4,5\n":               `workers.csv:2: pid is "-2"; expected a whole number from 0 to 9007199254740992`,
		header + "1,2,3,4,5\n1,2,3,NaN,5\n":   `workers.csv:3: requests is "NaN"; expected a number from 0 to 9007199254740992`,
		header + "1,2,3,4,9007199254740993\n": `workers.csv:2: own_bytes is "9007199254740993"; expected a whole number from 0 to 9007199254740992`,
	} {
		_, err := readWorkersCSV(strings.NewReader(text), "workers.csv")
		assert.EqualError(t, err, want)
	}
	folder := t.TempDir()
	table := tableOf(func(int) (int, int, int) { return 1000, 20_000_000, 30_000_000 })
	require.NoError(t, os.WriteFile(filepath.Join(folder, "baseline.csv"), []byte(table), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "baseline-workers.csv"), []byte("no table\n"), 0o600))
	_, err := ReadIterations(filepath.Join(folder, "baseline.csv"))
	assert.ErrorContains(t, err, "baseline-workers.csv:1:1: expected the header")
}

// A disk that is full before the first row leaves an empty file.
func TestAnEmptyTableOfWorkersHasNone(t *testing.T) {
	folder := t.TempDir()
	table := tableOf(func(int) (int, int, int) { return 1000, 20_000_000, 30_000_000 })
	require.NoError(t, os.WriteFile(filepath.Join(folder, "iterations.csv"), []byte(table), 0o600))
	want, err := ReadIterations(folder)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "workers.csv"), nil, 0o600))
	got, err := ReadIterations(folder)
	require.NoError(t, err)
	assert.Equal(t, want, got)
}

// A leak in workers has the growth of a worker, and the figures of both are in run.json.
func TestTheVerdictOnWorkers(t *testing.T) {
	v := NewVerdict(verdict.Verdict{
		Kind: verdict.Leak, Of: verdict.Workers, Estimated: true, Growth: 1000, Lower: 900, Upper: 1100, Confidence: 0.95,
		Growths: []verdict.PartGrowth{{Part: verdict.Held, Growth: 2, Lower: -1, Upper: 5}},
		Ageing:  &verdict.Ageing{Growth: 1000, Lower: 900, Upper: 1100, Young: 1001, Old: 999, Workers: 8, WarmUp: 70, Requests: 1500},
	}, 4)
	assert.Equal(t, "leak, memory of a worker 1000.0 bytes/request (900.0 to 1100.0, 95%)", v.Headline())
	assert.Equal(t, verdict.Workers, v.RestsOn())
	held, known := v.GrowthOf(verdict.Held)
	assert.True(t, known)
	assert.Equal(t, 2.0, held.GrowthBytesPerRequest)
	assert.Equal(t, &Ageing{1000, 900, 1100, 1001, 999, 8, 70, 1500}, v.Ageing)
	assert.Nil(t, NewVerdict(verdict.Verdict{}, 4).Ageing)
}
