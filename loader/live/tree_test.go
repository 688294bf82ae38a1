package live

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/memory"
)

// told is a process that answers with what it was given.
type told struct {
	read   memory.Live
	err    error
	closed *atomic.Int64
}

func (t told) live(context.Context) (memory.Live, error) { return t.read, t.err }
func (t told) close(context.Context) error               { t.closed.Add(1); return t.err }
func (t told) said() string                              { return "asked" }

// answering is a runtime that every process runs, but for those of mute, which cannot be asked.
func answering(kind Kind, answers map[int]told, mute error) runtime {
	return runtime{
		kind: kind,
		runs: func(process) bool { return true },
		open: func(_ context.Context, p process, _ Options) (opened, error) {
			if answer, found := answers[p.PID]; found {
				return answer, nil
			}
			return nil, mute
		},
	}
}

// child starts a program that waits, and returns its PID once it runs: until then it may still become that program.
func child(t *testing.T) int {
	t.Helper()
	cmd := exec.Command("cat")
	input, err := cmd.StdinPipe()
	require.NoError(t, err)
	output, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	_, err = io.WriteString(input, "ready")
	require.NoError(t, err)
	_, err = io.ReadFull(output, make([]byte, len("ready")))
	require.NoError(t, err)
	return cmd.Process.Pid
}

func TestTreeSumsUpItsProcesses(t *testing.T) {
	var closed atomic.Int64
	self, first, second := os.Getpid(), child(t), child(t)
	pids := []int{self, first}
	answers := map[int]told{
		self:   {read: memory.Live{Bytes: 100, Heap: 300, Shared: 5, Committed: 400, Forced: "GC", Processes: 1, Limit: memory.Limit{Bytes: 900, Of: "-Xmx"}}, closed: &closed},
		second: {read: memory.Live{Bytes: 10, Committed: 40, Forced: "GC", Processes: 1, Limit: memory.Limit{Bytes: 800, Of: "-Xmx"}}, closed: &closed},
	}
	tree, err := open(t.Context(), func() ([]int, error) { return pids, nil }, Options{Kind: Auto}, []runtime{answering(JVM, answers, errors.New("it is closed"))})
	require.NoError(t, err)
	read, err := tree.Live(t.Context())
	require.NoError(t, err)
	assert.Positive(t, read.Outside)
	read.Outside = 0
	assert.Equal(t, memory.Live{Bytes: 100, Heap: 300, Shared: 5, Committed: 400, Forced: "GC", Processes: 1, Limit: memory.Limit{Bytes: 900, Of: "-Xmx"}}, read)

	pids = []int{self, second} // one has come, one has gone
	read, err = tree.Live(t.Context())
	require.NoError(t, err)
	read.Outside = 0
	assert.Equal(t, memory.Live{Bytes: 110, Heap: 310, Shared: 5, Committed: 440, Forced: "GC", Processes: 2, Limit: memory.Limit{Bytes: 800, Of: "-Xmx"}}, read, "nothing but what is live is known of the second heap")
	assert.Equal(t, []string{fmt.Sprintf("process %d: asked", self), fmt.Sprintf("process %d: asked", second)}, tree.Said())
	assert.Equal(t, []string{"jvm"}, tree.Runtimes())
	require.NoError(t, tree.Close(t.Context()))
	assert.EqualValues(t, 2, closed.Load())
}

func TestTreeWithoutARuntime(t *testing.T) {
	list := func() ([]int, error) { return []int{os.Getpid()}, nil }
	_, err := open(t.Context(), list, Options{Kind: Auto}, []runtime{answering(JVM, nil, errors.New("it is closed"))})
	require.ErrorIs(t, err, ErrNone)
	assert.Contains(t, err.Error(), "jvm: it is closed")
	_, err = open(t.Context(), list, Options{Kind: Node}, []runtime{answering(JVM, nil, errors.New("it is closed"))})
	require.ErrorIs(t, err, ErrNone)
	assert.NotContains(t, err.Error(), "it is closed", "it was not looked for")
	_, err = open(t.Context(), func() ([]int, error) { return nil, memory.ErrGone }, Options{}, nil)
	assert.ErrorIs(t, err, memory.ErrGone)
}

func TestTreeOfAProcessThatFails(t *testing.T) {
	var closed atomic.Int64
	self, ending := os.Getpid(), child(t)
	answers := map[int]told{
		self:   {read: memory.Live{Bytes: 7, Processes: 1}, closed: &closed},
		ending: {err: fmt.Errorf("process: %w", memory.ErrGone), closed: &closed},
	}
	tree, err := open(t.Context(), func() ([]int, error) { return []int{self, ending}, nil }, Options{Kind: Auto}, []runtime{answering(JVM, answers, nil)})
	require.NoError(t, err)
	read, err := tree.Live(t.Context())
	require.NoError(t, err, "one that ends meanwhile is left out")
	assert.Equal(t, int64(7), read.Bytes)

	answers[self] = told{err: errors.New("it answers nothing"), closed: &closed}
	tree, err = open(t.Context(), func() ([]int, error) { return []int{self}, nil }, Options{Kind: Auto}, []runtime{answering(JVM, answers, nil)})
	require.NoError(t, err)
	_, err = tree.Live(t.Context())
	assert.ErrorContains(t, err, fmt.Sprintf("jvm of process %d: it answers nothing", self))
	assert.ErrorContains(t, tree.Close(t.Context()), "it answers nothing")
}

