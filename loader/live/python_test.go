package live

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	platform "runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/kernel"
	"leaklab/loader/memory"
)

// needPython returns the path of a program. Without it the test is skipped, unless servers are required.
func needPython(t *testing.T, program string) string {
	t.Helper()
	if platform.GOOS != "linux" {
		t.Skip("Python is asked on Linux")
	}
	path, err := exec.LookPath(program)
	if err != nil && os.Getenv("LEAKLAB_REQUIRE_SERVERS") != "" {
		require.NoError(t, err)
	}
	if err != nil {
		t.Skip(program + " is not installed")
	}
	return path
}

// everyPython returns the system's Python and those that pyenv has, of the versions that can be asked.
func everyPython(t *testing.T) []string {
	t.Helper()
	all := []string{needPython(t, "/usr/bin/python3")}
	if !long() {
		return all
	}
	for _, minor := range []int{8, 9, 10, 11, 12, 13} {
		more, err := filepath.Glob(filepath.Join(os.Getenv("HOME"), ".pyenv/versions", fmt.Sprintf("3.%d.*", minor), "bin", fmt.Sprintf("python3.%d", minor)))
		require.NoError(t, err)
		all = append(all, more...)
	}
	return all
}

// pythonServer is a Python that was launched with the hook.
type pythonServer struct {
	*exec.Cmd
	options Options
	in      io.Writer
	out     *bufio.Reader
	err     *printed
}

// printed is what a program has printed so far.
type printed struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (p *printed) Write(part []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.buffer.Write(part)
}

func (p *printed) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.buffer.String()
}

// startPython launches a command with the hook.
func startPython(t *testing.T, environment []string, command ...string) *pythonServer {
	t.Helper()
	s := &pythonServer{Cmd: exec.Command(command[0], command[1:]...), options: Options{Folder: t.TempDir()}, err: new(printed)}
	environment = append(os.Environ(), environment...)
	more, err := launchPython(environment, s.options)
	require.NoError(t, err)
	s.Env = append(environment, more...)
	s.Stderr = s.err
	s.WaitDelay = time.Second // its children have its stderr too
	s.in, err = s.StdinPipe()
	require.NoError(t, err)
	out, err := s.StdoutPipe()
	require.NoError(t, err)
	s.out = bufio.NewReader(out)
	require.NoError(t, s.Start())
	t.Cleanup(func() {
		_ = s.Process.Kill()
		_ = s.Wait()
	})
	return s
}

// do lets the server run a statement, and returns what it sets answer to.
func (s *pythonServer) do(t *testing.T, statement string) string {
	t.Helper()
	silent := time.AfterFunc(time.Minute, func() { _ = s.Process.Kill() })
	defer silent.Stop()
	_, err := fmt.Fprintln(s.in, statement)
	require.NoError(t, err)
	line, err := s.out.ReadString('\n')
	require.NoError(t, err, "%s", s.err)
	return strings.TrimSpace(line)
}

// open opens a process of the server.
func (s *pythonServer) open(t *testing.T, pid int) (opened, error) {
	t.Helper()
	p, err := look(pid)
	require.NoError(t, err)
	require.True(t, python().runs(p))
	return openPython(t.Context(), p, s.options)
}

// mustLive reads the live memory of a process of the server.
func (s *pythonServer) mustLive(t *testing.T, pid int) memory.Live {
	t.Helper()
	var asked opened
	require.Eventually(t, func() (opens bool) { // a busy machine takes long to start a process
		var err error
		asked, err = s.open(t, pid)
		return err == nil
	}, 20*time.Second, 10*time.Millisecond)
	read, err := asked.live(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 1, read.Processes)
	assert.Equal(t, "gc.collect()", read.Forced)
	assert.Positive(t, read.Stopped)
	assert.Greater(t, read.Bytes, int64(1<<20))
	assert.Greater(t, read.Committed, read.Bytes)
	require.NoError(t, asked.close(t.Context()))
	return read
}

// atRest reads the live memory of a process once two readings in a row agree: it may still do something after its answer.
func (s *pythonServer) atRest(t *testing.T, pid int) memory.Live {
	t.Helper()
	last := s.mustLive(t, pid)
	require.Eventually(t, func() bool {
		before := last.Bytes
		last = s.mustLive(t, pid)
		return before == last.Bytes
	}, 20*time.Second, 100*time.Millisecond)
	return last
}

