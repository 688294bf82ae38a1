package live

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"leaklab/loader/kernel"
	"leaklab/loader/memory"
	"leaklab/loader/shell"
	"leaklab/loader/symbol"
)

const (
	jemallocRoom = 4096     // bytes of the server's address space for what mallctl is given
	jemallocMost = 16 << 20 // bytes of a heap profile that are read
)

// The room that mallctl is given: a figure, its size, the address of a path, then texts that end with 0, a slot each.
const (
	roomValue, roomSize, roomAddress = 0, 8, 16
	roomTexts, roomSlot              = 64, 64
)

// jemallocProgram is a process with jemalloc. In the process it has a mapping for what mallctl is given, and a file in memory
// for profiles.
type jemallocProgram struct {
	traced
	mallctl   uint64            // address
	libc      map[string]uint64 // addresses of functions
	room      int64             // address of the mapping; 0 if there is none
	texts     int               // slots of room that are used
	file      int64             // descriptor, in the process; -1 if there is none
	shown     string            // the file, as this program sees it
	dump      int64             // address of the text "prof.dump" in room; 0 if the program does not profile
	large     int64             // bytes of the smallest large object, with profiles
	symbols   *nativeSymbols
	profile   []byte // the newest; nil if there is none
	closed    bool
	statistic map[string]int64 // addresses of the names of statistics in room
}

// jemallocStatistics are what is read: bytes that are handed out, and bytes that are in RAM at most.
var jemallocStatistics = []string{"stats.allocated", "stats.resident"}

// opensJemalloc returns the function that opens processes, which share one gdb.
func opensJemalloc() func(context.Context, process, Options) (opened, error) {
	shared, symbols := &sharedDebugger{}, newNativeSymbols()
	return func(ctx context.Context, p process, o Options) (opened, error) {
		return openJemalloc(ctx, p, o, shared, symbols)
	}
}

func openJemalloc(ctx context.Context, p process, o Options, shared *sharedDebugger, symbols *nativeSymbols) (_ opened, err error) {
	mallctl, err := mallctlOf(p)
	if err != nil {
		return nil, err
	}
	libc, err := glibcFunctions(p, "mmap", "munmap", "memfd_create", "close")
	if err != nil {
		return nil, err
	}
	j := &jemallocProgram{
		traced: traced{process: p, shared: shared, folder: o.Folder}, mallctl: mallctl, libc: libc, file: -1, symbols: symbols,
		statistic: make(map[string]int64),
	}
	shared.enter()
	defer func() {
		if err != nil {
			_ = j.close(context.WithoutCancel(ctx))
		}
	}()
	if err := j.attached(ctx, j.prepare); err != nil {
		return nil, err
	}
	if _, err := j.live(ctx); err != nil {
		return nil, err
	}
	return j, nil
}

// mallctlOf is the address of mallctl in the process.
func mallctlOf(p process) (uint64, error) {
	mapped, err := mappingsOf(p)
	if err != nil {
		return 0, err
	}
	path := jemallocLibraryOf(p)
	index := slices.IndexFunc(mapped.parts, func(part mappedPart) bool { return part.file.inRoot() == path })
	if index < 0 {
		return 0, fmt.Errorf("%s is not mapped", path)
	}
	file := mapped.parts[index].file
	binary, err := symbol.NewFiles().Open(path, false, mapped.opener(file))
	if err != nil {
		return 0, err
	}
	for _, name := range mallctlNames {
		if offset, found := binary.Offset(name); found {
			return mapped.address(place{file, offset})
		}
	}
	return 0, fmt.Errorf("%s shows no function mallctl: its symbols were removed", path)
}

// address is where a place in a file is in memory.
func (p mappedProcess) address(at place) (uint64, error) {
	for _, part := range p.parts {
		if part.file == at.file && at.offset >= part.offset && at.offset-part.offset < part.high-part.low {
			return part.low + at.offset - part.offset, nil
		}
	}
	return 0, fmt.Errorf("%s is mapped in part", at.file.path)
}

// prepare takes the mapping, and, if the program profiles its heap, the file. No string is passed through gdb, which would
// allocate it in the process and not free it.
func (j *jemallocProgram) prepare(ctx context.Context) error {
	room, err := j.gdb.call(ctx, j.libc["mmap"], 0, jemallocRoom, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS, -1, 0)
	if err != nil {
		return err
	}
	if room == -1 || room == 0 {
		return errors.New("the process has no address space for what mallctl is given")
	}
	j.room = room
	for _, name := range append([]string{"epoch"}, jemallocStatistics...) {
		if j.statistic[name], err = j.text(name); err != nil {
			return err
		}
	}
	profiles, err := j.profiles(ctx)
	if err != nil || !profiles {
		return err
	}
	smallest, err := j.text("arenas.lextent.0.size")
	if err != nil {
		return err
	}
	if j.large, err = j.ask(ctx, smallest, 8); err != nil {
		return err
	}
	if j.large < 1 || j.large > 1<<30 {
		return fmt.Errorf("jemalloc tells %d bytes for the smallest large object", j.large)
	}
	title, err := j.text("leaklab")
	if err != nil {
		return err
	}
	if j.file, err = j.gdb.call(ctx, j.libc["memfd_create"], title, unix.MFD_CLOEXEC); err != nil {
		return err
	}
	if j.file = int64(int32(j.file)); j.file < 0 {
		return errors.New("the process cannot open a file in memory")
	}
	j.shown = kernel.Path(j.PID, fmt.Sprintf("fd/%d", j.file))
	path, err := j.text(fmt.Sprintf("/proc/self/fd/%d", j.file))
	if err != nil {
		return err
	}
	if err := j.put(roomAddress, path); err != nil {
		return err
	}
	j.dump, err = j.text("prof.dump")
	return err
}

