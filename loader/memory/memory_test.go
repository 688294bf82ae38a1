package memory

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// shell is a running shell script. Its standard input stays open until the test ends.
type shell struct {
	*exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
}

// run starts a script and waits until it has printed a line.
func run(t *testing.T, script string) *shell {
	t.Helper()
	s := &shell{Cmd: exec.Command("sh", "-c", script)}
	var err error
	s.stdin, err = s.StdinPipe()
	require.NoError(t, err)
	stdout, err := s.StdoutPipe()
	require.NoError(t, err)
	s.stdout = bufio.NewReader(stdout)
	require.NoError(t, s.Start())
	t.Cleanup(func() {
		_ = s.stdin.Close() // which the scripts wait for
		_ = s.Wait()
	})
	s.awaitLine(t)
	return s
}

func (s *shell) awaitLine(t *testing.T) {
	t.Helper()
	_, err := s.stdout.ReadString('\n')
	require.NoError(t, err)
}

func TestTreeOfOneProcess(t *testing.T) {
	cmd := run(t, "echo ready; read x")
	reading, err := OfTree(cmd.Process.Pid)(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 1, reading.Processes)
	assert.Greater(t, reading.Total, int64(100<<10))
	assert.Less(t, reading.Total, int64(64<<20))
	if runtime.GOOS == "linux" {
		parts := reading.Parts
		require.NotNil(t, parts)
		assert.Equal(t, reading.Total, parts.Anonymous+parts.File+parts.Shared)
		assert.Positive(t, parts.Anonymous)
		assert.Positive(t, parts.File)
	}
}

func TestTreeCountsChildrenAndTheirChildren(t *testing.T) {
	cmd := run(t, `sh -c 'sh -c "echo ready; read x"; true'; true`)
	reading, err := OfTree(cmd.Process.Pid)(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 3, reading.Processes)

	itself, err := OfTree(os.Getpid())(t.Context())
	require.NoError(t, err)
	assert.GreaterOrEqual(t, itself.Processes, 4)
}

func TestTreeSeesChildrenComeAndGo(t *testing.T) {
	script := run(t, `echo ready; read x; sh -c 'echo started; read x; exit 0'; echo ended; read x`)
	read := OfTree(script.Process.Pid)
	processes := func() int {
		reading, err := read(t.Context())
		require.NoError(t, err)
		return reading.Processes
	}
	next := func() {
		_, err := io.WriteString(script.stdin, "\n")
		require.NoError(t, err)
		script.awaitLine(t)
	}
	assert.Equal(t, 1, processes())
	next()
	assert.Equal(t, 2, processes())
	next()
	assert.Equal(t, 1, processes())
}

func TestReadingFollowsMemory(t *testing.T) {
	read := OfTree(os.Getpid())
	before, err := read(t.Context())
	require.NoError(t, err)
	const size = 64 << 20
	held := make([]byte, size)
	for i := 0; i < size; i += 4096 {
		held[i] = 1
	}
	after, err := read(t.Context())
	require.NoError(t, err)
	runtime.KeepAlive(held)
	grown := after.Total - before.Total
	assert.Greater(t, grown, int64(size*3/4))
	assert.Less(t, grown, int64(size*3), "the race detector doubles it")
	if parts := after.Parts; parts != nil {
		assert.InDelta(t, grown, parts.Anonymous-before.Parts.Anonymous, size/8, "it is anonymous memory")
	}
}

func TestProcessIsGone(t *testing.T) {
	cmd := exec.Command("sh", "-c", "exit 0")
	require.NoError(t, cmd.Start())
	read := OfTree(cmd.Process.Pid)
	assert.Eventually(t, func() bool {
		_, err := read(t.Context())
		return errors.Is(err, ErrGone)
	}, time.Minute, 10*time.Millisecond, "a zombie is gone too")
	require.NoError(t, cmd.Wait())
	_, err := read(t.Context())
	assert.ErrorIs(t, err, ErrGone)
}

func endpoint(t *testing.T, status int, body string) Reader {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	return FromEndpoint(server.URL + "/metrics")
}

func TestEndpoint(t *testing.T) {
	for name, body := range map[string]string{
		"typed":          "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes 1.2345344e+07\n",
		"untyped":        "up 1\nprocess_resident_memory_bytes 12345344\n",
		"with labels":    "process_resident_memory_bytes{app=\"x\"} 12345344\n",
		"among the rest": "# HELP a A.\n# TYPE a counter\na 1\nprocess_resident_memory_bytes 12345344 1700000000000\nz{b=\"c\"} 2\n",
	} {
		t.Run(name, func(t *testing.T) {
			reading, err := endpoint(t, 200, body)(t.Context())
			require.NoError(t, err)
			assert.Equal(t, Reading{Total: 12345344}, reading)
		})
	}
}

func TestEndpointErrors(t *testing.T) {
	for name, test := range map[string]struct {
		status     int
		body, want string
	}{
		"missing":     {200, "up 1\n", "process_resident_memory_bytes is missing"},
		"not metrics": {200, "<html>\n", "text format parsing error"},
		"status":      {404, "", "answered 404 Not Found"},
		"NaN":         {200, "process_resident_memory_bytes NaN\n", "is NaN; expected a number of bytes"},
		"negative":    {200, "process_resident_memory_bytes -1\n", "is -1; expected a number of bytes"},
		"infinite":    {200, "process_resident_memory_bytes +Inf\n", "is +Inf; expected a number of bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := endpoint(t, test.status, test.body)(t.Context())
			assert.ErrorContains(t, err, test.want)
		})
	}
}

