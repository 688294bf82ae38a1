package terminal

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"leaklab/loader/record"
	"leaklab/loader/record/recordtest"
)

// What a run prints is the same in every version of leaklab, unless a change is meant.
func TestTerminalIsGolden(t *testing.T) {
	for name, c := range recordtest.Cases() {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			terminal := New(&out, false)
			require.NoError(t, terminal.Settings([]record.Line{{Name: "Server", Value: "process 7"}, {Name: "Request", Value: "GET http://127.0.0.1:3030/\x1b[2J"}}))
			for _, i := range c.Iterations {
				require.NoError(t, terminal.Iteration(i, ""))
			}
			var sites []string
			if c.Profiles != nil {
				sites = c.Profiles.Lines()
			}
			run := c.Ended()
			require.NoError(t, terminal.Verdict(End{
				Verdict: c.Verdict, Early: run.EarlyEnd(), Reason: run.Reason, Tolerance: 4, Growing: c.Sites, Sites: sites, Remarks: c.Remarks, Results: "results/20261123T090000Z",
			}))
			if c.Baseline != "" {
				require.NoError(t, terminal.Comparison(c.Comparison, Side{"baseline", c.Baseline}, Side{"suspect", c.Run.ServerCommand}))
			}
			got := filepath.Join(t.TempDir(), "terminal.txt")
			require.NoError(t, os.WriteFile(got, out.Bytes(), 0o600))
			recordtest.CompareGolden(t, filepath.Join("testdata", "golden", name+".txt"), got)
		})
	}
}
