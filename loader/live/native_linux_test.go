package live

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"leaklab/loader/kernel"
	"leaklab/loader/memory"
)

// cProgram is a running testdata/native/main.c.
type cProgram struct {
	process
	stdin   io.Writer
	answers *bufio.Reader
	command *exec.Cmd
}

// needs skips the test without a tool, or fails it if LEAKLAB_REQUIRE_SERVERS is set.
func needs(t *testing.T, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err == nil {
			continue
		}
		if os.Getenv("LEAKLAB_REQUIRE_SERVERS") != "" {
			t.Fatalf("needs %s", tool)
		}
		t.Skipf("needs %s", tool)
	}
}

// buildC compiles testdata/native/main.c, without symbols.
func buildC(t *testing.T) string {
	t.Helper()
	needs(t, "gcc")
	program := filepath.Join(t.TempDir(), "keeper")
	output, err := exec.Command("gcc", "-O1", "-s", "-pthread", "-o", program, "testdata/native/main.c").CombinedOutput()
	require.NoError(t, err, "%s", output)
	return program
}

func startC(t *testing.T, environment ...string) *cProgram {
	t.Helper()
	return startCommand(t, exec.Command(buildC(t)), environment...)
}

func startCommand(t *testing.T, command *exec.Cmd, environment ...string) *cProgram {
	t.Helper()
	command.Env = append(os.Environ(), environment...)
	stdin, err := command.StdinPipe()
	require.NoError(t, err)
	stdout, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = command.Process.Kill()
		_, _ = io.Copy(io.Discard, stdout) // until its children have ended too
		_ = command.Wait()
	})
	c := &cProgram{stdin: stdin, answers: bufio.NewReader(stdout), command: command}
	c.answered(t)
	c.process = processOf(t, command.Process.Pid)
	return c
}

// processOf describes a process of this machine.
func processOf(t *testing.T, pid int) process {
	t.Helper()
	p, err := look(pid)
	require.NoError(t, err)
	return p
}

func (c *cProgram) tell(t *testing.T, line string) {
	t.Helper()
	_, err := fmt.Fprintln(c.stdin, line)
	require.NoError(t, err)
	c.answered(t)
}

func (c *cProgram) answered(t *testing.T) {
	t.Helper()
	answer := make(chan string, 1)
	go func() {
		line, _ := c.answers.ReadString('\n')
		answer <- line
	}()
	select {
	case line := <-answer:
		require.Equal(t, "ok\n", line)
	case <-time.After(time.Minute):
		require.Fail(t, "the program does not answer")
	}
}