func TestChosen(t *testing.T) {
	assert.True(t, runtime{kind: JVM}.chosen(Auto))
	assert.True(t, runtime{kind: JVM}.chosen(JVM))
	assert.False(t, runtime{kind: JVM}.chosen(Node))
	assert.False(t, runtime{kind: TCMalloc}.chosen(Auto), "it costs too much")
	assert.False(t, runtime{kind: JVM}.chosen(Off))
}

func TestStops(t *testing.T) {
	r := runtime{stopAtLeast: 20 * time.Millisecond, stopPerGiB: 2 * time.Second}
	assert.Equal(t, "1s", coarse(r.stops(1<<29)))
	assert.Equal(t, "20ms", coarse(r.stops(0)))
	assert.Equal(t, "1ms", coarse(0))
}

func TestLook(t *testing.T) {
	p, err := look(os.Getpid())
	require.NoError(t, err)
	exe, err := os.Executable()
	require.NoError(t, err)
	assert.Equal(t, exe, p.Exe)
	assert.Equal(t, os.Getpid(), p.Inside)
	assert.Contains(t, p.Mapped, exe)
	assert.Equal(t, os.Args, p.arguments())
	t.Setenv("LEAKLAB_LOOK", "is not seen: it was set after the start")
	assert.Empty(t, p.environment("LEAKLAB_LOOK"))
	assert.Equal(t, os.Getenv("PATH"), p.environment("PATH"))
	assert.True(t, p.handles(10), "Go has a handler of SIGUSR1")
	assert.False(t, p.handles(9))
	_, err = look(1 << 30)
	assert.Error(t, err)
}

func TestMapsLibraries(t *testing.T) {
	p := process{Mapped: []string{"/usr/lib/libtcmalloc.so.4", "/opt/libjvm.so", "/usr/lib/libnode.so.108"}}
	assert.True(t, p.maps("libtcmalloc.so"))
	assert.True(t, p.maps("libjvm.so"))
	assert.False(t, p.maps("libjv"))
	assert.False(t, p.maps("libtcmalloc_minimal.so"))
}

func TestCollects(t *testing.T) {
	collects, defers := Collects(func() ([]int, error) { return []int{child(t), 1 << 30}, nil })
	assert.False(t, collects || defers, "cat does not")
	collects, defers = Collects(func() ([]int, error) { return []int{os.Getpid()}, nil })
	assert.True(t, collects, "Go does")
	assert.False(t, defers, "it collects when its heap has doubled")
	collects, _ = Collects(func() ([]int, error) { return nil, memory.ErrGone })
	assert.False(t, collects)
}

func TestOutsideOfTheHeap(t *testing.T) {
	self := os.Getpid()
	all := outside(self, memory.Live{})
	assert.Positive(t, all)
	assert.InDelta(t, all-(1<<20), outside(self, memory.Live{Heap: 3 << 20, Shared: 2 << 20}), 1<<20)
	assert.Zero(t, outside(self, memory.Live{Heap: 1 << 40}), "it is not negative")
	assert.Zero(t, outside(1<<30, memory.Live{}), "it has ended")
	var sum memory.Live
	addOutside(&sum, 7)
	addOutside(&sum, 8)
	assert.Equal(t, int64(15), sum.Outside)
	addOutside(&sum, -1)
	addOutside(&sum, 9)
	assert.Negative(t, sum.Outside, "one is unknown")
}

// A run that is interrupted while it opens a server leaves nothing open.
func TestTreeThatIsInterruptedWhileItOpens(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	var closed atomic.Int64
	r := runtime{
		kind: JVM,
		runs: func(process) bool { return true },
		open: func(context.Context, process, Options) (opened, error) {
			interrupt()
			return told{closed: &closed}, nil
		},
	}
	_, err := open(ctx, func() ([]int, error) { return []int{os.Getpid()}, nil }, Options{Kind: Auto}, []runtime{r})
	require.ErrorIs(t, err, context.Canceled)
	assert.EqualValues(t, 1, closed.Load())
}

