package load

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestTheThreadSleepsUntilARequestIsDueSoon(t *testing.T) {
	for _, c := range []struct {
		name            string
		stamped, sleeps bool
		due             []time.Duration
		want            bool
	}{
		{"soon", true, true, []time.Duration{timerResolution}, true},
		{"overdue", true, true, []time.Duration{-time.Second}, true},
		{"late", true, true, []time.Duration{time.Second}, false},
		{"no connection is free", true, true, nil, false},
		{"arrivals without timestamps", false, true, []time.Duration{timerResolution}, false},
		{"a single processor", true, false, []time.Duration{timerResolution}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := loop{stamped: c.stamped, sleeps: c.sleeps, poller: &poller{}}
			begin := time.Now()
			for _, due := range c.due {
				l.await(&connState{}, begin.Add(due))
			}
			assert.Equal(t, c.want, l.sleepsUntil(l.nextDue(begin.Add(time.Minute))))
		})
	}
}

func TestRequestsThatAreDueTogetherAreSentTogether(t *testing.T) {
	now := time.Now()
	l := loop{sentDueAt: now}
	assert.Equal(t, now.Add(time.Second), l.nextDue(now.Add(time.Second)), "none is due")
	l.await(&connState{}, now.Add(time.Microsecond))
	assert.Equal(t, now.Add(timerResolution), l.nextDue(now.Add(time.Second)))
	l.sentDueAt = now.Add(-time.Second)
	assert.Equal(t, now.Add(time.Microsecond), l.nextDue(now.Add(time.Second)))
}

func newTestPoller(t *testing.T) (*poller, *wakeup, *timer) {
	wakeup, err := newWakeup()
	require.NoError(t, err)
	t.Cleanup(wakeup.close)
	timer, err := newTimer()
	require.NoError(t, err)
	t.Cleanup(timer.close)
	p, err := newPoller(wakeup, timer)
	require.NoError(t, err)
	t.Cleanup(p.close)
	return p, wakeup, timer
}

// A timer whose descriptor stayed readable would keep the loop awake until it is armed again.
func TestATimerFiresOnce(t *testing.T) {
	p, _, timer := newTestPoller(t)
	timer.arm(time.Now().Add(time.Millisecond))
	p.wait()
	events := p.poll()
	require.Len(t, events, 1)
	require.EqualValues(t, timerNumber, events[0].Fd)
	timer.expired()
	assert.Empty(t, p.poll())
}

// Go's scheduler would be woken by each response, for nobody.
func TestWhatArrivesDuringARestWakesNobody(t *testing.T) {
	p, wakeup, _ := newTestPoller(t)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	require.NoError(t, err)
	for _, fd := range pair {
		t.Cleanup(func() { _ = unix.Close(fd) })
	}
	require.NoError(t, p.add(pair[0], 7))
	woken := func() bool {
		n, err := unix.EpollWait(p.outer, make([]unix.EpollEvent, 1), 0)
		require.NoError(t, err)
		return n > 0
	}
	wakeup.signal()
	p.wait()
	wakeup.reset()
	p.rest()
	write(pair[1], []byte("x"))
	assert.False(t, woken())
	events := p.poll()
	require.Len(t, events, 1)
	assert.EqualValues(t, 7, events[0].Fd)
	p.wait()
	assert.Len(t, p.poll(), 1, "the next wait ends for it")
}
