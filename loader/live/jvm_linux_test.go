package live

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/prometheus/procfs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/kernel"
	"leaklab/loader/memory"
)

// program is a running testdata/Keep.java.
type program struct {
	t     *testing.T
	cmd   *exec.Cmd
	pid   int // of the JVM
	input io.Writer
	lines *bufio.Scanner

	mu     sync.Mutex
	errors bytes.Buffer
}

// need skips the test without a program, unless it is required to run.
func need(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		if os.Getenv("LEAKLAB_REQUIRE_SERVERS") != "" {
			t.Fatalf("%s is needed", name)
		}
		t.Skipf("%s is not installed", name)
	}
}

// compiled returns a folder with the compiled program, which every user may read.
func compiled(t *testing.T) string {
	t.Helper()
	need(t, "javac")
	folder := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(folder), 0o755))
	output, err := exec.Command("javac", "-d", folder, "testdata/Keep.java").CombinedOutput()
	require.NoError(t, err, "%s", output)
	return folder
}

// java runs the program in folder with options.
func java(t *testing.T, folder string, options ...string) *program {
	t.Helper()
	return started(t, exec.Command("java", append(options, "-Xmx128m", "-cp", folder, "Keep")...))
}

// started starts a command that is the program, or runs it as its only child.
func started(t *testing.T, cmd *exec.Cmd) *program {
	t.Helper()
	p := &program{t: t, cmd: cmd}
	input, err := cmd.StdinPipe()
	require.NoError(t, err)
	output, err := cmd.StdoutPipe()
	require.NoError(t, err)
	p.input, p.lines = input, bufio.NewScanner(output)
	cmd.Stderr = p
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		if p.pid != 0 && p.pid != cmd.Process.Pid {
			_ = syscall.Kill(p.pid, syscall.SIGKILL)
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = os.Remove(p.socket()) // a JVM that is killed leaves it
	})
	p.expect("ready")
	p.pid = cmd.Process.Pid
	children, _ := os.ReadFile(kernel.Path(p.pid, fmt.Sprintf("task/%d/children", p.pid)))
	if filepath.Base(cmd.Args[0]) != "java" {
		_, err := fmt.Sscan(string(children), &p.pid)
		require.NoError(t, err)
	}
	return p
}

// socket is the path of its attach socket, if its /tmp is the one of this program.
func (p *program) socket() string { return fmt.Sprintf("/tmp/.java_pid%d", p.pid) }

// Write keeps what the program writes to its standard error.
func (p *program) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.errors.Write(text)
}

// expect reads a line of the program's output.
func (p *program) expect(line string) {
	p.t.Helper()
	require.True(p.t, p.lines.Scan(), "it has ended: %s", &p.errors)
	require.Equal(p.t, line, p.lines.Text())
}

// do lets the program do something a number of times.
func (p *program) do(what string, times int) {
	p.t.Helper()
	_, err := fmt.Fprintln(p.input, what, times)
	require.NoError(p.t, err)
	p.expect("done")
}

// attach opens the program as leaklab does.
func (p *program) attach() (opened, error) {
	p.t.Helper()
	seen, err := look(p.pid)
	require.NoError(p.t, err)
	r := jvm()
	require.True(p.t, r.runs(seen))
	return r.open(p.t.Context(), seen, Options{})
}

// outside is the anonymous memory of the program that is not of its heap.
func (p *program) outside(read memory.Live) int64 {
	p.t.Helper()
	process, err := procfs.NewProc(p.pid)
	require.NoError(p.t, err)
	status, err := process.NewStatus()
	require.NoError(p.t, err)
	return int64(status.RssAnon+status.VmSwap) - (read.Heap - read.Shared)
}

// reading is one that has to succeed.
func reading(t *testing.T, o opened) memory.Live {
	t.Helper()
	read, err := o.live(t.Context())
	require.NoError(t, err)
	return read
}

const mebibyte = 1 << 20

