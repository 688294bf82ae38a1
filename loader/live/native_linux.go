package live

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"leaklab/loader/kernel"
	"leaklab/loader/memory"
)

const (
	nativeTimeout = 30 * time.Second
	textRoom      = 16 << 20 // bytes of address space in the server for the text of malloc_info
	modeRoom      = 64       // bytes before it, for the mode "w"
	nativeTries   = 60       // to find a thread that waits outside malloc
	nativeRetry   = 50 * time.Millisecond
)

// nativeProgram is a process with glibc's malloc. In the process it has a mapping for the text, and a FILE over it.
type nativeProgram struct {
	process
	shared    *sharedDebugger
	gdb       *debugger         // while the process is attached
	functions map[string]uint64 // addresses
	room      int64             // address of the mapping; 0 if there is none
	file      int64             // address of the FILE; 0 if there is none
	stopped   time.Duration     // of the reading
	folder    string            // of the run
	closed    bool
}

// called are the functions of glibc that are called in the process.
var called = []string{"mmap", "munmap", "madvise", "fmemopen", "rewind", "malloc_info", "fflush", "fclose"}

// opensNative returns the function that opens processes, which share one gdb.
func opensNative() func(context.Context, process, Options) (opened, error) {
	shared := &sharedDebugger{}
	return func(ctx context.Context, p process, o Options) (opened, error) { return openNative(ctx, p, o, shared) }
}

// openNative opens a stream over memory in the process. The first reading has the stream take its buffer.
func openNative(ctx context.Context, p process, o Options, shared *sharedDebugger) (_ opened, err error) {
	functions, err := glibcFunctions(p, called...)
	if err != nil {
		return nil, err
	}
	n := &nativeProgram{process: p, shared: shared, functions: functions, folder: o.Folder}
	shared.enter()
	defer func() {
		if err != nil {
			_ = n.close(context.WithoutCancel(ctx))
		}
	}()
	if err := n.attached(ctx, n.prepare); err != nil {
		return nil, err
	}
	if _, err := n.live(ctx); err != nil {
		return nil, err
	}
	return n, nil
}

// live has the process write the text of malloc_info into its memory, and reads it there.
func (n *nativeProgram) live(ctx context.Context) (memory.Live, error) {
	var text []byte
	n.stopped = 0
	err := n.attached(ctx, func(ctx context.Context) error {
		var err error
		text, err = n.write(ctx)
		return err
	})
	if err != nil {
		return memory.Live{}, err
	}
	heap, err := parseMallocInfo(text)
	if err != nil {
		return memory.Live{}, err
	}
	resident := heap.committed()
	if spans, err := anonymousOf(n.PID); err == nil {
		resident = heap.resident(spans)
	}
	return memory.Live{
		Bytes: heap.chunks, Heap: max(heap.chunks, resident), Committed: heap.committed(), Stopped: n.stopped, Forced: "malloc_info", Processes: 1,
	}, nil
}

// attached stops the process, selects a thread that waits outside malloc, does what it is asked to, and detaches.
func (n *nativeProgram) attached(ctx context.Context, do func(context.Context) error) error {
	return n.shared.use(n.folder, func(gdb *debugger) error {
		n.gdb = gdb
		return n.retry(ctx, do)
	})
}

func (n *nativeProgram) retry(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, nativeTimeout)
	defer cancel()
	for range nativeTries {
		found, err := n.try(ctx, do)
		if err != nil && hasEnded(n.PID) {
			return fmt.Errorf("process %d: %w", n.PID, memory.ErrGone)
		}
		if found || err != nil {
			return err
		}
		if err := pause(ctx, nativeRetry); err != nil {
			return err
		}
	}
	return notYet{errors.New("each thread was busy, or inside malloc")}
}

// try does so once. It returns false if no thread was found.
func (n *nativeProgram) try(ctx context.Context, do func(context.Context) error) (found bool, err error) {
	start := time.Now()
	defer func() { n.stopped += time.Since(start) }()
	threads, err := n.gdb.attach(ctx, n.PID)
	if err != nil {
		return false, errors.Join(err, n.detach(ctx))
	}
	thread := waiting(n.PID, threads)
	if thread == 0 {
		return false, n.detach(ctx)
	}
	if _, err = n.gdb.do(ctx, fmt.Sprintf("thread %d", thread)); err == nil {
		err = do(ctx)
	}
	return true, errors.Join(err, n.detach(ctx))
}

// detach lets the process go on, also after the context was cancelled.
func (n *nativeProgram) detach(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), gdbGrace)
	defer cancel()
	_, err := n.gdb.do(ctx, "detach")
	return err
}

