package judge

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"leaklab/loader/lab"
	"leaklab/loader/load"
	"leaklab/loader/memory"
)

// A tree that hardly works while thousands of requests are answered is not the server.
func TestServed(t *testing.T) {
	for name, test := range map[string]struct {
		requests   uint64
		start, end time.Duration
		turnover   *lab.Turnover
		want       string // the error; none if it is empty
	}{
		"a wrapper that sleeps": {2000, 3 * time.Millisecond, 3*time.Millisecond + 200*time.Microsecond, nil,
			"the measured processes used 200µs of processor time while 2000 requests were answered, so another process answers them; name it in SERVER_PID"},
		"a fast server":    {2000, 3 * time.Millisecond, 7 * time.Millisecond, nil, ""},
		"few requests":     {999, 3 * time.Millisecond, 3 * time.Millisecond, nil, ""},
		"unknown":          {2000, 0, 0, nil, ""},
		"after a restart":  {2000, 3 * time.Millisecond, 3 * time.Millisecond, &lab.Turnover{Restarted: true}, ""},
		"less than before": {2000, 3 * time.Millisecond, 2 * time.Millisecond, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			j := deliberate(0, 0, memory.Limit{})
			add(j, lab.Iteration{
				Number: 1, Requests: test.requests, Load: load.Result{Totals: totals(test.requests), Elapsed: time.Second},
				Start: memory.Reading{Total: 10 << 20, CPU: test.start}, End: memory.Reading{Total: 10 << 20, CPU: test.end}, Turnover: test.turnover,
			})
			if test.want == "" {
				assert.NoError(t, j.Served())
			} else {
				assert.EqualError(t, j.Served(), test.want)
			}
		})
	}
}
