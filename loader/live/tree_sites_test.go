package live

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/memory"
)

// telling is a process that names what it was given.
type telling struct {
	told
	naming            Naming
	unready, unnamed  error
	prepared, finally *atomic.Int64
}

func (t telling) name(context.Context, Save) (func(context.Context) (Naming, error), error) {
	t.prepared.Add(1)
	return func(context.Context) (Naming, error) {
		t.finally.Add(1)
		return t.naming, t.unnamed
	}, t.unready
}

// treeOf is a tree of processes that all run one runtime.
func treeOf(t *testing.T, processes map[int]opened) *Tree {
	t.Helper()
	var pids []int
	for pid := range processes {
		pids = append(pids, pid)
	}
	kind := runtime{
		kind: JVM, runs: func(process) bool { return true },
		open: func(_ context.Context, p process, _ Options) (opened, error) { return processes[p.PID], nil },
	}
	tree, err := open(t.Context(), func() ([]int, error) { return pids, nil }, Options{Kind: Auto}, []runtime{kind})
	require.NoError(t, err)
	return tree
}

func TestTreeSumsUpSites(t *testing.T) {
	var closed atomic.Int64
	first := []memory.Site{
		{Class: "A", Bytes: 10, Objects: 1, Holders: []string{"small"}}, {Class: "B", Bytes: 7, Objects: 7},
		{Class: "lie", Bytes: -1}, {Class: "lie", Bytes: 1, Objects: mostBytes + 1},
		{Class: strings.Repeat("é", 300), Callers: make([]string, 20), Holders: []string{strings.Repeat("x", 5000)}},
	}
	second := []memory.Site{{Class: "A", Bytes: 90, Objects: 9, Holders: []string{"large"}, Sampled: true}, {Class: "A", Line: 4, Bytes: 1}}
	tree := treeOf(t, map[int]opened{
		os.Getpid(): told{read: memory.Live{Bytes: 100, Processes: 1, Sites: first}, closed: &closed},
		child(t):    told{read: memory.Live{Bytes: 100, Processes: 1, Sites: second}, closed: &closed},
	})
	read, err := tree.Live(t.Context())
	require.NoError(t, err)
	require.Len(t, read.Sites, 4)
	assert.Equal(t, memory.Site{Class: "A", Bytes: 100, Objects: 10, Holders: []string{"large"}, Sampled: true}, read.Sites[0])
	assert.Equal(t, memory.Site{Class: "B", Bytes: 7, Objects: 7}, read.Sites[1])
	assert.Equal(t, memory.Site{Class: "A", Line: 4, Bytes: 1}, read.Sites[2], "another line is another site")
	long := read.Sites[3]
	assert.LessOrEqual(t, len(long.Class), mostSummedText)
	assert.True(t, utf8.ValidString(long.Class))
	assert.Len(t, long.Callers, mostSummedCallers)
	assert.Len(t, long.Holders[0], mostSummedText)

	var many []memory.Site
	for n := range mostSummed {
		many = append(many, memory.Site{Class: "many", Line: n, Bytes: int64(n)})
	}
	tree = treeOf(t, map[int]opened{
		os.Getpid(): told{read: memory.Live{Processes: 1, Sites: many}, closed: &closed},
		child(t):    told{read: memory.Live{Processes: 1, Sites: []memory.Site{{Class: "one more", Bytes: 1 << 20}}}, closed: &closed},
	})
	read, err = tree.Live(t.Context())
	require.NoError(t, err)
	assert.Len(t, read.Sites, mostSummed)
	assert.Equal(t, "one more", read.Sites[0].Class)
}

func TestTreeNamesWhatItsProcessesName(t *testing.T) {
	var closed, prepared, finally atomic.Int64
	process := func(p telling) telling {
		p.read, p.closed, p.prepared, p.finally = memory.Live{Processes: 1}, &closed, &prepared, &finally
		return p
	}
	tree := treeOf(t, map[int]opened{
		os.Getpid(): process(telling{naming: Naming{
			Sites: []memory.Site{{Function: "f", Bytes: 5, Objects: 1}, {Class: "second", Line: 2}, {Class: "first", Line: 1}}, Files: []ProfileFile{{Name: "a"}},
		}}),
		child(t): process(telling{naming: Naming{Sites: []memory.Site{{Function: "f", Bytes: 6, Objects: 2}}, Sampled: true, SampledEvery: 512, Files: []ProfileFile{{Name: "b"}}}}),
		child(t): process(telling{unready: errors.New("it is busy")}),
		child(t): process(telling{unnamed: errors.New("it is gone")}),
		child(t): told{read: memory.Live{Processes: 1}, closed: &closed},
	})
	assert.True(t, tree.Names())
	finish, err := tree.Name(t.Context(), nil)
	require.NoError(t, err, "one that fails does not hurt the others")
	naming, err := finish(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []memory.Site{{Function: "f", Bytes: 11, Objects: 3, Sampled: true}, {Class: "second", Line: 2}, {Class: "first", Line: 1}}, naming.Sites,
		"in the order of the process where bytes and objects are the same")
	assert.True(t, naming.Sampled)
	assert.EqualValues(t, 512, naming.SampledEvery)
	assert.ElementsMatch(t, []ProfileFile{{Name: "a"}, {Name: "b"}}, naming.Files)
	assert.EqualValues(t, 4, prepared.Load())
	assert.EqualValues(t, 3, finally.Load())
}

func TestTreeThatNamesNothing(t *testing.T) {
	var closed, calls atomic.Int64
	plain := told{read: memory.Live{Processes: 1}, closed: &closed}
	tree := treeOf(t, map[int]opened{os.Getpid(): plain})
	assert.False(t, tree.Names())
	_, err := tree.Name(t.Context(), nil)
	require.ErrorIs(t, err, ErrNone)

	unready := telling{told: plain, unready: errors.New("it is busy"), prepared: &calls, finally: &calls}
	_, err = treeOf(t, map[int]opened{os.Getpid(): unready}).Name(t.Context(), nil)
	require.EqualError(t, err, fmt.Sprintf("jvm of process %d: it is busy", os.Getpid()))

	unready.unready = fmt.Errorf("%w: it has no such profile", ErrNone)
	_, err = treeOf(t, map[int]opened{os.Getpid(): unready}).Name(t.Context(), nil)
	require.ErrorIs(t, err, ErrNone)
	busy := unready
	busy.unready = errors.New("it is busy")
	other := child(t)
	_, err = treeOf(t, map[int]opened{os.Getpid(): unready, other: busy}).Name(t.Context(), nil)
	require.EqualError(t, err, fmt.Sprintf("jvm of process %d: it is busy", other), "which may be another time")

	unnamed := telling{told: plain, unnamed: errors.New("it is gone"), prepared: &calls, finally: &calls}
	finish, err := treeOf(t, map[int]opened{os.Getpid(): unnamed}).Name(t.Context(), nil)
	require.NoError(t, err)
	_, err = finish(t.Context())
	assert.EqualError(t, err, fmt.Sprintf("jvm of process %d: it is gone", os.Getpid()))
}