// prepare takes the mapping and opens the FILE. No string is passed through gdb, which would allocate it in the process
// and not free it.
func (n *nativeProgram) prepare(ctx context.Context) error {
	flags := int64(unix.MAP_PRIVATE | unix.MAP_ANONYMOUS | unix.MAP_NORESERVE)
	room, err := n.gdb.call(ctx, n.functions["mmap"], 0, textRoom+modeRoom, unix.PROT_READ|unix.PROT_WRITE, flags, -1, 0)
	if err != nil {
		return err
	}
	if room == -1 || room == 0 {
		return errors.New("the process has no address space for the text of malloc_info")
	}
	n.room = room
	if err := n.poke(room, "w"); err != nil {
		return err
	}
	file, err := n.gdb.call(ctx, n.functions["fmemopen"], room+modeRoom, textRoom, room)
	if err == nil && file == 0 {
		err = errors.New("the process cannot open a stream over memory")
	}
	n.file = file
	return err
}

// write has malloc_info write its text from the start of the stream, and returns it. The pages are given back.
func (n *nativeProgram) write(ctx context.Context) ([]byte, error) {
	for _, step := range []struct {
		function  string
		arguments []int64
	}{{"rewind", []int64{n.file}}, {"malloc_info", []int64{0, n.file}}, {"fflush", []int64{n.file}}} {
		if _, err := n.gdb.call(ctx, n.functions[step.function], step.arguments...); err != nil {
			return nil, err
		}
	}
	text, err := n.peek(n.room + modeRoom)
	if err != nil {
		return nil, err
	}
	page := int64(os.Getpagesize())
	_, err = n.gdb.call(ctx, n.functions["madvise"], n.room, (textRoom+modeRoom+page-1)/page*page, unix.MADV_DONTNEED)
	return text, err
}

// close closes the stream, and ends gdb with the last process.
func (n *nativeProgram) close(ctx context.Context) error {
	if n.closed {
		return nil
	}
	n.closed = true
	defer n.shared.leave()
	if n.room == 0 || !n.same() {
		return nil
	}
	return n.attached(ctx, func(ctx context.Context) error {
		var closed error
		if n.file != 0 {
			_, closed = n.gdb.call(ctx, n.functions["fclose"], n.file)
		}
		_, err := n.gdb.call(ctx, n.functions["munmap"], n.room, textRoom+modeRoom)
		return errors.Join(closed, err)
	})
}

func (n *nativeProgram) said() string {
	return fmt.Sprintf("gdb has it call malloc_info, into %d MiB of address space that it reserves there", textRoom>>20)
}

