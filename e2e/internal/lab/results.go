package lab

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Columns of iterations.csv, by number.
const (
	ColumnStarted       = 1
	ColumnDuration      = 2
	ColumnRequests      = 3
	ColumnErrors        = 4
	ColumnRate          = 5
	ColumnLatencyMax    = 8
	ColumnStart         = 9
	ColumnEnd           = 10
	ColumnPeak          = 11
	ColumnPageCache     = 16
	ColumnOpenFiles     = 18
	ColumnProcesses     = 20
	ColumnErrorsConnect = 23 // timeout, reset, bad_response and so on follow
	ColumnLive          = 30 // empty if live memory was not read
	ColumnOutside       = 35
)

// columnNames are the names of the columns that these tests read.
func columnNames() map[int]string {
	return map[int]string{
		ColumnStarted: "started_at", ColumnDuration: "duration_seconds", ColumnRequests: "requests", ColumnErrors: "errors",
		ColumnRate: "requests_per_second", ColumnLatencyMax: "latency_max_seconds",
		ColumnStart: "rss_start_bytes", ColumnEnd: "rss_end_bytes", ColumnPeak: "rss_peak_bytes",
		ColumnPageCache: "cgroup_file_end_bytes", ColumnOpenFiles: "open_files", ColumnProcesses: "processes",
		ColumnErrorsConnect: "errors_connect", ColumnErrorsConnect + 1: "errors_timeout",
		ColumnErrorsConnect + 2: "errors_reset", ColumnErrorsConnect + 3: "errors_bad_response",
		ColumnLive: "live_end_bytes", ColumnOutside: "outside_end_bytes",
	}
}

// Rows returns iterations.csv without its header.
func (r *Run) Rows(t testing.TB) [][]string {
	t.Helper()
	return RowsIn(t, r.Folder(t))
}

// RowsIn returns iterations.csv in the folder of a run, without its header.
func RowsIn(t testing.TB, folder string) [][]string {
	t.Helper()
	return TableIn(t, folder, "iterations.csv")
}

// TableIn returns a table of iterations, without its header, which docs/report.md documents.
func TableIn(t testing.TB, folder, name string) [][]string {
	t.Helper()
	file, err := os.Open(filepath.Join(folder, name))
	require.NoError(t, err)
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	require.NoError(t, err)
	require.NotEmpty(t, rows)
	require.Equal(t, documentedColumns(t), rows[0])
	for number, name := range columnNames() {
		require.Equal(t, name, rows[0][number], "column %d", number)
	}
	return rows[1:]
}

// Number is a cell of a row.
func Number(t testing.TB, row []string, column int) float64 {
	t.Helper()
	value, err := strconv.ParseFloat(row[column], 64)
	require.NoError(t, err)
	return value
}

// Sum adds up a column.
func Sum(t testing.TB, rows [][]string, column int) float64 {
	t.Helper()
	var total float64
	for _, row := range rows {
		total += Number(t, row, column)
	}
	return total
}

// LeakedBytes is what the iterations gained in all, without the first few.
func LeakedBytes(t testing.TB, rows [][]string, without int) float64 {
	t.Helper()
	return Sum(t, rows[without:], ColumnEnd) - Sum(t, rows[without:], ColumnStart)
}

// RunFile is what these tests need of run.json.
type RunFile struct {
	Format     int
	Version    string `json:"leaklab_version"`
	State      string
	Reason     string
	Reproduce  string
	Settings   []struct{ Name, Value, Default string }
	Iterations []struct {
		Iteration   int
		RSSEndBytes int64 `json:"rss_end_bytes"`
	}
	Profiles *struct {
		Files    []string
		Requests int
		Sites    []CallSite
	}
	Sites *struct {
		List []struct {
			Function string
			Callers  []string
			Growth   struct{ Estimate, Low, High float64 } `json:"bytes_per_request"`
		}
	}
	Verdict struct {
		Kind, Sentence string
		Ageing         *struct {
			Growth float64 `json:"growth_bytes_per_request"`
			Upper  float64 `json:"upper_bytes_per_request"`
		}
	}
	Baseline struct {
		Command    string
		Iterations []struct {
			RSSEndBytes int64 `json:"rss_end_bytes"`
		}
		Verdict    struct{ Kind string }
		Difference struct{ Change, Sentence string }
	}
	Environment struct {
		Kernel string
		Server struct {
			Image     *ServerImage
			Go        struct{ Version string }
			Variables map[string]string
		}
	}
}

// ServerImage is the image of the server, as run.json names it.
type ServerImage struct{ Reference, Digest string }

// Place is a line of code.
type Place struct {
	Function, File string
	Line           int
}

func (p Place) String() string {
	return fmt.Sprintf("%s (%s:%d)", p.Function, filepath.Base(p.File), p.Line)
}

// CallSite is code that has gained memory or goroutines.
type CallSite struct {
	Place
	Kind                 string
	CalledBy             Place   `json:"called_by"`
	BytesPerRequest      float64 `json:"bytes_per_request"`
	GoroutinesPerRequest float64 `json:"goroutines_per_request"`
}

// RunFile reads run.json.
func (r *Run) RunFile(t testing.TB) RunFile {
	t.Helper()
	return ReadRunFile(t, r.Folder(t))
}

// ReadRunFile reads run.json in the folder of a run.
func ReadRunFile(t testing.TB, folder string) RunFile {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(folder, "run.json"))
	require.NoError(t, err)
	var file RunFile
	require.NoError(t, json.Unmarshal(content, &file))
	return file
}

// AssertEndedEarly checks that the run has left the rows, whole, and a report that says the same as the terminal.
func (r *Run) AssertEndedEarly(t testing.TB, rows int) {
	t.Helper()
	assert.Len(t, r.Rows(t), rows)
	file := r.RunFile(t)
	assert.Equal(t, "ended early", file.State)
	assert.Len(t, file.Iterations, rows)
	first, _, _ := strings.Cut(file.Reason, "\n")
	assert.Contains(t, r.Err.String(), first)
	if rows > 0 {
		assert.Len(t, Verdicts(r.Out.String()), 1, "what was measured is judged")
	}
}