func TestHotSpotTellsWhatIsKept(t *testing.T) {
	folder := compiled(t)
	for _, collector := range []string{"Serial", "Parallel", "G1", "Z", "Shenandoah"} {
		t.Run(collector, func(t *testing.T) {
			option := "-XX:+Use" + collector + "GC"
			if output, err := exec.Command("java", option, "-version").CombinedOutput(); err != nil {
				t.Skipf("this Java has no such collector: %s", output)
			}
			p := java(t, folder, option)
			o, err := p.attach()
			require.NoError(t, err)
			assert.Contains(t, o.said(), fmt.Sprintf("opened its attach socket /tmp/.java_pid%d by SIGQUIT", p.pid))
			assert.Contains(t, o.said(), "sends GC.class_histogram")
			assert.NoFileExists(t, fmt.Sprintf("/tmp/.attach_pid%d", p.pid))
			before := reading(t, o)
			const times = 10_000
			p.do("keep", times)
			p.do("waste", 500)
			after := reading(t, o)
			assert.InEpsilon(t, times*1016, after.Bytes-before.Bytes, 0.01)
			assert.Equal(t, memory.Limit{Bytes: 128 * mebibyte, Of: "its heap (-Xmx)"}, after.Limit)
			forced := "GC.class_histogram"
			if collector == "Z" || collector == "Shenandoah" {
				forced = "GC.run"
			}
			assert.Equal(t, forced, after.Forced)
			assert.Equal(t, 1, after.Processes)
			assert.Positive(t, after.Stopped)
			assert.GreaterOrEqual(t, after.Heap, after.Bytes)
			assert.GreaterOrEqual(t, after.Committed, after.Bytes)
			assert.LessOrEqual(t, after.Committed, int64(128*mebibyte))
			if collector == "Z" {
				assert.Greater(t, after.Shared, after.Bytes/2)
			} else {
				assert.Less(t, after.Shared, int64(4*mebibyte), "G1 maps objects of the class data archive")
			}

			again, err := p.attach()
			require.NoError(t, err)
			assert.Contains(t, again.said(), "used its attach socket, which was open")
			assert.InDelta(t, after.Bytes, reading(t, again).Bytes, 10_000, "nothing was done meanwhile")
			require.NoError(t, again.close(t.Context()))
		})
	}
}

// TestHotSpotTellsItsHeapFromTheRest has a heap that is committed from the start, and comes into RAM later.
func TestHotSpotTellsItsHeapFromTheRest(t *testing.T) {
	folder := compiled(t)
	for _, collector := range []string{"Serial", "Parallel", "G1", "Z", "Shenandoah"} {
		t.Run(collector, func(t *testing.T) {
			p := java(t, folder, "-XX:+Use"+collector+"GC", "-Xms128m")
			o, err := p.attach()
			require.NoError(t, err)
			p.do("drop", 10)
			p.do("inflate", 10)
			first := reading(t, o)
			outside := p.outside(first)
			assert.Greater(t, first.Committed, int64(120*mebibyte))
			assert.Less(t, first.Heap-first.Shared, int64(64*mebibyte), "most of it was not touched")

			p.do("waste", 1000) // 100 MB through the heap
			read := reading(t, o)
			assert.InDelta(t, outside, p.outside(read), 6*mebibyte, "the heap came into RAM")

			p.do("drop", 500) // 32 MB, freed by the collection
			read = reading(t, o)
			assert.InDelta(t, outside, p.outside(read), 10*mebibyte)

			p.do("inflate", 1000) // 40 MB, freed by the collection
			read = reading(t, o)
			assert.InDelta(t, outside, p.outside(read), 10*mebibyte)

			before := p.outside(read)
			p.do("direct", 500)
			after := reading(t, o)
			assert.InDelta(t, 500*64<<10, p.outside(after)-before, 10*mebibyte, "direct buffers that are kept are outside")
			assert.InDelta(t, read.Bytes, after.Bytes, 500*400)
		})
	}
}

func TestHotSpotOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can run a program as another user")
	}
	const nobody = 65534
	folder := compiled(t)
	cmd := exec.Command("java", "-Xmx128m", "-cp", folder, "Keep")
	cmd.Dir = folder
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	p := started(t, cmd)
	_ = os.Remove(p.socket()) // of a JVM of root that had this number and was killed
	require.NoError(t, os.WriteFile(p.socket(), nil, 0o600))
	_, err := p.attach()
	require.EqualError(t, err, fmt.Sprintf("an earlier process left /tmp/.java_pid%d, which belongs to user 0: remove that file", p.pid))
	require.NoError(t, os.Remove(p.socket()))
	o, err := p.attach()
	require.NoError(t, err)
	before := reading(t, o)
	p.do("keep", 1000)
	assert.InEpsilon(t, 1000*1016, reading(t, o).Bytes-before.Bytes, 0.05)
	assert.Zero(t, os.Geteuid(), "this program is root as before")
	_, err = os.ReadFile("/proc/self/environ")
	assert.NoError(t, err)

	stranger := attachment{process: process{PID: p.pid, Inside: p.pid, Root: kernel.Path(p.pid, "root")}, uid: nobody, gid: nobody}
	require.NoError(t, stranger.asItsUser(func() error {
		status, err := os.ReadFile("/proc/thread-self/status")
		if err == nil && !strings.Contains(string(status), "Uid:\t0\t65534\t0\t65534") {
			err = fmt.Errorf("not as nobody: %s", status)
		}
		return err
	}))
}

