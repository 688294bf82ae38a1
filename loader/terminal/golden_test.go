package report

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"leaklab/loader/lab"
)

// What stands on the terminal of a run is the same in every version of leaklab, unless a change is meant.
func TestTerminalIsGolden(t *testing.T) {
	for name, c := range goldenCases() {
		if len(c.iterations) == 0 {
			continue
		}
		var out bytes.Buffer
		terminal := NewTerminal(&out, lab.Plan{Tries: c.run.Tries}, nil)
		terminal.Settings([]Line{{"Server", "process 7"}, {"Request", "GET http://127.0.0.1:3030/\x1b[2J"}})
		for _, i := range c.iterations {
			require.NoError(t, terminal.IterationEnded(i))
		}
		remarks := append([]string{}, c.remarks...)
		if c.profiles != nil {
			remarks = append(remarks, c.profiles.Lines()...)
		}
		require.NoError(t, WriteVerdict(&out, c.verdict, append(remarks, "Results: results/20261123T090000Z")...))
		if c.baseline != "" {
			require.NoError(t, WriteComparison(&out, c.comparison, Side{"baseline", c.baseline}, Side{"suspect", c.run.ServerCommand}))
		}
		got := filepath.Join(t.TempDir(), "terminal.txt")
		require.NoError(t, os.WriteFile(got, out.Bytes(), 0o600))
		compareGolden(t, filepath.Join("testdata", "golden", name, "terminal.txt"), got)
	}
}
