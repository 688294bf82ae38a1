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
	r := lab.StartLive(t, "TRIES=8", "REQUESTS=5000", "TOLERANCE=16", "SETTLE=100ms", "LEAK="+leak)
	r.ExitCode()
	t.Log(r.Out.String(), r.Err.String())
	return r
}

func TestGoThatKeepsNothing(t *testing.T) {
	lab.OnlyLong(t)
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
	lab.OnlyLong(t)
	r := demo(t, "goroutine")
	lab.AssertVerdict(t, "leak", r.Out.String())
	assert.Greater(t, liveGrowth(t, r), 2048.0, "bytes a request")
	assertLive(t, r)
}