func TestPythonIsExact(t *testing.T) {
	for _, program := range everyPython(t) {
		t.Run(filepath.Base(filepath.Dir(filepath.Dir(program)))+"/"+filepath.Base(program), func(t *testing.T) {
			s := startPython(t, nil, program, "-W", "error", "testdata/holder.py")
			s.do(t, "pass")
			pid := s.Process.Pid
			first := s.atRest(t, pid)
			var last memory.Live
			for range 50 {
				last = s.mustLive(t, pid)
			}
			assert.InDelta(t, first.Bytes, last.Bytes, 1024, "asking must not leak")

			for range 3 {
				s.do(t, "for _ in range(20000): Node()")
			}
			s.do(t, "import gc; gc.collect(); gc.collect(); gc.disable(); [Node() for _ in range(5000)]; gc.collect(0); gc.collect(1); gc.enable()")
			cycles := s.atRest(t, pid)
			assert.InDelta(t, last.Bytes, cycles.Bytes, 64<<10, "5,000 cycles of 1 KB in the oldest generation are garbage")

			size, err := strconv.ParseInt(s.do(t, "kept.extend(bytes(200) for _ in range(20000)); answer = 240 * len(kept) + sys.getsizeof(kept)"), 10, 64)
			require.NoError(t, err)
			small := s.atRest(t, pid)
			assert.InEpsilon(t, size, small.Bytes-cycles.Bytes, 0.005, "a block of pymalloc for each, and the list")
			size, err = strconv.ParseInt(s.do(t, "kept.extend(bytes(4000) for _ in range(2000)); kept.append(bytes(1 << 20)); answer = sum(map(sys.getsizeof, kept[20000:]))"), 10, 64)
			require.NoError(t, err)
			large := s.atRest(t, pid)
			assert.InEpsilon(t, size, large.Bytes-small.Bytes, 0.01, "chunks of malloc")
			assert.Empty(t, s.err.String(), "no output, and no warning")
		})
	}
}

// Threads keep chunks that they have freed, which malloc counts as in use. Without them, it is exact.
func TestPythonThreadsKeepFreedChunks(t *testing.T) {
	const threads, each = 40, 50
	s := startPython(t, nil, needPython(t, "/usr/bin/python3"), "testdata/holder.py")
	s.do(t, fmt.Sprintf("import queue, threading; work = [queue.SimpleQueue() for _ in range(%d)]; done = queue.SimpleQueue(); "+
		"use = lambda q: any(bytearray(size) and done.put(size) for size in iter(q.get, None)); "+
		"kept.extend(threading.Thread(target=use, args=(q,), daemon=True) for q in work); [thread.start() for thread in kept]", threads))
	asked, err := s.open(t, s.Process.Pid)
	require.NoError(t, err)
	live := func() int64 {
		read, err := asked.live(t.Context())
		require.NoError(t, err)
		return read.Bytes
	}
	use := func(size int) {
		s.do(t, fmt.Sprintf("[q.put(%d) for q in work for _ in range(%d)]; [done.get() for _ in range(%d)]", size, each, threads*each))
	}
	use(600)
	first := live()
	for size := 700; size <= 1000; size += 100 { // each thread keeps a few of each size
		use(size)
	}
	assert.InDelta(t, first, live(), 64<<10)
	s.do(t, "kept.append(bytearray(1 << 20))")
	assert.InDelta(t, first+1<<20, live(), threads*pythonThreadNoise+64<<10)
}

// The heap as far as it is in RAM is what separates slack from memory outside of the heap.
func TestPythonHeapIsWhatIsInRAM(t *testing.T) {
	s := startPython(t, nil, needPython(t, "/usr/bin/python3"), "testdata/holder.py")
	s.do(t, "import mmap, threading")
	pid := s.Process.Pid
	private := func() int64 {
		spans, err := anonymousOf(pid)
		require.NoError(t, err)
		return spans.malloc.present + spans.other.present
	}
	before, outside := s.mustLive(t, pid), private()
	assert.LessOrEqual(t, before.Heap, before.Committed)
	assert.Less(t, outside-before.Heap, int64(2<<20), "what the program and its libraries need")
	outside -= before.Heap

	// Memory is taken in steps that are small against an arena: none may appear outside.
	for range 30 {
		s.do(t, "kept.append([bytes(100) for _ in range(700)])")
		assert.InDelta(t, outside, private()-s.mustLive(t, pid).Heap, 96<<10)
	}
	s.do(t, "kept.append(mmap.mmap(-1, 32 << 20, flags=mmap.MAP_PRIVATE)); kept[-1].write(bytes([1]) * (32 << 20))")
	assert.InDelta(t, outside+32<<20, private()-s.mustLive(t, pid).Heap, 1<<20, "a mapping of an extension is outside")
}

