package memory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/procfs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"leaklab/loader/kernel"
)

const rollup = `55cac7f74000-7ffe43b28000 ---p 00000000 00:00 0                          [rollup]
Rss:                1640 kB
Pss:                 538 kB
Pss_Dirty:           112 kB
Pss_Anon:            112 kB
Pss_File:            424 kB
Pss_Shmem:             2 kB
Shared_Clean:       1408 kB
`

func TestParseRollup(t *testing.T) {
	parts, err := parseRollup([]byte(rollup))
	require.NoError(t, err)
	assert.Equal(t, Parts{Anonymous: 112 << 10, File: 424 << 10, Shared: 2 << 10}, parts)

	parts, err = parseRollup(nil)
	require.NoError(t, err, "a zombie")
	assert.Zero(t, parts)

	_, err = parseRollup([]byte("Rss: 1640 kB\nPss: 538 kB\n"))
	assert.ErrorIs(t, err, os.ErrPermission, "an old kernel: as if it were not readable")
	_, err = parseRollup([]byte("Pss_Anon: x kB\n"))
	assert.ErrorContains(t, err, "Pss_Anon")
}

// Three shells share their program, their libraries and their memory from before the fork.
func TestSharedPagesOfATreeAreCountedOnce(t *testing.T) {
	shells := run(t, `exec 3<&0; (read x <&3) & (read x <&3) & echo ready; read x`)
	reading, err := OfTree(shells.Process.Pid)(t.Context())
	require.NoError(t, err)
	require.Equal(t, 3, reading.Processes)
	assert.True(t, reading.Proportional)
	assert.Equal(t, reading.Total, reading.Parts.Anonymous+reading.Parts.File+reading.Parts.Shared)
	assert.Equal(t, 3, reading.Threads)
	assert.GreaterOrEqual(t, reading.OpenFiles, 6)

	twice, err := (&tree{root: shells.Process.Pid, forbidden: true}).read(t.Context())
	require.NoError(t, err)
	assert.Less(t, reading.Total, twice.Total*2/3)
	assert.Less(t, reading.Parts.Anonymous, twice.Parts.Anonymous)
}

func TestSharedPagesAreCountedForEachWhereThatIsAllOneMaySee(t *testing.T) {
	shells := run(t, `exec 3<&0; (read x <&3) & echo ready; read x`)
	tree := &tree{root: shells.Process.Pid, forbidden: true}
	reading, err := tree.read(completely(t.Context()))
	require.NoError(t, err)
	assert.Equal(t, 2, reading.Processes)
	assert.False(t, reading.Proportional)
	assert.Nil(t, reading.Held)
}

// The shell and its child map the same files. What they share does not change what is counted, and neither do other
// programs that map these files.
func TestAFirstChildAndStrangersChangeNothing(t *testing.T) {
	shell := run(t, `exec 3<&0; echo ready; read x; (echo started; read x <&3) & read x`)
	read := OfTree(shell.Process.Pid)
	alone, err := read(completely(t.Context()))
	require.NoError(t, err)
	require.Equal(t, 1, alone.Processes)

	for range 3 {
		run(t, "echo ready; read x")
	}
	besides, err := read(completely(t.Context()))
	require.NoError(t, err)
	assert.Equal(t, alone.Parts, besides.Parts)

	_, err = io.WriteString(shell.stdin, "\n")
	require.NoError(t, err)
	shell.awaitLine(t)
	both, err := read(completely(t.Context()))
	require.NoError(t, err)
	require.Equal(t, 2, both.Processes)
	assert.InDelta(t, alone.Parts.File, both.Parts.File, 128<<10, "the shell may have come to more of its program")
	assert.InDelta(t, alone.Parts.Anonymous, both.Parts.Anonymous, 512<<10)
}

