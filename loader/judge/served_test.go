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
		lost       int
		want       string // the error; none if it is empty
	}{
		"a wrapper that sleeps": {2000, 3 * time.Millisecond, 3*time.Millisecond + 200*time.Microsecond, nil, 0,
			"the measured processes used 200µs of processor time while 2000 requests were answered, so another process answers them; name it in SERVER_PID"},
		"a fast server":                 {2000, 3 * time.Millisecond, 7 * time.Millisecond, nil, 0, ""},
		"few requests":                  {999, 3 * time.Millisecond, 3 * time.Millisecond, nil, 0, ""},
		"unknown":                       {2000, 0, 0, nil, 0, ""},
		"after a restart":               {2000, 3 * time.Millisecond, 3 * time.Millisecond, &lab.Turnover{Restarted: true}, 0, ""},
		"less than before":              {2000, 3 * time.Millisecond, 2 * time.Millisecond, nil, 0, ""},
		"a process for each connection": {2000, 3 * time.Millisecond, 3*time.Millisecond + 200*time.Microsecond, nil, 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			j := deliberate(0, 0, memory.Limit{})
			add(j, lab.Iteration{
				Number: 1, Requests: test.requests, Load: load.Result{Totals: totals(test.requests), Elapsed: time.Second},
				Start: memory.Reading{Total: 10 << 20, CPU: test.start}, End: memory.Reading{Total: 10 << 20, CPU: test.end, Lost: test.lost}, Turnover: test.turnover,
			})
			if test.want == "" {
				assert.NoError(t, j.Served())
			} else {
				assert.EqualError(t, j.Served(), test.want)
			}
		})
	}
}
