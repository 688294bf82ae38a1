package terminal

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/load"
)

func TestProgressLine(t *testing.T) {
	now := time.Now()
	duration := func() time.Duration { return 3 * time.Second }
	timed := Burst{Of: 10, Duration: duration}
	limited := Burst{Of: 100, AtMost: true, Duration: duration}
	counted := Burst{Of: 10, Duration: duration, Requests: 1000, Note: ", baseline"}
	for _, test := range []struct {
		burst    Burst
		number   int
		elapsed  time.Duration
		requests uint64
		want     string
	}{
		{timed, 2, 1200 * time.Millisecond, 500, "Iteration 2 of 10: 1.2s elapsed, 1.8s remaining, 500 requests"},
		{limited, 3, time.Second, 500, "Iteration 3 of at most 100: 1.0s elapsed, 2.0s remaining, 500 requests"},
		{timed, 2, 3400 * time.Millisecond, 500, "Iteration 2 of 10: 3.4s elapsed, 0.0s remaining, 500 requests"},
		{counted, 1, 4 * time.Second, 250, "Iteration 1 of 10, baseline: 4.0s elapsed, 12.0s remaining, 250 requests"},
		{counted, 1, 4 * time.Second, 0, "Iteration 1 of 10, baseline: 4.0s elapsed, 0.0s remaining, 0 requests"},
	} {
		test.burst.State = func() load.Burst {
			return load.Burst{Number: test.number, StartedAt: now.Add(-test.elapsed), Active: true, Requests: test.requests}
		}
		idle := Burst{State: func() load.Burst { return load.Burst{Number: 1} }}
		assert.Equal(t, test.want, lineOf([]Burst{idle, test.burst}, now))
		assert.Empty(t, lineOf([]Burst{idle}, now))
	}
}

// lockedBuffer is a buffer that may be read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestProgressIsShownAndRemoved(t *testing.T) {
	var out lockedBuffer
	meter := load.NewMeter()
	terminal := New(&out, false)
	stop := terminal.Progress(Burst{State: meter.Burst, Of: 1, Duration: func() time.Duration { return time.Second }})
	meter.StartBurst(1, time.Now())
	require.Eventually(t, func() bool { return strings.Contains(out.String(), eraseLine+"Iteration 1 of 1: ") }, 10*time.Second, 10*time.Millisecond)
	meter.EndBurst()
	require.Eventually(t, func() bool { return strings.HasSuffix(out.String(), eraseLine) }, 10*time.Second, 10*time.Millisecond, "the load is over")
	stop()
	stop()
	assert.True(t, strings.HasSuffix(out.String(), eraseLine))
	assert.NotContains(t, out.String(), "\n")
}

// Blocks take the place of the line, and begin at the left.
func TestABlockReplacesTheProgressLine(t *testing.T) {
	var out lockedBuffer
	terminal := New(&out, false)
	terminal.show("Iteration 1")
	require.NoError(t, terminal.print("block\n"))
	require.NoError(t, terminal.print("block\n"))
	terminal.show("")
	assert.Equal(t, eraseLine+"Iteration 1"+eraseLine+"block\nblock\n", out.String())
}

func TestBlocksAndProgressDoNotMix(t *testing.T) {
	var out lockedBuffer
	terminal := New(&out, false)
	var both sync.WaitGroup
	both.Go(func() {
		for range 1000 {
			terminal.show("progress")
		}
	})
	both.Go(func() {
		for range 1000 {
			assert.NoError(t, terminal.print("block\n"))
		}
	})
	both.Wait()
	rest := strings.NewReplacer(eraseLine+"progress", "", eraseLine, "").Replace(out.String())
	assert.Equal(t, strings.Repeat("block\n", 1000), rest)
}
