package record

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/load"
	"leaklab/loader/memory"
	"leaklab/loader/verdict"
)

func TestIterationsHaveTheNamesOfTheTable(t *testing.T) {
	folder := t.TempDir()
	table, err := CreateTable(folder, "iterations.csv")
	require.NoError(t, err)
	require.NoError(t, table.Close())
	content, err := os.ReadFile(filepath.Join(folder, "iterations.csv"))
	require.NoError(t, err)

	var whole Iteration
	for _, column := range Columns() {
		if column.optional && !column.set(&whole, "1") {
			require.True(t, column.set(&whole, "2026-11-23T08:00:01Z"), column.Name)
		}
	}
	text, err := json.Marshal(whole)
	require.NoError(t, err)
	var names []string
	decoder := json.NewDecoder(bytes.NewReader(text))
	_, err = decoder.Token()
	require.NoError(t, err)
	for decoder.More() {
		name, err := decoder.Token()
		require.NoError(t, err)
		names = append(names, name.(string))
		_, err = decoder.Token()
		require.NoError(t, err)
	}
	assert.Equal(t, strings.TrimSpace(string(content)), strings.Join(names, ","))

	known, err := json.Marshal(NewIteration(measured(t)))
	require.NoError(t, err)
	assert.Contains(t, string(known), `"started_at":"2026-11-23T08:00:01.25Z"`)
	assert.Contains(t, string(known), `"cgroup_socket_end_bytes":4096`)
	assert.NotContains(t, string(known), "live_heap", "what is not known is left out")
}

func TestEvidenceOfARecordedRun(t *testing.T) {
	i := NewIteration(measured(t))
	assert.Equal(t, []verdict.Iteration{{
		Requests: 208539, StartBytes: 11552 * 1024, EndBytes: 11312 * 1024,
		StartSecond: 1795420801.25, EndSecond: 1795420804.75,
		Parts: map[verdict.Part]uint64{
			verdict.Anonymous: 100, verdict.File: 20, verdict.Shared: 0, verdict.PageCache: 0, verdict.Sockets: 4096, verdict.OpenFiles: 12,
		},
	}}, Run{Iterations: []Iteration{i}}.Evidence())
}

// Each part that makes held memory of resident memory has a column, and is judged.
func TestWhatIsHeldBesideResidentMemoryIsRecorded(t *testing.T) {
	i := measured(t)
	i.End.Held = &memory.Held{Swapped: 1, LazyFree: 2, HugePages: 3, MappedSize: 4, HugeTLB: 5, Unmapped: 6}
	folder := t.TempDir()
	table, err := CreateTable(folder, "iterations.csv")
	require.NoError(t, err)
	require.NoError(t, table.Append(NewIteration(i)))
	require.NoError(t, table.Close())
	read, err := ReadIterations(folder)
	require.NoError(t, err)
	require.Len(t, read, 1)
	for part, want := range map[verdict.Part]uint64{
		verdict.Swapped: 1, verdict.LazyFree: 2, verdict.HugePages: 3, verdict.MappedSize: 4, verdict.HugeTLB: 5, verdict.Unmapped: 6,
	} {
		assert.Equal(t, want, read[0].Parts[part], part)
	}
	assert.Equal(t, i.End.HeldBytes(), int64(read[0].HeldBytes()), "memory and verdict add up the same")
}

func TestColumnsAreDocumentedAndComplete(t *testing.T) {
	columns := make(map[string]Column)
	parts := make(map[verdict.Part]int)
	for _, c := range Columns() {
		assert.NotContains(t, columns, c.Name)
		columns[c.Name] = c
		assert.NotEmpty(t, c.Doc, c.Name)
		for suffix, unit := range map[string]string{"_bytes": "bytes", "_seconds": "s", "_per_second": "1/s"} {
			assert.Equal(t, strings.HasSuffix(c.Name, suffix), c.Unit == unit, "the unit of %s", c.Name)
		}
		if c.Part != "" {
			parts[c.Part]++
			assert.Contains(t, verdict.Parts(), c.Part, c.Name)
			_, known := c.part(Iteration{})
			assert.False(t, known)
		}
		assert.NotPanics(t, func() { c.cell(Iteration{}) }, c.Name)
	}
	for _, part := range verdict.Parts() {
		assert.Equal(t, 1, parts[part], "columns of %s", part)
	}
	for _, reason := range load.Reasons() {
		assert.Contains(t, columns, "errors_"+string(reason))
	}
}