func TestHotSpotInNamespaces(t *testing.T) {
	folder := compiled(t)
	inside := `mount --bind "$0" /mnt && mount -t tmpfs tmpfs /tmp && exec "$@"`
	namespaces := []string{"--pid", "--mount", "--fork", "--mount-proc", "sh", "-c"}
	if output, err := exec.Command("unshare", append(namespaces, inside, folder, "true")...).CombinedOutput(); err != nil {
		t.Skipf("no namespaces can be made here: %v: %s", err, output)
	}
	p := started(t, exec.Command("unshare", append(namespaces, inside, folder, "java", "-Xmx128m", "-cp", "/mnt", "Keep")...))
	o, err := p.attach()
	require.NoError(t, err)
	assert.Contains(t, o.said(), "opened its attach socket /tmp/.java_pid1 by SIGQUIT")
	before := reading(t, o)
	p.do("keep", 1000)
	assert.InEpsilon(t, 1000*1016, reading(t, o).Bytes-before.Bytes, 0.05)
	assert.NoFileExists(t, "/tmp/.java_pid1")
	assert.NoFileExists(t, kernel.Path(p.pid, "root/tmp/.attach_pid1"))
}

// TestHotSpotWithFewSignals has a JVM whose socket is open from its start, and which SIGQUIT would end.
func TestHotSpotWithFewSignals(t *testing.T) {
	p := java(t, compiled(t), "-Xrs", "-XX:+DisableExplicitGC")
	o, err := p.attach()
	require.NoError(t, err)
	assert.Contains(t, o.said(), "used its attach socket, which was open")
	assert.Positive(t, reading(t, o).Bytes)
}

// TestFreeing has a JVM whose threads have done something, and rest.
func TestFreeing(t *testing.T) {
	p := java(t, compiled(t))
	seen, err := look(p.pid)
	require.NoError(t, err)
	a := &attachment{process: seen}
	p.do("drop", 2000) // more than MaxDirectMemorySize, so that the JVM itself collects
	require.NoError(t, a.awaitIdle(t.Context()))
	before, _ := a.freeing()
	assert.Positive(t, before)
	p.do("drop", 2000)
	after, _ := a.freeing()
	assert.Greater(t, after, before)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, a.awaitIdle(ctx), context.Canceled)
}

// TestServesQuit has this program, which has a handler of SIGQUIT that ends it.
func TestServesQuit(t *testing.T) {
	t.Parallel() // it mostly waits
	self, err := look(os.Getpid())
	require.NoError(t, err)
	assert.True(t, self.handles(int(syscall.SIGQUIT)))
	a := &attachment{process: self}
	assert.False(t, a.servesQuit())
	err = a.ready(t.Context())
	require.EqualError(t, err, "it has no handler of SIGQUIT that opens one")
	assert.True(t, isNotYet(err), "a JVM that starts has none yet")
}

// Compilers free their arenas when they like: what they free between two looks is trimmed and measured again.
func TestWhileSteady(t *testing.T) {
	const mib = 1 << 20
	failed := errors.New("it answers nothing")
	for _, test := range []struct {
		name     string
		figures  []int64 // one look after the other
		fails    int     // the number of the look that fails; 0 for none
		measures int
		want     int64
	}{
		{"steady", []int64{24 * mib, 24 * mib}, 0, 1, 24 * mib},
		{"noise", []int64{24 * mib, 24*mib - 256<<10}, 0, 1, 24*mib - 256<<10},
		{"freed before the figures are read", []int64{24 * mib, mib, mib}, 0, 2, mib},
		{"taken before the figures are read", []int64{mib, 24 * mib, 24 * mib}, 0, 2, 24 * mib},
		{"never steady", []int64{1 * mib, 2 * mib, 3 * mib, 4 * mib}, 0, 3, 4 * mib},
		{"not tracked", []int64{0, 0}, 0, 1, 0},
		{"the first look fails", []int64{mib}, 1, 0, 0},
		{"the second look fails", []int64{mib, mib}, 2, 1, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			looks, measures := 0, 0
			got, err := whileSteady(func() (int64, error) {
				if looks++; looks == test.fails {
					return 0, failed
				}
				return test.figures[looks-1], nil
			}, func() error { measures++; return nil })
			assert.Equal(t, test.fails > 0, errors.Is(err, failed))
			assert.Equal(t, test.want, got)
			assert.Equal(t, test.measures, measures)
			assert.Equal(t, len(test.figures), looks)
		})
	}
	_, err := whileSteady(func() (int64, error) { return 0, nil }, func() error { return failed })
	assert.ErrorIs(t, err, failed)
}