func TestPythonIsNotDisturbed(t *testing.T) {
	other := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(other, "sitecustomize.py"), []byte("loaded = 1\n"), 0o600))
	for _, program := range everyPython(t) {
		s := startPython(t, []string{"PYTHONPATH=" + other}, program, "-W", "error", "testdata/holder.py")
		assert.Equal(t, "1", s.do(t, "import sitecustomize; answer = sitecustomize.loaded"), "what the hook shadows")
		assert.Equal(t, "[]", s.do(t, fmt.Sprintf("answer = [p for p in sys.path if p.startswith(%q)]", s.options.Folder)))
		without, err := exec.Command(program, "-c", "import sys; print(sorted(sys.modules))").Output()
		require.NoError(t, err)
		for _, module := range []string{"ctypes", "threading", "socket", "struct", "json"} {
			is := strings.Contains(string(without), "'"+module+"'")
			assert.Equal(t, is, s.do(t, fmt.Sprintf("answer = %q in sys.modules", module)) == "True", "%s of %s", module, program)
		}
		assert.Equal(t, "1", s.do(t, "import threading; answer = threading.active_count()"))
		s.mustLive(t, s.Process.Pid)
		// A signal that the program waits for is for the program, though the hook's thread could take it.
		_, err = fmt.Fprintln(s.in, "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM]); print('waits', flush=True); answer = int(signal.sigwait([signal.SIGTERM]))")
		require.NoError(t, err)
		line, err := s.out.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "waits\n", line)
		require.NoError(t, s.Process.Signal(syscall.SIGTERM))
		line, err = s.out.ReadString('\n')
		require.NoError(t, err, "it has ended")
		assert.Equal(t, "15\n", line)
		require.NoError(t, s.Process.Signal(syscall.Signal(0)))
		assert.Empty(t, s.err.String())
	}
}

func TestPythonEndsAsWithoutTheHook(t *testing.T) {
	for _, program := range everyPython(t) {
		for _, test := range []struct {
			statement string
			code      int
		}{{"pass", 0}, {"raise SystemExit(3)", 3}} {
			s := startPython(t, nil, program, "-X", "dev", "-W", "error", "-c", test.statement)
			done := make(chan struct{})
			go func() { _ = s.Wait(); close(done) }()
			select {
			case <-done:
			case <-time.After(20 * time.Second):
				require.Fail(t, "the hook keeps it alive")
			}
			assert.Equal(t, test.code, s.ProcessState.ExitCode())
			assert.Empty(t, s.err.String())
		}
	}
}

func TestPythonWithoutItsEnvironment(t *testing.T) {
	t.Parallel() // it mostly waits
	program := needPython(t, "/usr/bin/python3")
	for _, flag := range []string{"-I", "-E", "-S"} {
		s := startPython(t, nil, program, flag, "testdata/holder.py")
		s.do(t, "pass")
		_, err := s.open(t, s.Process.Pid)
		assert.ErrorIs(t, err, errPythonHook, flag)
	}
	s := startPython(t, nil, program, "testdata/holder.py")
	s.do(t, "pass")
	for _, folder := range []string{t.TempDir(), ""} {
		s.options.Folder = folder
		_, err := s.open(t, s.Process.Pid)
		assert.ErrorIs(t, err, errPythonAttached)
	}
}

func TestPythonForks(t *testing.T) {
	for _, program := range everyPython(t) {
		s := startPython(t, nil, program, "-W", "error", "testdata/holder.py")
		s.do(t, "import os, time, signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)")
		before := s.mustLive(t, s.Process.Pid)
		for range 3 {
			child, err := strconv.Atoi(s.do(t, "answer = os.fork(); answer or (time.sleep(60), os._exit(0))"))
			require.NoError(t, err)
			assert.InDelta(t, before.Bytes, s.mustLive(t, child).Bytes, 64<<10)
			assert.InDelta(t, before.Bytes, s.mustLive(t, s.Process.Pid).Bytes, 64<<10, "the parent answers as before")
			require.NoError(t, syscall.Kill(child, syscall.SIGKILL))
		}
		for _, method := range []string{"fork", "spawn", "forkserver"} {
			child, err := strconv.Atoi(s.do(t, fmt.Sprintf(
				"import multiprocessing; p = multiprocessing.get_context(%q).Process(target=time.sleep, args=(60,)); p.start(); kept.append(p); answer = p.pid", method)))
			require.NoError(t, err)
			s.mustLive(t, child)
			require.NoError(t, syscall.Kill(child, syscall.SIGKILL))
		}
		s.do(t, "[os.fork() or os._exit(0) for _ in range(100)]")
		s.mustLive(t, s.Process.Pid)
		assert.Empty(t, s.err.String(), "Python 3.12 and later warn of a fork beside another thread")
	}
}