// What all threads share is shown, though the main thread has ended.
func TestAMainThreadThatHasEnded(t *testing.T) {
	program := compile(t, "testdata/main_ends.c")
	server := run(t, "exec "+program)
	read := OfTree(server.Process.Pid)
	for _, ctx := range []context.Context{completely(t.Context()), t.Context()} {
		reading, err := read(ctx)
		require.NoError(t, err)
		assert.Equal(t, 1, reading.Processes)
		assert.Equal(t, 2, reading.Threads)
		assert.GreaterOrEqual(t, reading.OpenFiles, 3)
		assert.Greater(t, reading.Parts.Anonymous, int64(20<<20))
		assert.Positive(t, reading.Parts.File)
	}
	anonymous, err := AnonymousOf(server.Process.Pid)
	require.NoError(t, err)
	assert.Greater(t, anonymous, int64(20<<20))
	for pid, want := range map[int]int{server.Process.Pid: showTries, os.Getpid(): 1} {
		tries := 0
		err := visit(pid, func(shown) error { tries++; return syscall.ESRCH })
		assert.ErrorIs(t, err, syscall.ESRCH)
		assert.Equal(t, want, tries, "a thread may end while it is read; a process that has ended does not come back")
	}
	require.NoError(t, server.Process.Kill())
	assert.Eventually(t, func() bool {
		_, err := read(t.Context())
		return errors.Is(err, ErrGone)
	}, time.Minute, 10*time.Millisecond)
}

// What ends a run is not believed at the first look, as long as the kernel tells that the process runs.
func TestAProcessThatRunsIsLookedForAgain(t *testing.T) {
	shell := run(t, "echo ready; read x")
	pid, gone := shell.Process.Pid, fmt.Errorf("process: %w", ErrGone)
	try := func(ctx context.Context, pid int, failing int, err error) (int, error) {
		tries := 0
		return lookAgain(ctx, pid, func() (int, error) {
			if tries++; tries <= failing {
				return tries, err
			}
			return tries, nil
		})
	}
	tries, err := try(t.Context(), pid, 2, gone)
	require.NoError(t, err)
	assert.Equal(t, 3, tries)
	const always = 1 << 30
	tries, err = try(t.Context(), pid, always, gone)
	assert.ErrorIs(t, err, ErrGone)
	assert.Greater(t, tries, 1, "and not for ever")
	tries, err = try(t.Context(), pid, 2, os.ErrPermission)
	assert.ErrorIs(t, err, os.ErrPermission)
	assert.Equal(t, 1, tries, "another error tells nothing of this")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	tries, err = try(ctx, pid, always, gone)
	assert.ErrorIs(t, err, ErrGone)
	assert.Equal(t, 1, tries, "the run ends")

	require.NoError(t, shell.Process.Kill())
	require.Eventually(t, func() bool { return !kernel.Runs(pid) }, time.Minute, time.Millisecond)
	tries, err = try(t.Context(), pid, 2, gone)
	assert.ErrorIs(t, err, ErrGone)
	assert.Equal(t, 1, tries, "a zombie")
}

// compile makes a program of a file in C.
func compile(t *testing.T, source string) string {
	t.Helper()
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("gcc is not installed")
	}
	program := filepath.Join(t.TempDir(), "program")
	output, err := exec.Command("gcc", "-O1", "-Wall", "-pthread", "-o", program, source).CombinedOutput()
	require.NoError(t, err, "%s", output)
	return program
}

// A quick reading adds to the last exact one what has changed since, and is never below 0.
func TestAQuickReadingFollowsTheLastExactOne(t *testing.T) {
	child := run(t, "echo ready; read x").Process.Pid
	tree := &tree{root: child}
	exact, err := tree.read(completely(t.Context()))
	require.NoError(t, err)
	assert.NotNil(t, exact.Held)
	quick, err := tree.read(t.Context())
	require.NoError(t, err)
	assert.Equal(t, exact.Parts, quick.Parts, "nothing has changed")
	assert.Nil(t, quick.Held)

	tree.last.quick.Anonymous -= 4096
	tree.last.exact.Shared = 8192
	tree.last.quick.File += 1 << 30
	quick, err = tree.read(t.Context())
	require.NoError(t, err)
	assert.Equal(t, &Parts{Anonymous: exact.Parts.Anonymous + 4096, Shared: 8192}, quick.Parts)
	assert.Equal(t, quick.Parts.Anonymous+8192, quick.Total)
}

