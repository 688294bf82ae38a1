package live

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"leaklab/e2e/internal/lab"
)

// demo runs the loader on the demo server with a leak.
func demo(t *testing.T, leak string) *lab.Run {
	t.Helper()
	lab.Quiet(t)
	port := lab.FreePorts(t, 1)[0]
	settings := []string{"TRIES=8", "REQUESTS=5000", "TOLERANCE=16", "SETTLE=100ms", "LEAK=" + leak, "PPROF_URL=http://127.0.0.1:" + port + "/debug/pprof/"}
	if lab.Long() {
		settings = append(settings, "TRIES=10", "REQUESTS=", "DURATION=1s", "TOLERANCE=4", "SETTLE=200ms")
	}
	r := lab.Start(t, settings, "env", "METRICS_PORT="+port, lab.Server)
	r.ExitCode()
	t.Log(r.Out.String(), r.Err.String())
	return r
}

func TestGoThatKeepsNothing(t *testing.T) {
	r := demo(t, "none")
	lab.AssertVerdict(t, "no leak", r.Out.String())
	assertLive(t, r)
}

func TestGoThatKeepsMemory(t *testing.T) {
	r := demo(t, "heap")
	lab.AssertVerdict(t, "leak", r.Out.String())
	assert.Contains(t, lab.Words(r.Out.String()), "live memory grows by more than the tolerance")
	assertLive(t, r)
}

// TestGoThatKeepsGoroutines leaks their stacks above all.
func TestGoThatKeepsGoroutines(t *testing.T) {
	r := demo(t, "goroutine")
	lab.AssertVerdict(t, "leak", r.Out.String())
	assert.Greater(t, liveGrowth(t, r), 2048.0, "bytes a request")
	assertLive(t, r)
}
