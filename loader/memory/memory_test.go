package memory

import (
	"bufio"
	"context"
	"errors"
	"io"
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
