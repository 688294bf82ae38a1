package load

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTurnsAreAtEvenDistances(t *testing.T) {
	for _, test := range []struct {
		weights []int
		want    string
	}{
		{[]int{0, 0, 0}, "[0 1 2]"},
		{[]int{1}, "[0]"},
		{[]int{3, 1}, "[0 0 1 0]"},
		{[]int{8, 1, 1}, "[0 0 0 0 1 2 0 0 0 0]"},
		{[]int{1, 2, 3}, "[2 1 0 2 1 2]"},
		{[]int{2, 2}, "[0 1 0 1]"},
		{nil, "[]"},
	} {
		var targets []Target
		for _, weight := range test.weights {
			targets = append(targets, Target{Weight: weight})
		}
		assert.Equal(t, test.want, fmt.Sprint(turns(targets)), test.weights)
	}
}

// mixed is a request of ten turns.
func mixed() Request {
	return Request{Body: strings.NewReader("usual"), Method: "PATCH", Targets: []Target{
		{Path: "/a", Weight: 6}, {Path: "/b?c", Method: "POST", Body: strings.NewReader("own")}, {Path: "/d", Method: "GET", Weight: 2}, {Path: "/d", Method: "DELETE"},
	}}
}

// shares counts the requests of a witness by what they ask for.
func (w *witness) shares() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	shares := make(map[string]int)
	for n, r := range w.requests {
		shares[strings.TrimSpace(r.Method+" "+r.URL.RequestURI()+" "+w.bodies[n])]++
	}
	return shares
}

// The server counts as many of each as its weight says, to the request, over iterations.
func TestTargetsAreRequestedByTheirWeights(t *testing.T) {
	want := map[string]int{"PATCH /a usual": 60, "POST /b?c own": 10, "GET /d": 20, "DELETE /d": 10}
	many := mixed()
	targets := many.Targets
	many.Targets, many.ManyTargets = nil, func() func() Target {
		n := -1
		return func() Target { n++; return targets[n%len(targets)] }
	}
	everyProtocol(t, func(t *testing.T, protocol Protocol) {
		for _, shape := range []string{"keepalive", "churn", "slow"} {
			for name, request := range map[string]Request{"in memory": mixed(), "too many for it": many} {
				t.Run(shape+" "+name, func(t *testing.T) {
					w := newWitness(t, protocol)
					plan := planFor(shape, w.Listener.Addr().String(), request)
					plan.Protocol, plan.Insecure = protocol, true
					for _, plan.Requests = range []uint64{33, 67} {
						result, err := Run(t.Context(), plan, NewMeter())
						require.NoError(t, err)
						assert.Empty(t, result.Errors)
					}
					assert.Equal(t, want, w.shares())
				})
			}
		}
	})
}

// A shape changes each of them as it does one.
func TestShapesOfTargets(t *testing.T) {
	everyProtocol(t, func(t *testing.T, protocol Protocol) {
		w := newWitness(t, protocol)
		w.run(t, "upload", protocol, Request{Targets: []Target{
			{Path: "/a", Method: "GET", Body: strings.NewReader("1"), Weight: 3}, {Path: "/b", Method: "PUT", Body: strings.NewReader("22")},
		}}, 80)
		w.mu.Unlock()
		assert.Equal(t, map[string]int{"POST /a 1": 60, "PUT /b 22": 20}, w.shares())
		w.mu.Lock()
		chunked := make(map[string]int)
		for _, r := range w.requests {
			if r.ContentLength < 0 {
				chunked[r.URL.Path]++
			}
		}
		assert.Equal(t, map[string]int{"/a": 30, "/b": 10}, chunked)
	})
	w := uniquely(t, HTTP1, Request{Unique: []string{"user-agent", "body"}, Targets: mixed().Targets})
	assert.Equal(t, map[string]int{"path": 3, "query": 2, "method": 2, "host": 1, "user-agent": 50, "cookie": 1, "header": 1, "body": 50}, w.kept())
}

// A run that is made again sends the same, in the same order: no chance is in it.
func TestTheSameTargetsComeInTheSameOrder(t *testing.T) {
	for _, shape := range ShapeNames() {
		one, other := NewBehaviour(ShapeNamed(shape), mixed(), "server"), NewBehaviour(ShapeNamed(shape), mixed(), "server")
		for n := range 50 {
			assert.Equal(t, string(one.Next().wire), string(other.Next().wire), "%s %d", shape, n)
		}
	}
}

// What does not change is made once, however often its turn comes.
func TestRequestsThatDoNotChangeAreMadeOnce(t *testing.T) {
	for shape, different := range map[string]int{"keepalive": 4, "churn": 4, "slow": 4, "idle": 4, "upload": 8, "abort": 8} {
		next := NewBehaviour(ShapeNamed(shape), mixed(), "server").Next
		made := make(map[*Exchange]bool)
		for range 200 {
			made[next()] = true
		}
		assert.Len(t, made, different, shape)
		assert.Zero(t, testing.AllocsPerRun(100, func() { next() }), shape)
	}
}

// A body that is too large for memory with all others is read while it is sent; the others are not.
func TestLargeBodiesOfTargetsAreStreamed(t *testing.T) {
	behaviour := NewBehaviour(ShapeNamed("keepalive"), Request{Targets: []Target{
		{Path: "/small", Method: "POST", Body: strings.NewReader("small")},
		{Path: "/large", Method: "POST", Body: strings.NewReader(strings.Repeat("x", wireLimit))},
		{Path: "/none", Method: "GET"},
	}}, "server")
	streamed := make(map[string]bool)
	for range 3 {
		e := behaviour.Next()
		streamed[e.Path] = e.streamed
	}
	assert.Equal(t, map[string]bool{"/small": false, "/large": true, "/none": false}, streamed)
}