func TestPythonForksFromSeveralThreads(t *testing.T) {
	for _, program := range everyPython(t) {
		s := startPython(t, nil, program, "testdata/holder.py")
		s.do(t, "import os, signal, threading; signal.signal(signal.SIGCHLD, signal.SIG_IGN)")
		s.do(t, "threads = [threading.Thread(target=lambda: [os.fork() or os._exit(0) for _ in range(20)]) for _ in range(4)]; "+
			"[thread.start() for thread in threads]; [thread.join() for thread in threads]")
		s.mustLive(t, s.Process.Pid)
	}
}

// A child of subprocess may need to be without a second thread, as for unshare(CLONE_NEWUSER).
func TestPythonChildrenThatRunAnotherProgram(t *testing.T) {
	for _, program := range everyPython(t) {
		s := startPython(t, nil, program, "testdata/holder.py")
		s.do(t, "import os, subprocess; threads = lambda: os.write(1, b'%d' % len(os.listdir('/proc/self/task')))")
		assert.Equal(t, "b'1'", s.do(t, "answer = subprocess.check_output(['true'], preexec_fn=threads)"))
		s.mustLive(t, s.Process.Pid)
	}
}

// Without a free descriptor the hook's thread cannot be woken, and a fork finds it at work.
func TestPythonForksWithoutAFreeDescriptor(t *testing.T) {
	for _, program := range everyPython(t) {
		s := startPython(t, nil, program, "testdata/holder.py")
		s.do(t, "import os, resource, signal, time; signal.signal(signal.SIGCHLD, signal.SIG_IGN)")
		s.mustLive(t, s.Process.Pid)
		child, err := strconv.Atoi(s.do(t, "free = os.dup(0); os.close(free); most = resource.getrlimit(resource.RLIMIT_NOFILE); "+
			"resource.setrlimit(resource.RLIMIT_NOFILE, (free, most[1])); answer = os.fork(); resource.setrlimit(resource.RLIMIT_NOFILE, most); "+
			"answer or (time.sleep(60), os._exit(0))"))
		require.NoError(t, err)
		s.mustLive(t, s.Process.Pid)
		s.mustLive(t, s.Process.Pid)
		s.mustLive(t, child)
		assert.Eventually(t, func() bool { // the connection of the last question is closed in a moment
			sockets, err := filepath.Glob(kernel.Path(child, "fd/*"))
			require.NoError(t, err)
			sockets = slices.DeleteFunc(sockets, func(name string) bool {
				target, _ := os.Readlink(name)
				return !strings.HasPrefix(target, "socket:")
			})
			return len(sockets) == 1
		}, 20*time.Second, 10*time.Millisecond, "the socket of the parent is closed")
		require.NoError(t, syscall.Kill(child, syscall.SIGKILL))
	}
}

// A server that has moved its root away can load no library any more, which Python 3.8 does at the end of a thread.
func TestPythonForksAfterChroot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	for _, program := range everyPython(t) {
		s := startPython(t, nil, program, "testdata/holder.py")
		s.do(t, fmt.Sprintf("import os, time; os.chroot(%q)", t.TempDir()))
		child, err := strconv.Atoi(s.do(t, "answer = os.fork(); answer or (time.sleep(60), os._exit(0))"))
		require.NoError(t, err)
		s.mustLive(t, child)
		s.mustLive(t, s.Process.Pid)
		require.NoError(t, syscall.Kill(child, syscall.SIGKILL))
	}
}

