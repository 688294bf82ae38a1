package run

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"leaklab/loader/lab"
)

func TestDurationsOfIterations(t *testing.T) {
	asked := 0
	for name, test := range map[string]struct {
		settings     map[string]string
		live         *liveReader
		first, tenth time.Duration
	}{
		"live":             {nil, &liveReader{source: failing{asked: &asked}}, lab.GrowingDuration(1), lab.GrowingDuration(10)},
		"resident":         {nil, &liveReader{}, 3 * time.Second, 3 * time.Second},
		"fixed tries":      {map[string]string{"TRIES": "10"}, &liveReader{source: failing{asked: &asked}}, 3 * time.Second, 3 * time.Second},
		"fixed duration":   {map[string]string{"DURATION": "2s"}, &liveReader{source: failing{asked: &asked}}, 2 * time.Second, 2 * time.Second},
		"with a baseline":  {map[string]string{"BASELINE": "old"}, &liveReader{source: failing{asked: &asked}}, 3 * time.Second, 3 * time.Second},
		"by another tool":  {map[string]string{"LOAD_COMMAND": "wrk {url}"}, &liveReader{source: failing{asked: &asked}}, 3 * time.Second, 3 * time.Second},
		"by many requests": {map[string]string{"REQUESTS": "9"}, &liveReader{source: failing{asked: &asked}}, 3 * time.Second, 3 * time.Second},
	} {
		p := planned(t, test.settings)
		s := &session{plan: &p, live: test.live}
		assert.Equal(t, []time.Duration{test.first, test.tenth}, []time.Duration{s.durationOf(1), s.durationOf(10)}, name)
	}
}

func TestDurationOnceLiveMemoryCannotBeRead(t *testing.T) {
	asked := 0
	p := planned(t, nil)
	s := &session{plan: &p, live: &liveReader{source: failing{&asked, errors.New("it answers nothing")}, notes: io.Discard}}
	s.live.read(t.Context())
	assert.Equal(t, lab.GrowingDuration(2), s.durationOf(2), "one reading may be missed")
	s.live.read(t.Context())
	assert.Equal(t, lab.UsualDuration, s.durationOf(3))
}

func TestPressureOfARunThatEndsWhenItIsDecided(t *testing.T) {
	p := planned(t, nil)
	assert.Equal(t, "keepalive, as many iterations as it takes, at most 40, of 500ms to 3s, 100 workers, as fast as it answers", p.pressure("keepalive", true))
	assert.Equal(t, "keepalive, as many iterations as it takes, at most 40, of 3s, 100 workers, as fast as it answers", p.pressure("keepalive", false))
}

func TestWhatIsLoadedIsTold(t *testing.T) {
	p := planned(t, map[string]string{"SHAPE": "churn,unique", "UNIQUE": "method,user-agent", "TRIES": "3", "DURATION": "1s", "METHOD": "PUT"})
	assert.Equal(t, "unique in method, user-agent, 3 iterations of 1s, 100 workers, as fast as it answers", p.pressure("unique", false))
	assert.Equal(t, "churn, 3 iterations of 1s, 100 workers, as fast as it answers", p.pressure("churn", false))
	assert.Equal(t, "PUT http://127.0.0.1:3030/hello/warp (http1)", p.asked())
	p = planned(t, map[string]string{"SHAPE": "unique", "TRIES": "3", "DURATION": "1s", "URL_FILE": "urls"})
	assert.Equal(t, "unique, 3 iterations of 1s, 100 workers, as fast as it answers", p.pressure("unique", false))
	assert.Equal(t, "http://127.0.0.1:3030, as in urls (http1)", p.asked())
}