// startHidden starts a process that the calling goroutine may not look at from now on, as a helper of another user.
func startHidden(t *testing.T) int {
	t.Helper()
	path, err := exec.LookPath("cat")
	require.NoError(t, err)
	helper := exec.Command(path)
	privileged := os.Geteuid() == 0
	if privileged {
		helper.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	} else { // a program that may not be read is not shown either
		program, err := os.ReadFile(path)
		require.NoError(t, err)
		helper.Path = filepath.Join(t.TempDir(), "helper")
		require.NoError(t, os.WriteFile(helper.Path, program, 0o111))
	}
	stdin, err := helper.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, helper.Start())
	t.Cleanup(func() {
		_ = stdin.Close() // which ends it
		_ = helper.Wait()
	})
	if privileged {
		runtime.LockOSThread() // for good: the thread loses its capabilities
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var sets [2]unix.CapUserData
		require.NoError(t, unix.Capset(&header, &sets[0]))
	}
	_, err = os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", helper.Process.Pid))
	require.ErrorIs(t, err, os.ErrPermission)
	return helper.Process.Pid
}

// What may not be looked at is counted by its status if it comes later. The way of counting of the others stays.
func TestAHelperOfAnotherUserChangesNothing(t *testing.T) {
	read := OfTree(os.Getpid())
	before, err := read(completely(t.Context()))
	require.NoError(t, err)
	require.NotNil(t, before.Held)
	helper, err := show(startHidden(t))
	require.NoError(t, err)
	after, err := read(completely(t.Context()))
	require.NoError(t, err)
	assert.True(t, after.Proportional)
	require.NotNil(t, after.Held)
	assert.Equal(t, before.Held.HugeTLB, after.Held.HugeTLB)
	assert.Equal(t, before.Processes+1, after.Processes)
	assert.Equal(t, before.Parts.Shared, after.Parts.Shared)
	assert.InDelta(t, before.Parts.Anonymous+int64(helper.status.RssAnon), after.Parts.Anonymous, 4<<20)

	first, err := OfTree(os.Getpid())(completely(t.Context()))
	require.NoError(t, err)
	assert.False(t, first.Proportional, "of the first reading, all counts for each process")
	assert.Nil(t, first.Held)
}

// What status tells of a process is what it holds, that beside resident memory included.
func TestStatusIsEnoughLater(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "smaps_rollup"), []byte("Rss: 4 kB\n"), 0o600), "as good as not readable")
	helper := shown{folder: folder, status: procfs.ProcStatus{RssAnon: 1, RssFile: 2, RssShmem: 4, VmSwap: 8, HugetlbPages: 16}}
	later := exactSum{all: newMappings(), lenient: true}
	require.NoError(t, later.add(helper))
	assert.Equal(t, Parts{Anonymous: 1, Shared: 4}, later.parts)
	assert.EqualValues(t, 8, later.all.held().Swapped)
	assert.EqualValues(t, 16, later.all.held().HugeTLB)
	assert.ErrorIs(t, (&exactSum{all: newMappings()}).add(helper), os.ErrPermission)
}

// A process that has entered a PID namespace from outside has parent 0 there.
func TestOrphansOfARootFromOutside(t *testing.T) {
	own, child := os.Getpid(), run(t, "echo ready; read x").Process.Pid
	from := func(parent int) *tree { return &tree{root: own, parents: map[int]int{own: parent}} }
	assert.Equal(t, []int{child}, from(0).orphans([]int{child, 1 << 22}), "in the same control groups; what is gone is not")
	assert.Empty(t, from(1).orphans([]int{child}), "its orphans are not of the server")
	assert.Empty(t, (&tree{root: 1, parents: map[int]int{1: 0}}).orphans([]int{1}), "they are its children anyway")
}