// TestHotSpotThatForbidsIt must not get SIGQUIT, after which it would write its stacks.
func TestHotSpotThatForbidsIt(t *testing.T) {
	folder := compiled(t)
	file := filepath.Join(t.TempDir(), "options")
	require.NoError(t, os.WriteFile(file, []byte("-XX:+DisableAttachMechanism\n"), 0o600))
	flags := filepath.Join(t.TempDir(), "flags")
	require.NoError(t, os.WriteFile(flags, []byte("+DisableAttachMechanism\n"), 0o600))
	for _, test := range []struct{ name, variable, option, want string }{
		{"option", "", "-XX:+DisableAttachMechanism", "-XX:+DisableAttachMechanism forbids it"},
		{"variable", "JAVA_TOOL_OPTIONS=-Xshare:auto -XX:+DisableAttachMechanism", "-Xint", "-XX:+DisableAttachMechanism forbids it"},
		{"file", "", "@" + file, "-XX:+DisableAttachMechanism forbids it"},
		{"flags", "", "-XX:Flags=" + flags, "-XX:+DisableAttachMechanism forbids it"},
		{"collection", "", "-XX:+UseZGC -XX:+DisableExplicitGC", "with -XX:+DisableExplicitGC its collector does not collect when it is asked to"},
		{"epsilon", "", "-Xlog:disable -XX:+UnlockExperimentalVMOptions -XX:+UseEpsilonGC", "its Epsilon collector never collects"},
	} {
		t.Run(test.name, func(t *testing.T) {
			cmd := exec.Command("java", append(strings.Fields(test.option), "-Xmx128m", "-cp", folder, "Keep")...)
			if test.variable != "" {
				cmd.Env = append(os.Environ(), test.variable)
			}
			p := started(t, cmd)
			_, err := p.attach()
			assert.EqualError(t, err, test.want)
			assert.NoFileExists(t, fmt.Sprintf("/tmp/.attach_pid%d", p.pid))
			p.do("keep", 1) // it lives, and has written nothing else
		})
	}
}

func TestHotSpotThatHasEnded(t *testing.T) {
	p := java(t, compiled(t))
	o, err := p.attach()
	require.NoError(t, err)
	reading(t, o)
	seen, err := look(p.pid)
	require.NoError(t, err)
	require.NoError(t, p.cmd.Process.Kill())
	for p.lines.Scan() { // until it has ended
	}
	_, err = o.live(t.Context())
	require.ErrorIs(t, err, memory.ErrGone)
	_ = p.cmd.Wait()
	_, err = o.live(t.Context())
	require.ErrorIs(t, err, memory.ErrGone)
	_, err = jvm().open(t.Context(), seen, Options{})
	require.ErrorIs(t, err, memory.ErrGone)
}

func TestHotSpotThatIsStopped(t *testing.T) {
	folder := compiled(t)
	p := java(t, folder)
	o, err := p.attach()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGSTOP))
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err = o.live(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NotErrorIs(t, err, memory.ErrGone)
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGCONT))
	reading(t, o)

	other := java(t, folder)
	require.NoError(t, other.cmd.Process.Signal(syscall.SIGSTOP))
	require.Eventually(t, func() bool {
		process, err := procfs.NewProc(other.pid)
		require.NoError(t, err)
		stat, err := process.Stat()
		return err == nil && stat.State == "T"
	}, 10*time.Second, time.Millisecond)
	_, err = other.attach()
	assert.EqualError(t, err, "it is stopped (SIGSTOP or a debugger)")
	require.NoError(t, other.cmd.Process.Signal(syscall.SIGCONT))
	other.do("keep", 1) // no stacks were written: it got no SIGQUIT
}