func openC(t *testing.T, c *cProgram) *nativeProgram {
	t.Helper()
	needs(t, "gdb")
	require.True(t, native().runs(c.process))
	program, err := native().open(t.Context(), c.process, Options{Folder: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { _ = program.close(context.Background()) })
	return program.(*nativeProgram)
}

func TestNativeIsReadToTheByte(t *testing.T) {
	c := startC(t)
	program := openC(t, c)
	before := readLive(t, program)
	assert.Equal(t, before.Bytes, readLive(t, program).Bytes, "an idle program")
	t.Log("stopped", before.Stopped)
	assert.Positive(t, before.Stopped)
	assert.Equal(t, 1, before.Processes)

	c.tell(t, "keep 10000 48")
	kept := readLive(t, program)
	assert.Equal(t, int64(10_000*64), kept.Bytes-before.Bytes, "chunks of 48 bytes take 64 in all")
	c.tell(t, "keep 3 1000000")
	mapped := readLive(t, program)
	assert.Equal(t, int64(3*1_003_520), mapped.Bytes-kept.Bytes, "these have mappings of whole pages")
	c.tell(t, "thread 104")
	inThread := readLive(t, program)
	assert.InDelta(t, 1_000*112, inThread.Bytes-mapped.Bytes, 4096, "in another arena")
	c.tell(t, "churn 100000 100")
	churned := readLive(t, program)
	assert.InDelta(t, inThread.Bytes, churned.Bytes, 8192, "tcache and fast bins keep a little")
	assert.GreaterOrEqual(t, churned.Heap, churned.Bytes)

	require.NoError(t, program.close(t.Context()))
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", c.PID))
	require.NoError(t, err)
	assert.NotContains(t, string(maps), fmt.Sprintf("%x-", program.room), "the buffer is given back")
	c.tell(t, "keep 1 1")
}

func TestNativeBesideThreadsInsideMalloc(t *testing.T) {
	c := startC(t)
	c.tell(t, "hammer 3")
	program := openC(t, c)
	for range 20 {
		assert.Positive(t, readLive(t, program).Bytes)
	}
	require.NoError(t, program.close(t.Context()))
	c.tell(t, "keep 1 1")
}

func TestNativeSurvivesTheEndOfGdb(t *testing.T) {
	c := startC(t)
	program := openC(t, c)
	before := readLive(t, program)
	err := program.shared.use(t.TempDir(), func(gdb *debugger) error {
		_, err := gdb.attach(t.Context(), c.PID)
		require.NoError(t, err)
		require.NoError(t, gdb.command.Process.Kill())
		_, err = gdb.do(t.Context(), "info threads")
		return err
	})
	require.ErrorContains(t, err, "gdb has ended")
	c.tell(t, "keep 1000 48")
	assert.Equal(t, int64(1000*64), readLive(t, program).Bytes-before.Bytes, "by another gdb")
}

func TestNativeProcessesShareOneGdb(t *testing.T) {
	needs(t, "gdb")
	runtime := native()
	var programs []*nativeProgram
	for range 2 {
		program, err := runtime.open(t.Context(), startC(t).process, Options{Folder: t.TempDir()})
		require.NoError(t, err)
		programs = append(programs, program.(*nativeProgram))
	}
	for _, p := range programs {
		assert.Equal(t, readLive(t, p).Bytes, readLive(t, p).Bytes)
	}
	assert.Same(t, programs[0].gdb, programs[1].gdb)
	require.NoError(t, programs[0].close(t.Context()))
	readLive(t, programs[1])
	require.NoError(t, programs[1].close(t.Context()))
	assert.Nil(t, programs[1].shared.gdb)
	require.NoError(t, programs[1].close(t.Context()), "once more")
	assert.Nil(t, programs[1].shared.gdb, "the stream is not closed twice, which would end the program")
}

func TestNativeGivesUpInTime(t *testing.T) {
	t.Parallel() // it mostly waits
	c := startC(t)
	program := openC(t, c)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := program.live(cancelled)
	require.ErrorIs(t, err, context.Canceled)
	c.tell(t, "keep 1 1")

	// A call that does not return is undone. The program goes on where it was.
	sleeps, err := glibcFunctions(c.process, "sleep")
	require.NoError(t, err)
	short, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	err = program.attached(short, func(ctx context.Context) error {
		_, err := program.gdb.call(ctx, sleeps["sleep"], 1000)
		return err
	})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	c.tell(t, "keep 1 1")
	assert.Positive(t, readLive(t, program).Bytes)
}

func TestNativeProgramThatEnded(t *testing.T) {
	c := startC(t)
	program := openC(t, c)
	require.NoError(t, c.command.Process.Kill())
	require.Eventually(t, func() bool { return hasEnded(c.PID) }, time.Minute, time.Millisecond)
	_, err := program.live(t.Context())
	require.ErrorIs(t, err, memory.ErrGone, "it is not waited for yet")
	_ = c.command.Wait()
	_, err = program.live(t.Context())
	require.ErrorIs(t, err, memory.ErrGone)
	assert.NoError(t, program.close(t.Context()))
}

func TestNativeEndsGdbThoughAProcessHasGone(t *testing.T) {
	needs(t, "gdb")
	staying, ending := startC(t), startC(t)
	pids := []int{staying.PID, ending.PID}
	native := native()
	var mu sync.Mutex
	var programs []*nativeProgram
	opens := native.open
	native.open = func(ctx context.Context, p process, o Options) (opened, error) {
		program, err := opens(ctx, p, o)
		if err == nil {
			mu.Lock()
			defer mu.Unlock()
			programs = append(programs, program.(*nativeProgram))
		}
		return program, err
	}
	tree, err := open(t.Context(), func() ([]int, error) { return pids, nil }, Options{Kind: Native, Folder: t.TempDir()}, []runtime{native})
	require.NoError(t, err)
	require.NoError(t, ending.command.Process.Kill())
	_ = ending.command.Wait()
	pids = pids[:1]
	_, err = tree.Live(t.Context())
	require.NoError(t, err)
	require.Len(t, programs, 2)
	require.NotNil(t, programs[0].shared.gdb)
	require.NoError(t, tree.Close(t.Context()))
	assert.Nil(t, programs[0].shared.gdb)
}

// Whenever a run is interrupted, the server goes on, and can be asked again.
func TestNativeInterruptedAtAnyMoment(t *testing.T) {
	c := startC(t)
	program := openC(t, c)
	whole := readLive(t, program).Stopped
	const moments = 12
	for n := range moments {
		ctx, cancel := context.WithTimeout(t.Context(), whole*time.Duration(n+1)/moments)
		_, err := program.live(ctx)
		cancel()
		c.tell(t, "keep 1 1")
		if err != nil {
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}
		tracer, err := os.ReadFile(kernel.Path(c.PID, "status"))
		require.NoError(t, err)
		require.Contains(t, string(tracer), "TracerPid:\t0\n")
	}
	assert.Positive(t, readLive(t, program).Bytes)
}

// In a server that has changed its root, or after an update, the path of glibc may lead to another file. Its addresses would
// end the server.
func TestNativeOfAnotherFileOfGlibc(t *testing.T) {
	c := startC(t)
	library := libcOf(c.process)
	require.NotEmpty(t, library)
	content, err := os.ReadFile(library)
	require.NoError(t, err)
	root := t.TempDir()
	other := filepath.Join(root, library)
	require.NoError(t, os.MkdirAll(filepath.Dir(other), 0o700))
	p := c.process
	p.Root = root

	require.NoError(t, os.WriteFile(other, content, 0o600))
	_, err = glibcFunctions(p, called...)
	require.NoError(t, err, "the same")
	const buildID = 0x390 // or near to it, in the first page
	content[buildID]++
	require.NoError(t, os.WriteFile(other, content, 0o600))
	_, err = glibcFunctions(p, called...)
	require.ErrorContains(t, err, "not the one that the process has loaded")

	require.NoError(t, os.Remove(other))
	require.NoError(t, unix.Mkfifo(other, 0o600))
	_, err = glibcFunctions(p, called...)
	assert.Error(t, err, "it does not wait for a pipe")
}

func TestNativeWithoutGdb(t *testing.T) {
	c := startC(t)
	t.Setenv("PATH", t.TempDir())
	_, err := native().open(t.Context(), c.process, Options{Folder: t.TempDir()})
	assert.ErrorContains(t, err, "not installed")
}

func TestIsWait(t *testing.T) {
	descriptors := map[uint64]string{3: "socket:[12]", 4: "/proc/sys/vm/overcommit_memory", 5: "pipe:[1]"}
	target := func(n uint64) string { return descriptors[n] }
	for name, c := range map[string]struct {
		line string
		want bool
	}{
		"running":           {"running", false},
		"in no system call": {"-1 0x7ffc6ea53f20 0x7ffa30a4b2ec", false},
		"read of a socket":  {"SYS_read 0x3 0x563ea920f2a0 0x1000 0x8 0x0 0x0 0x7ffc6ea53f20 0x7ffa30a4b2ec", true},
		"read of a pipe":    {"SYS_read 0x5 0x563ea920f2a0 0x1000 0x8 0x0 0x0 0x7ffc6ea53f20 0x7ffa30a4b2ec", true},
		"read of a file":    {"SYS_read 0x4 0x563ea920f2a0 0x1000 0x8 0x0 0x0 0x7ffc6ea53f20 0x7ffa30a4b2ec", false},
		"a condition":       {"SYS_futex 0x7ffa3014d910 0x189 0x0 0x0 0x0 0xffffffff 0x7ffc6ea53f20 0x7ffa30a4b2ec", true},
		"a thread's end":    {"SYS_futex 0x7ffa3014d910 0x109 0x1 0x0 0x0 0xffffffff 0x7ffc6ea53f20 0x7ffa30a4b2ec", true},
		"a lock":            {"SYS_futex 0x7ffa3014d910 0x80 0x2 0x0 0x0 0x0 0x7ffc6ea53f20 0x7ffa30a4b2ec", false},
		"accept":            {"SYS_accept4 0x3 0x0 0x0 0x0 0x0 0x0 0x7ffc6ea53f20 0x7ffa30a4b2ec", true},
		"munmap":            {"SYS_munmap 0x3 0x0 0x0 0x0 0x0 0x0 0x7ffc6ea53f20 0x7ffa30a4b2ec", false},
		"nonsense":          {"a b c d e f g h i", false},
	} {
		assert.Equal(t, c.want, isWait(numbered(c.line), target), name)
	}
}

// numbered puts the numbers of this architecture for the names of system calls.
func numbered(line string) string {
	numbers := []any{unix.SYS_READ, unix.SYS_FUTEX, unix.SYS_ACCEPT4, unix.SYS_MUNMAP}
	for n, name := range []string{"SYS_read", "SYS_futex", "SYS_accept4", "SYS_munmap"} {
		line = strings.Replace(line, name, fmt.Sprint(numbers[n]), 1)
	}
	return line
}