// A hook that leaves for a fork between a connection and its answer is asked again.
func TestPythonHookThatLeavesBeforeItAnswers(t *testing.T) {
	if platform.GOOS != "linux" {
		t.Skip("abstract sockets are Linux's")
	}
	name := "leaklab-test-" + rand.Text()
	listener, err := net.Listen("unix", "@"+name)
	require.NoError(t, err)
	defer listener.Close()
	answers := make(chan string, 4)
	go func() {
		for answer := range answers {
			connection, err := listener.Accept()
			if !assert.NoError(t, err) {
				return
			}
			_, _ = connection.Read(make([]byte, 1)) // the question, which cannot be written any more after Close
			_, _ = io.WriteString(connection, answer)
			_ = connection.Close()
		}
	}()
	hook := &pythonProcess{pid: os.Getpid(), address: "@" + name}
	answers <- ""
	answers <- ""
	answers <- "ready=1\n"
	reply, err := hook.ask(t.Context(), "?")
	require.NoError(t, err)
	assert.Equal(t, "1", reply.head["ready"])

	answers <- "rounds=1 stopped=1 python=5 malloc=5\nshort"
	_, err = hook.ask(t.Context(), "!")
	require.ErrorContains(t, err, "ends too early", "the server has collected for it")
	assert.False(t, isNotYet(err))
	close(answers)
}

func TestPythonThatClosesAllAndMovesAway(t *testing.T) {
	for _, program := range everyPython(t) {
		s := startPython(t, nil, program, "-W", "error", "testdata/holder.py")
		s.do(t, "import os, socket")
		s.mustLive(t, s.Process.Pid)
		s.do(t, "os.closerange(3, 1000); os.chdir('/'); os.umask(0o777)")
		s.do(t, "kept.extend(socket.socket() for _ in range(8)); [k.listen() for k in kept]; answer = kept[0].getsockname()")
		s.mustLive(t, s.Process.Pid)
		s.mustLive(t, s.Process.Pid)
		assert.Equal(t, "8", s.do(t, "answer = len([k for k in kept if k.getsockname()[1] > 0])"), "its own sockets under the same numbers stay open")
		if os.Geteuid() == 0 {
			s.do(t, "os.setgid(65534); os.setuid(65534)")
			s.mustLive(t, s.Process.Pid)
			child, err := strconv.Atoi(s.do(t, "import time; answer = os.fork(); answer or (time.sleep(60), os._exit(0))"))
			require.NoError(t, err)
			s.mustLive(t, child)
			require.NoError(t, syscall.Kill(child, syscall.SIGKILL))
		}
		assert.Empty(t, s.err.String())
	}
}

func TestPythonWhoseCollectorIsOff(t *testing.T) {
	s := startPython(t, nil, needPython(t, "/usr/bin/python3"), "testdata/holder.py")
	s.do(t, "import gc; gc.disable()")
	asked, err := s.open(t, s.Process.Pid)
	require.NoError(t, err)
	before, err := asked.live(t.Context())
	require.NoError(t, err)
	s.do(t, "for _ in range(5000): Node()")
	after, err := asked.live(t.Context())
	require.NoError(t, err)
	assert.Greater(t, after.Bytes-before.Bytes, int64(5000*900), "it never frees its cycles")
	assert.Equal(t, "no collection, as the server has switched off gc", after.Forced)
}

func TestPythonWithOtherAllocators(t *testing.T) {
	program := needPython(t, "/usr/bin/python3")
	s := startPython(t, []string{"PYTHONMALLOC=malloc"}, program, "testdata/holder.py")
	before := s.mustLive(t, s.Process.Pid)
	s.do(t, "kept.extend(bytes(200) for _ in range(20000))")
	assert.InEpsilon(t, 20000*(256+8), s.mustLive(t, s.Process.Pid).Bytes-before.Bytes, 0.02, "a chunk for each, and the list")

	for _, library := range []string{"libjemalloc.so.2", "libtcmalloc_minimal.so.4"} {
		s := startPython(t, []string{"LD_PRELOAD=" + library}, program, "testdata/holder.py")
		s.do(t, "pass")
		if p, err := look(s.Process.Pid); err != nil || !p.maps(strings.SplitAfter(library, ".so")[0]) {
			continue // it is not installed
		}
		_, err := s.open(t, s.Process.Pid)
		assert.EqualError(t, err, "another allocator replaces the C library's malloc")
	}
}

func TestPythonThatHasEnded(t *testing.T) {
	s := startPython(t, nil, needPython(t, "/usr/bin/python3"), "testdata/holder.py")
	s.do(t, "pass")
	asked, err := s.open(t, s.Process.Pid)
	require.NoError(t, err)
	require.NoError(t, s.Process.Kill())
	_, err = asked.live(t.Context())
	assert.ErrorIs(t, err, memory.ErrGone)
	_ = s.Wait()
	_, err = asked.live(t.Context())
	assert.ErrorIs(t, err, memory.ErrGone)
}