// profiles is true if the program was started with jemalloc's heap profiler.
func (j *jemallocProgram) profiles(ctx context.Context) (bool, error) {
	name, err := j.text("opt.prof")
	if err != nil {
		return false, err
	}
	const size = 1 // of a bool
	on, err := j.ask(ctx, name, size)
	return on != 0, err
}

// text puts a text into the room, and returns its address.
func (j *jemallocProgram) text(text string) (int64, error) {
	at := j.room + roomTexts + int64(j.texts)*roomSlot
	j.texts++
	return at, j.poke(at, text+"\x00")
}

// put writes a figure into the room.
func (j *jemallocProgram) put(at, value int64) error {
	return j.poke(j.room+at, string(binary.NativeEndian.AppendUint64(nil, uint64(value))))
}

// ask reads a value of that size by mallctl.
func (j *jemallocProgram) ask(ctx context.Context, name, size int64) (int64, error) {
	if err := errors.Join(j.put(roomValue, 0), j.put(roomSize, size)); err != nil {
		return 0, err
	}
	if err := j.control(ctx, name, j.room+roomValue, j.room+roomSize, 0, 0); err != nil {
		return 0, err
	}
	mem, err := os.Open(kernel.Path(j.PID, "mem"))
	if err != nil {
		return 0, err
	}
	defer mem.Close()
	value := make([]byte, 8)
	if _, err := mem.ReadAt(value, j.room+roomValue); err != nil {
		return 0, err
	}
	return int64(binary.NativeEndian.Uint64(value)), nil
}

// control calls mallctl.
func (j *jemallocProgram) control(ctx context.Context, arguments ...int64) error {
	returned, err := j.gdb.call(ctx, j.mallctl, arguments...)
	if err != nil {
		return err
	}
	switch cause := unix.Errno(int32(returned)); cause {
	case 0:
		return nil
	case unix.ENOENT:
		return errors.New("jemalloc was built without statistics")
	default:
		return fmt.Errorf("mallctl of the process: %w", cause)
	}
}

// live asks for the statistics of the moment, and for a profile. Heap is what jemalloc may have in RAM.
func (j *jemallocProgram) live(ctx context.Context) (memory.Live, error) {
	j.stopped = 0
	var figures [2]int64
	err := j.attached(ctx, func(ctx context.Context) error { return j.read(ctx, figures[:]) })
	if err != nil {
		return memory.Live{}, err
	}
	read := memory.Live{
		Bytes: figures[0], Heap: max(figures[0], figures[1]), Committed: max(figures[0], figures[1]),
		Stopped: j.stopped, Forced: "jemalloc's statistics", Processes: 1,
	}
	if j.dump == 0 {
		return read, nil
	}
	profile, err := j.dumped()
	if err != nil {
		return memory.Live{}, err
	}
	mapped, err := mappingsOf(j.process)
	if err != nil {
		return memory.Live{}, err
	}
	every, stacks, err := parseHeapV2(profile)
	if err != nil {
		return memory.Live{}, err
	}
	read.Bytes = max(0, read.Bytes-promoted(stacks, j.large))
	read.Sites = jemallocSites(every, stacks, mapped, j.symbols)
	j.profile = profile
	return read, nil
}

// dumped is the profile in the file. The program may have put another one in its place.
func (j *jemallocProgram) dumped() ([]byte, error) {
	file, err := os.OpenFile(j.shown, openFlags, 0)
	if err != nil {
		return nil, err
	}
	if file, err = regular(file); err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, jemallocMost))
}

// read has jemalloc sum up its statistics, reads them, and has a profile written.
func (j *jemallocProgram) read(ctx context.Context, figures []int64) error {
	const size = 8 // of a figure
	if err := j.put(roomValue, 1); err != nil {
		return err
	}
	if err := j.control(ctx, j.statistic["epoch"], 0, 0, j.room+roomValue, size); err != nil {
		return err
	}
	for n, name := range jemallocStatistics {
		var err error
		if figures[n], err = j.ask(ctx, j.statistic[name], size); err != nil {
			return err
		}
	}
	if j.dump == 0 {
		return nil
	}
	return j.control(ctx, j.dump, 0, 0, j.room+roomAddress, size)
}

// close closes the file, gives the mapping back, and ends gdb with the last process.
func (j *jemallocProgram) close(ctx context.Context) error {
	if j.closed {
		return nil
	}
	j.closed = true
	defer j.shared.leave()
	if j.room == 0 || !j.same() {
		return nil
	}
	return j.attached(ctx, func(ctx context.Context) error {
		var closed error
		if j.file >= 0 {
			_, closed = j.gdb.call(ctx, j.libc["close"], j.file)
		}
		_, err := j.gdb.call(ctx, j.libc["munmap"], j.room, jemallocRoom)
		return errors.Join(closed, err)
	})
}

func (j *jemallocProgram) said() string {
	if j.dump == 0 {
		return "gdb has it call mallctl (no sites: it was started without jemalloc's heap profiler)"
	}
	return "gdb has it call mallctl, with a file in memory that it opens for heap profiles"
}

// errNoProfile is the error of a program without a heap profiler.
var errNoProfile = errors.New("it was started without jemalloc's heap profiler, MALLOC_CONF=prof:true")

// keep saves the newest profile.
func (j *jemallocProgram) keep(save Save) (ProfileFile, error) {
	if j.profile == nil {
		return ProfileFile{}, errNoProfile
	}
	name := fmt.Sprintf("jemalloc-%d.heap", j.PID)
	return ProfileFile{Name: name, Open: strings.Join([]string{"jeprof", "--text", "--lines", shell.Quote(j.Exe), name}, " ")},
		save(name, func(w io.Writer) error {
			_, err := w.Write(j.profile)
			return err
		})
}
