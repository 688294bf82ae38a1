package live

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"leaklab/loader/kernel"
	"leaklab/loader/memory"
)

const (
	textRoom = 16 << 20 // bytes of address space in the server for the text of malloc_info
	modeRoom = 64       // bytes before it, for the mode "w"
)

// nativeProgram is a process with glibc's malloc. In the process it has a mapping for the text, and a FILE over it.
type nativeProgram struct {
	traced
	functions map[string]uint64 // addresses
	room      int64             // address of the mapping; 0 if there is none
	file      int64             // address of the FILE; 0 if there is none
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
	n := &nativeProgram{traced: traced{process: p, shared: shared, folder: o.Folder}, functions: functions}
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