// stopped tells whether all threads of a process are stopped.
func stopped(t *testing.T, pid int) bool {
	t.Helper()
	threads, err := filepath.Glob(kernel.Path(pid, "task/*/stat"))
	require.NoError(t, err)
	for _, thread := range threads {
		stat, err := os.ReadFile(thread)
		if err != nil || !bytes.Contains(stat, []byte(") T ")) {
			return false
		}
	}
	return len(threads) > 0
}

func TestPythonThatDoesNotAnswer(t *testing.T) {
	s := startPython(t, nil, needPython(t, "/usr/bin/python3"), "testdata/holder.py")
	s.do(t, "pass")
	asked, err := s.open(t, s.Process.Pid)
	require.NoError(t, err)
	require.NoError(t, s.Process.Signal(syscall.SIGSTOP))
	require.Eventually(t, func() bool { return stopped(t, s.Process.Pid) }, 20*time.Second, time.Millisecond, "each thread stops by itself")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = asked.live(ctx)
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, s.Process.Signal(syscall.SIGCONT))
	s.mustLive(t, s.Process.Pid)
}

// What listens in the place of a server's hook must not be believed.
func TestPythonWhosePlaceIsTaken(t *testing.T) {
	s := startPython(t, nil, needPython(t, "/usr/bin/python3"), "-I", "testdata/holder.py")
	s.do(t, "pass")
	name, err := os.ReadFile(filepath.Join(s.options.Folder, pythonFolder, pythonName))
	require.NoError(t, err)
	listener, err := net.Listen("unix", fmt.Sprintf("@%s-%d", name, s.Process.Pid))
	require.NoError(t, err)
	defer listener.Close()
	_, err = s.open(t, s.Process.Pid)
	assert.EqualError(t, err, fmt.Sprintf("process %d listens in its place, and is not asked", os.Getpid()))
}

func TestPythonAnswersItsUserAlone(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	program := needPython(t, "/usr/bin/python3")
	s := startPython(t, nil, program, "testdata/holder.py")
	s.mustLive(t, s.Process.Pid)
	name, err := os.ReadFile(filepath.Join(s.options.Folder, pythonFolder, pythonName))
	require.NoError(t, err)
	stranger := exec.Command(program, "-I", "-c", fmt.Sprintf(`
import socket
s = socket.socket(socket.AF_UNIX)
s.connect("\0%s-%d")
try:
    s.sendall(b"!")
    print(len(s.recv(1000)))
except OSError:
    print(0)`, name, s.Process.Pid))
	stranger.SysProcAttr = asUser(65534)
	answer, err := stranger.CombinedOutput()
	require.NoError(t, err, "%s", answer)
	assert.Equal(t, "0\n", string(answer))
	s.mustLive(t, s.Process.Pid)
}

func TestPythonServersFromDebian(t *testing.T) {
	for _, test := range []struct {
		name      string
		processes int
		command   []string
	}{
		{"gunicorn sync", 3, []string{"gunicorn", "-w", "2", "-b", "127.0.0.1:0", "--chdir", "testdata", "app:wsgi"}},
		{"gunicorn gthread, preloaded", 3, []string{"gunicorn", "-w", "2", "-k", "gthread", "--threads", "4", "--preload", "-b", "127.0.0.1:0", "--chdir", "testdata", "app:wsgi"}},
		{"uvicorn", 1, []string{"uvicorn", "--port", "0", "--app-dir", "testdata", "app:asgi"}},
		{"uvicorn with workers", 4, []string{"uvicorn", "--workers", "2", "--port", "0", "--app-dir", "testdata", "app:asgi"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.command[0] = needPython(t, "/usr/bin/"+test.command[0])
			s := startPython(t, nil, test.command...)
			var pids []int
			require.Eventually(t, func() bool {
				var err error
				pids, err = memory.Processes(s.Process.Pid)()
				return err == nil && len(pids) == test.processes
			}, 20*time.Second, 50*time.Millisecond)
			for _, pid := range pids {
				s.atRest(t, pid)
			}
			require.NoError(t, s.Process.Signal(syscall.SIGTERM))
			ended := make(chan error, 1)
			go func() { ended <- s.Wait() }()
			select {
			case <-ended:
			case <-time.After(20 * time.Second):
				require.Fail(t, "it does not end")
			}
		})
	}
}
