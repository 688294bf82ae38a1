package load

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAServerThatIsSilentEndsTheLoad(t *testing.T) {
	release := make(chan struct{})
	server := newCountingServer(t, func(http.ResponseWriter, *http.Request) { <-release })
	t.Cleanup(sync.OnceFunc(func() { close(release) }))
	for _, shape := range []string{"keepalive", "abort"} {
		t.Run(shape, func(t *testing.T) {
			t.Parallel()
			plan := planFor(shape, server.Listener.Addr().String(), Request{Paths: []string{"/"}})
			plan.Timeout, plan.Duration = 200*time.Millisecond, 500*time.Millisecond
			meter := NewMeter()
			for range 20 { // the silence continues from one iteration to the next
				if _, err := Run(t.Context(), plan, meter); err != nil {
					assert.ErrorIs(t, err, ErrSilent)
					assert.Regexp(t, `^no response from the server for 2s \(timeout \d+(, reset \d+)?\)$`, err.Error())
					return
				}
			}
			t.Error("it went on")
		})
	}
}

func TestAServerThatAnswersNowAndThenIsNotSilent(t *testing.T) {
	var requests atomic.Int64
	release := make(chan struct{})
	server := newCountingServer(t, func(http.ResponseWriter, *http.Request) {
		if requests.Add(1)%40 != 0 {
			<-release
		}
	})
	t.Cleanup(sync.OnceFunc(func() { close(release) }))
	plan := server.plan()
	plan.Timeout, plan.Duration = 200*time.Millisecond, 4*time.Second
	result, err := Run(t.Context(), plan, NewMeter())
	require.NoError(t, err)
	assert.Greater(t, result.Errors[Timeout], result.Requests)
}

func TestHowLongAServerMayBeSilent(t *testing.T) {
	plan := Plan{Timeout: 16 * time.Second}
	assert.Equal(t, 19*time.Second, plan.silentLimit())
	plan.Rate = 0.1
	assert.Equal(t, 29*time.Second, plan.silentLimit(), "no request is due for 10 s")
}