// TestHotSpotGetsQuitOnce has a JVM whose socket cannot be found: it sees another /tmp than the one looked at.
func TestHotSpotGetsQuitOnce(t *testing.T) {
	p := java(t, compiled(t))
	seen, err := look(p.pid)
	require.NoError(t, err)
	seen.Root = t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(seen.Root, "tmp"), 0o700))
	r := jvm()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	_, err = r.open(ctx, seen, Options{})
	require.ErrorContains(t, err, "it does not open its attach socket")
	stacks := 0
	count := func() {
		for p.lines.Scan() && p.lines.Text() != "done" {
			if strings.HasPrefix(p.lines.Text(), "Full thread dump") {
				stacks++
			}
		}
	}
	_, err = r.open(t.Context(), seen, Options{})
	require.EqualError(t, err, "it did not open its attach socket before, and is not asked again")
	_, err = fmt.Fprintln(p.input, "keep 1")
	require.NoError(t, err)
	count()
	assert.Equal(t, 1, stacks)
}

// wire is a connection with what is read from it, and what was written to it.
type wire struct {
	io.Reader
	io.Writer
}

func TestExchangeAttach(t *testing.T) {
	everything := func(answer io.Reader) error {
		_, err := io.Copy(io.Discard, answer)
		return err
	}
	var sent, got bytes.Buffer
	require.NoError(t, exchangeAttach(wire{strings.NewReader("0\ntext"), &sent}, "GC.run", 10, func(answer io.Reader) error {
		_, err := got.ReadFrom(answer)
		return err
	}))
	assert.Equal(t, "text", got.String())
	assert.Equal(t, "1\x00jcmd\x00GC.run\x00\x00\x00", sent.String())
	for answer, want := range map[string]string{
		"":                                 "no answer: EOF",
		"0":                                "no answer: EOF",
		"101\nold protocol":                `refused with "101": "old protocol"`,
		"HTTP/1.1 400 Bad Request\r\n\r\n": `refused with "HTTP/1.1 400 Bad"`,
		"0\n" + strings.Repeat("x", 2<<20): "its answer is longer than 1 MiB",
	} {
		err := exchangeAttach(wire{strings.NewReader(answer), io.Discard}, "GC.run", 1<<20, everything)
		require.ErrorContains(t, err, want)
	}
}

func TestResidentIn(t *testing.T) {
	const pages = 64
	size := os.Getpagesize()
	memory, err := syscall.Mmap(-1, 0, 3*pages*size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	require.NoError(t, err)
	defer func() { _ = syscall.Munmap(memory) }()
	require.NoError(t, syscall.Madvise(memory, syscall.MADV_NOHUGEPAGE))
	for page := range 2 * pages {
		memory[page*size] = 1
	}
	low := uint64(uintptr(unsafe.Pointer(&memory[0])))
	within := addressRange{low: low + uint64(pages*size), high: low + uint64(3*pages*size)}
	found, err := residentIn(os.Getpid(), []addressRange{within}, false)
	require.NoError(t, err)
	assert.Equal(t, mappedPages{mapped: int64(2 * pages * size), held: int64(pages * size)}, found, "half of it was touched")
	_, err = residentIn(os.Getpid(), nil, true)
	require.EqualError(t, err, "no mapping of a file java_heap")
	_, err = residentIn(1<<30, nil, false)
	assert.Error(t, err)
}

func TestJVMsTrackTheirNativeMemory(t *testing.T) {
	set, err := launchHotSpot([]string{"PATH=/bin", "JAVA_TOOL_OPTIONS=-Xmx64m -XX:NativeMemoryTracking=off"}, Options{})
	require.NoError(t, err)
	assert.Equal(t, []string{"JAVA_TOOL_OPTIONS=-XX:NativeMemoryTracking=summary -Xmx64m -XX:NativeMemoryTracking=off"}, set, "the user's option comes last, and wins")
	set, err = launchHotSpot(nil, Options{})
	require.NoError(t, err)
	assert.Equal(t, []string{"JAVA_TOOL_OPTIONS=-XX:NativeMemoryTracking=summary"}, set)
}

// What direct buffers take is known where their limit is set and native memory is tracked, as at launch.
func TestHotSpotTellsItsDirectBuffers(t *testing.T) {
	p := java(t, compiled(t), trackNative, "-XX:MaxDirectMemorySize=64m")
	o, err := p.attach()
	require.NoError(t, err)
	before := reading(t, o)
	assert.Equal(t, memory.Limit{Bytes: 64 * mebibyte, Of: "its direct buffers (-XX:MaxDirectMemorySize)"}, before.BuffersLimit)
	p.do("direct", 100)
	after := reading(t, o)
	assert.InDelta(t, 100*64<<10, after.Buffers-before.Buffers, mebibyte/2)
}