func TestTreeClosesWhatItForgets(t *testing.T) {
	var closed atomic.Int64
	self, ending := os.Getpid(), child(t)
	pids := []int{self, ending}
	answers := map[int]told{
		self:   {read: memory.Live{Bytes: 7, Processes: 1}, closed: &closed},
		ending: {read: memory.Live{Bytes: 7, Processes: 1}, closed: &closed},
	}
	tree, err := open(t.Context(), func() ([]int, error) { return pids, nil }, Options{Kind: Auto}, []runtime{answering(JVM, answers, nil)})
	require.NoError(t, err)
	pids = []int{self}
	_, err = tree.Live(t.Context())
	require.NoError(t, err)
	assert.EqualValues(t, 1, closed.Load(), "the one that has ended")
	require.NoError(t, tree.Close(t.Context()))
	assert.EqualValues(t, 2, closed.Load())
}

func TestTreeBelievesNoFigureThatCannotBe(t *testing.T) {
	var closed atomic.Int64
	for _, read := range []memory.Live{{Bytes: -1, Processes: 1}, {Heap: 1 << 62, Processes: 1}, {Committed: 1 << 62, Processes: 1}} {
		answers := map[int]told{os.Getpid(): {read: read, closed: &closed}}
		tree, err := open(t.Context(), func() ([]int, error) { return []int{os.Getpid()}, nil }, Options{Kind: Auto}, []runtime{answering(JVM, answers, nil)})
		require.NoError(t, err)
		_, err = tree.Live(t.Context())
		assert.ErrorContains(t, err, "cannot be")
	}
}

func TestTreeOpensAProcessAgain(t *testing.T) {
	var closed atomic.Int64
	opens := 0
	slow := answering(Python, nil, nil)
	slow.open = func(context.Context, process, Options) (opened, error) {
		if opens++; opens < 3 {
			return nil, notYet{errors.New("it has just begun")}
		}
		return told{read: memory.Live{Bytes: 7, Processes: 1}, closed: &closed}, nil
	}
	quick := answering(JVM, map[int]told{os.Getpid(): {read: memory.Live{Bytes: 100, Processes: 1}, closed: &closed}}, nil)
	self := os.Getpid()
	quick.runs = func(p process) bool { return p.PID == self }
	list := []int{self, child(t)}
	tree, err := open(t.Context(), func() ([]int, error) { return list, nil }, Options{Kind: Auto}, []runtime{quick, slow})
	require.NoError(t, err)
	for _, want := range []int64{100, 107, 107} {
		read, err := tree.Live(t.Context())
		require.NoError(t, err)
		assert.Equal(t, want, read.Bytes)
	}
	assert.Equal(t, 3, opens, "it is open then")
}

// A server all of whose processes are still starting is waited for, and one that cannot be asked is not.
func TestTreeWaitsForAServerThatStarts(t *testing.T) {
	var closed atomic.Int64
	for _, test := range []struct {
		name  string
		fails []error // one opening after the other
		opens int
		want  string // the error; empty for none
	}{
		{"at once", nil, 1, ""},
		{"at the last opening", []error{notYet{errors.New("it starts")}, fmt.Errorf("wrapped: %w", notYet{errors.New("it starts")})}, 3, ""},
		{"too late", slices.Repeat([]error{notYet{errors.New("it starts")}}, 9), 3, "jvm: it starts"},
		{"never", slices.Repeat([]error{errors.New("it forbids it")}, 9), 1, "jvm: it forbids it"},
		{"not, as is seen later", []error{notYet{errors.New("it starts")}, errors.New("it forbids it")}, 2, "jvm: it forbids it"},
	} {
		t.Run(test.name, func(t *testing.T) {
			opens := 0
			r := answering(JVM, nil, nil)
			r.open = func(context.Context, process, Options) (opened, error) {
				if opens++; opens <= len(test.fails) {
					return nil, test.fails[opens-1]
				}
				return told{read: memory.Live{Bytes: 7, Processes: 1}, closed: &closed}, nil
			}
			_, err := open(t.Context(), func() ([]int, error) { return []int{os.Getpid()}, nil }, Options{Kind: Auto}, []runtime{r})
			assert.Equal(t, test.opens, opens)
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, ErrNone)
			assert.ErrorContains(t, err, test.want)
		})
	}
}

// A launcher such as that of Java loads the library of its runtime when it is running already.
func TestTreeLooksAgainForARuntime(t *testing.T) {
	var closed atomic.Int64
	self, launcher := os.Getpid(), child(t)
	loaded := false
	late := answering(JVM, map[int]told{launcher: {read: memory.Live{Bytes: 7, Processes: 1}, closed: &closed}}, nil)
	late.runs = func(p process) bool { return p.PID == launcher && loaded }
	other := answering(Go, map[int]told{self: {read: memory.Live{Bytes: 100, Processes: 1}, closed: &closed}}, nil)
	other.runs = func(p process) bool { return p.PID == self }
	tree, err := open(t.Context(), func() ([]int, error) { return []int{self, launcher}, nil }, Options{Kind: Auto}, []runtime{late, other})
	require.NoError(t, err)
	for _, want := range []int64{100, 107} {
		read, err := tree.Live(t.Context())
		require.NoError(t, err)
		assert.Equal(t, want, read.Bytes)
		loaded = true
	}
}