// poke writes into the memory of the process.
func (n *nativeProgram) poke(address int64, text string) error {
	mem, err := os.OpenFile(kernel.Path(n.PID, "mem"), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer mem.Close()
	_, err = mem.WriteAt([]byte(text), address)
	return err
}

// peek reads the text of malloc_info from the memory of the process, up to its end.
func (n *nativeProgram) peek(address int64) ([]byte, error) {
	mem, err := os.Open(kernel.Path(n.PID, "mem"))
	if err != nil {
		return nil, err
	}
	defer mem.Close()
	var text []byte
	chunk := make([]byte, 64<<10)
	for len(text) < textRoom {
		read, err := mem.ReadAt(chunk[:min(len(chunk), textRoom-len(text))], address+int64(len(text)))
		if err != nil {
			return nil, fmt.Errorf("the text of malloc_info: %w", err)
		}
		from := max(0, len(text)-len(mallocEnd))
		text = append(text, chunk[:read]...)
		if end := bytes.Index(text[from:], []byte(mallocEnd)); end >= 0 {
			return text[:from+end+len(mallocEnd)], nil
		}
	}
	return nil, fmt.Errorf("the text of malloc_info has more than %d MiB", textRoom>>20)
}

// waits are system calls in which a thread waits, and that malloc does not make.
var waits = append([]int{
	unix.SYS_EPOLL_PWAIT, unix.SYS_EPOLL_PWAIT2, unix.SYS_PPOLL, unix.SYS_PSELECT6, unix.SYS_ACCEPT, unix.SYS_ACCEPT4,
	unix.SYS_NANOSLEEP, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_RT_SIGTIMEDWAIT, unix.SYS_RT_SIGSUSPEND, unix.SYS_WAIT4,
	unix.SYS_WAITID, unix.SYS_RECVFROM, unix.SYS_RECVMSG, unix.SYS_RECVMMSG, unix.SYS_IO_URING_ENTER,
}, oldWaits...)

// waiting chooses a thread for calls, by gdb's number, while all are stopped: one that waits in the kernel and not inside
// malloc, so that it holds no lock of an arena. Other threads may hold one: they run during a call, and release it. The
// first thread comes first. It returns 0 if there is none.
func waiting(pid int, threads map[int]int) int {
	ids := make([]int, 0, len(threads))
	for id := range threads {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/syscall", pid, id))
		if err != nil {
			continue
		}
		target := func(descriptor uint64) string {
			name, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", pid, descriptor))
			return name
		}
		if isWait(string(text), target) {
			return threads[id]
		}
	}
	return 0
}

// isWait judges a line of /proc/PID/task/TID/syscall: the number, six arguments in hexadecimal, stack and program
// counter. Of futex only FUTEX_WAIT_BITSET counts, by which glibc waits for conditions, semaphores and threads; the locks
// of arenas take FUTEX_WAIT. Of read only that of sockets, pipes and terminals counts: malloc reads a file in /proc.
func isWait(line string, target func(descriptor uint64) string) bool {
	fields := strings.Fields(line)
	if len(fields) != 9 {
		return false // it runs, or was not in a system call
	}
	number, err := strconv.Atoi(fields[0])
	if err != nil {
		return false
	}
	argument := func(n int) uint64 {
		value, err := strconv.ParseUint(fields[1+n], 0, 64)
		if err != nil {
			return math.MaxUint64
		}
		return value
	}
	const commands, waitBitset = 0x7f, 9 // FUTEX_CMD_MASK without the flags, FUTEX_WAIT_BITSET
	switch number {
	case unix.SYS_FUTEX:
		return argument(1)&commands == waitBitset
	case unix.SYS_READ:
		name := target(argument(0))
		return strings.HasPrefix(name, "socket:") || strings.HasPrefix(name, "pipe:") || strings.HasPrefix(name, "anon_inode:") ||
			strings.HasPrefix(name, "/dev/pts/") || strings.HasPrefix(name, "/dev/tty")
	default:
		return slices.Contains(waits, number)
	}
}

// glibcFunctions returns the addresses of functions in the process, by the symbols that glibc exports.
func glibcFunctions(p process, names ...string) (map[string]uint64, error) {
	path := libcOf(p)
	maps, err := os.ReadFile(kernel.Path(p.PID, "maps"))
	if err != nil {
		return nil, err
	}
	// Never waits, should it be a pipe.
	library, err := os.OpenFile(filepath.Join(p.Root, path), os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("glibc of the process: %w", err)
	}
	defer library.Close()
	file, err := elf.NewFile(library)
	if err != nil {
		return nil, fmt.Errorf("glibc of the process: %w", err)
	}
	base, err := loadedAt(string(maps), path, file)
	if err != nil {
		return nil, err
	}
	if err := isLoaded(p.PID, base, library); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	symbols, err := file.DynamicSymbols()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	functions := make(map[string]uint64)
	for _, s := range symbols {
		kind := elf.ST_TYPE(s.Info)
		old := s.HasVersion && s.VersionIndex.IsHidden() // such as fmemopen@GLIBC_2.2.5
		if kind == elf.STT_FUNC && s.Section != elf.SHN_UNDEF && !old && slices.Contains(names, s.Name) {
			functions[s.Name] = base + s.Value
		}
	}
	if len(functions) < len(names) {
		return nil, fmt.Errorf("%s does not export %s", path, strings.Join(names, ", "))
	}
	return functions, nil
}

// isLoaded fails unless the process has the library at that address: the path may lead to another one, since an update or
// chroot. Its first page has the build ID, and is never written to.
func isLoaded(pid int, base uint64, library io.ReaderAt) error {
	mem, err := os.Open(kernel.Path(pid, "mem"))
	if err != nil {
		return err
	}
	defer mem.Close()
	inFile, inMemory := make([]byte, os.Getpagesize()), make([]byte, os.Getpagesize())
	if _, err := library.ReadAt(inFile, 0); err != nil {
		return err
	}
	if _, err := mem.ReadAt(inMemory, int64(base)); err != nil {
		return err
	}
	if !bytes.Equal(inFile, inMemory) {
		return errors.New("the file is not the one that the process has loaded")
	}
	return nil
}

// loadedAt is the address that a library's addresses count from, by the lines of /proc/PID/maps:
// "7ffa30953000-7ffa30979000 r--p 00000000 fe:00 326269  /usr/lib/x86_64-linux-gnu/libc.so.6".
func loadedAt(maps, path string, file *elf.File) (uint64, error) {
	for line := range strings.Lines(maps) {
		fields := strings.Fields(line)
		if len(fields) < 6 || fields[2] != "00000000" || strings.Join(fields[5:], " ") != path {
			continue
		}
		from, _, _ := strings.Cut(fields[0], "-")
		start, err := strconv.ParseUint(from, 16, 64)
		if err != nil {
			return 0, err
		}
		for _, part := range file.Progs {
			if part.Type == elf.PT_LOAD && part.Off == 0 {
				return start - part.Vaddr, nil
			}
		}
	}
	return 0, fmt.Errorf("%s is not mapped from its start", path)
}