func TestSamplerKeepsLatestAndPeak(t *testing.T) {
	totals := []int64{5, 9, 7}
	next := 0
	sampler := NewSampler(func(ctx context.Context) (Reading, error) {
		assert.False(t, isComplete(ctx))
		next++
		return Reading{Total: totals[next-1]}, nil
	})
	assert.Zero(t, sampler.Latest())
	for range totals {
		_, err := sampler.Read(t.Context())
		require.NoError(t, err)
	}
	assert.EqualValues(t, 7, sampler.Latest().Total)
	assert.EqualValues(t, 9, sampler.TakePeak())
	assert.Zero(t, sampler.TakePeak())
}

func TestReadAllIsCompleteAndCounts(t *testing.T) {
	sampler := NewSampler(
		func(ctx context.Context) (Reading, error) {
			assert.True(t, isComplete(ctx))
			return Reading{Total: 7}, nil
		},
		func(_ context.Context, r *Reading) { r.LiveHeap = r.Total - 1 },
		func(_ context.Context, r *Reading) { r.Cgroup = &Cgroup{Socket: r.LiveHeap} },
	)
	reading, err := sampler.ReadAll(t.Context())
	require.NoError(t, err)
	assert.Equal(t, Reading{Total: 7, LiveHeap: 6, Cgroup: &Cgroup{Socket: 6}}, reading)
	assert.EqualValues(t, 7, sampler.TakePeak())

	gone := NewSampler(func(context.Context) (Reading, error) { return Reading{}, ErrGone }, func(context.Context, *Reading) { t.Error("nothing to complete") })
	_, err = gone.ReadAll(t.Context())
	assert.ErrorIs(t, err, ErrGone)
}

func TestSamplerObservesEachSampleInOrder(t *testing.T) {
	var total int64
	sampler := NewSampler(func(context.Context) (Reading, error) { total++; return Reading{Total: total}, nil })
	var last time.Time
	var seen []Sample
	sampler.Observe = func(s Sample) {
		assert.False(t, s.At.Before(last))
		last = s.At
		seen = append(seen, Sample{Iteration: s.Iteration, Reading: s.Reading})
	}
	for _, iteration := range []int{0, 1, 0, 2} {
		sampler.Mark(iteration)
		_, err := sampler.Read(t.Context())
		require.NoError(t, err)
	}
	_, err := sampler.ReadAll(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []Sample{
		{Iteration: 0, Reading: Reading{Total: 1}},
		{Iteration: 1, Reading: Reading{Total: 2}},
		{Iteration: 0, Reading: Reading{Total: 3}},
		{Iteration: 2, Reading: Reading{Total: 4}},
		{Iteration: 2, Reading: Reading{Total: 5}},
	}, seen)
}

// Iterations change while samples are taken; the race detector checks this as well.
func TestSamplerIsMarkedWhileItReads(t *testing.T) {
	sampler := NewSampler(func(context.Context) (Reading, error) { return Reading{Total: 1}, nil })
	var seen []int
	sampler.Observe = func(s Sample) { seen = append(seen, s.Iteration) }
	var reading sync.WaitGroup
	for range 2 {
		reading.Go(func() {
			for range 100 {
				_, err := sampler.Read(t.Context())
				assert.NoError(t, err)
			}
		})
	}
	for iteration := range 100 {
		sampler.Mark(iteration)
	}
	reading.Wait()
	assert.Len(t, seen, 200)
	assert.IsNonDecreasing(t, seen)
}

func TestSamplerOutlastsPassingErrorsAndEndsWithTheProcess(t *testing.T) {
	errs := []error{errors.New("timeout"), nil, ErrGone}
	next := 0
	sampler := NewSampler(func(context.Context) (Reading, error) {
		next++
		return Reading{Total: 1}, errs[next-1]
	})
	assert.ErrorIs(t, sampler.Run(t.Context()), ErrGone)
	assert.Equal(t, 3, next)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.NoError(t, NewSampler(func(context.Context) (Reading, error) { return Reading{}, nil }).Run(ctx))
}

func BenchmarkOfTree(b *testing.B) {
	read := OfTree(os.Getpid())
	for b.Loop() {
		if _, err := read(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

func TestOwnAccount(t *testing.T) {
	const pacer = "go_memstats_next_gc_bytes 6e6\ngo_gc_gogc_percent 200\n"
	for text, want := range map[string]int64{
		"go_gc_heap_live_bytes 123456\n" + pacer: 123456,
		pacer:                                    2e6,
		pacer + "go_gc_gomemlimit_bytes 9.223372036854776e+18\n":   2e6,
		pacer + "go_gc_gomemlimit_bytes 1e+08\n":                   0,
		"go_memstats_next_gc_bytes 6e6\n":                          0,
		"go_memstats_next_gc_bytes 6e6\ngo_gc_gogc_percent -100\n": 0,
		"process_resident_memory_bytes 5\n":                        0,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, text)
		}))
		reading := Reading{Total: 1}
		OwnAccount(server.URL)(t.Context(), &reading)
		server.Close()
		assert.Equal(t, Reading{Total: 1, LiveHeap: want}, reading, "%q", text)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "http_requests_total{code=\"200\"} 40\nhttp_requests_total{code=\"404\"} 2\n")
	}))
	defer server.Close()
	counted := Reading{Total: 1}
	OwnAccount(server.URL)(t.Context(), &counted)
	assert.Equal(t, Reading{Total: 1, Requests: 42, RequestsCounter: "http_requests_total"}, counted)

	reading := Reading{Total: 1}
	OwnAccount("http://127.0.0.1:1/")(t.Context(), &reading)
	assert.Equal(t, Reading{Total: 1}, reading)
}
