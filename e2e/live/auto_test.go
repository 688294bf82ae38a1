package live

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/e2e/internal/lab"
)

// inRequests runs the loader on the demo server with the defaults that concern the length of a run.
func inRequests(t *testing.T, settings ...string) *lab.Run {
	t.Helper()
	lab.Quiet(t)
	r := lab.StartLive(t, append([]string{"TRIES=", "DURATION=", "SETTLE=", "RELEASE=", "RATE=4000"}, settings...)...)
	r.ExitCode()
	t.Log(r.Out.String(), r.Err.String())
	assertLive(t, r)
	return r
}

// A run ends when it is decided, with less load than ten iterations of 3 s are: on a quiet machine a third of it or less,
// which docs/performance.md has measured.
func TestAutoDecidesFromLittleLoad(t *testing.T) {
	for leak, want := range map[string]string{"heap": "leak", "none": "no leak"} {
		t.Run(leak, func(t *testing.T) {
			r := inRequests(t, "LEAK="+leak)
			lab.AssertVerdict(t, want, r.Out.String())
			rows := r.Rows(t)
			assert.Contains(t, lab.Words(r.Out.String()), "at most 40, of 500ms to 3s,")
			assert.Less(t, lab.Sum(t, rows, lab.ColumnDuration), 30.0)
		})
	}
}

// What expires grows at first, as a leak does.
func TestWhatExpiresIsNoLeak(t *testing.T) {
	r := inRequests(t, "LEAK=expire", "LEAK_BYTES=1024", "LEAK_TTL=2s", "MAX_TRIES=14")
	require.NotEmpty(t, lab.Verdicts(r.Out.String()))
	assert.NotContains(t, lab.Verdicts(r.Out.String()), "leak")
}
