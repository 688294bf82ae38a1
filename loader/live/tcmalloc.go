package live

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"leaklab/loader/kernel"
	"leaklab/loader/memory"
	"leaklab/loader/shell"
)

const (
	tcmallocLibrary = "libtcmalloc.so.4" // of gperftools
	tcmallocSignal  = 60                 // a real-time signal that neither glibc nor a runtime here uses
	tcmallocPrefix  = "tcmalloc"         // of the names of dumps
	tcmallocTimeout = 30 * time.Second
	tcmallocAgain   = 200 * time.Millisecond // a signal is dropped while a thread is in the profiler
	tcmallocPoll    = 2 * time.Millisecond
	tcmallocMost    = 16 << 20 // bytes of a dump; the profiler's buffer has 1 MiB, and the list of mappings follows
)

// tcmallocFolders are where systems keep the library; * stands for an architecture.
var tcmallocFolders = []string{"/usr/lib/*-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/local/lib", "/usr/local/lib64"}

// tcmalloc reads the live memory of a program that was launched with the heap profiler of gperftools in place of its
// malloc. The profiler counts each allocation, so the bytes are those that the program asked for.
func tcmalloc() runtime {
	asked := &tcmallocAsked{symbols: newNativeSymbols()}
	return runtime{
		kind: TCMalloc,
		runs: func(p process) bool {
			return p.maps(tcmallocLibrary) && p.environment(tcmallocVariable) == strconv.Itoa(tcmallocSignal)
		},
		launch: tcmallocEnvironment,
		open: func(_ context.Context, p process, o Options) (opened, error) {
			return openTCMalloc(p, o, asked)
		},
	}
}

const tcmallocVariable = "HEAPPROFILESIGNAL"

// tcmallocEnvironment loads the library before all others, after whatever LD_PRELOAD has, and has the profiler write a
// dump upon a signal only.
func tcmallocEnvironment(environment []string, o Options) ([]string, error) {
	if o.Kind != TCMalloc {
		return nil, nil
	}
	library, err := findTCMalloc(tcmallocFolders)
	if err != nil {
		return nil, err
	}
	folder, err := filepath.Abs(o.Folder)
	if err != nil {
		return nil, err
	}
	preload := library
	for _, variable := range environment {
		if before, found := strings.CutPrefix(variable, "LD_PRELOAD="); found && before != "" {
			preload = before + ":" + library
		}
	}
	return []string{
		"LD_PRELOAD=" + preload,
		"HEAPPROFILE=" + filepath.Join(folder, tcmallocPrefix),
		tcmallocVariable + "=" + strconv.Itoa(tcmallocSignal),
		"HEAP_PROFILE_ALLOCATION_INTERVAL=0",
		"HEAP_PROFILE_INUSE_INTERVAL=0",
		"HEAP_PROFILE_TIME_INTERVAL=0",
	}, nil
}

func findTCMalloc(folders []string) (string, error) {
	for _, folder := range folders {
		found, _ := filepath.Glob(filepath.Join(folder, tcmallocLibrary))
		if len(found) > 0 {
			return found[0], nil
		}
	}
	return "", fmt.Errorf("expected %s (in Debian's package libgoogle-perftools4)", tcmallocLibrary)
}

// tcmallocAsked is what processes share. Those that were forked without exec write dumps of the same names: one is asked
// after the other.
type tcmallocAsked struct {
	sync.Mutex
	symbols *nativeSymbols
}

// tcmallocProgram is a process with the heap profiler.
type tcmallocProgram struct {
	process
	folder string
	asked  *tcmallocAsked
}

// openTCMalloc checks that the process has the profiler's signal handler, and that its dumps come to a folder of this run.
func openTCMalloc(p process, o Options, asked *tcmallocAsked) (opened, error) {
	if o.Folder == "" {
		return nil, errors.New("the server has to be launched for the run")
	}
	folder, err := filepath.Abs(o.Folder)
	if err != nil {
		return nil, err
	}
	program := &tcmallocProgram{process: p, folder: folder, asked: asked}
	if err := program.catches(); err != nil {
		return nil, err
	}
	return program, nil
}

// live has the profiler write a dump, and reads the totals in its first line. Heap is what is in RAM of the memory that
// tcmalloc takes: it grows the program break, and takes mappings only where it cannot. The profiler's own tables are
// outside of it.
func (p *tcmallocProgram) live(ctx context.Context) (memory.Live, error) {
	p.asked.Lock()
	defer p.asked.Unlock()
	ctx, cancel := context.WithTimeout(ctx, tcmallocTimeout)
	defer cancel()
	start := time.Now()
	file, err := p.dump(ctx)
	if err != nil {
		if hasEnded(p.PID) {
			err = fmt.Errorf("process %d: %w", p.PID, memory.ErrGone)
		}
		return memory.Live{}, err
	}
	stopped := time.Since(start)
	profile, err := readMost(file, tcmallocMost)
	if err != nil {
		return memory.Live{}, err
	}
	live, err := parseHeapTotal(profile)
	if err != nil {
		return memory.Live{}, err
	}
	resident, size, err := programBreak(p.PID)
	if err != nil {
		return memory.Live{}, err
	}
	return memory.Live{
		Bytes: live, Heap: max(live, resident), Committed: max(live, size), Stopped: stopped, Forced: "tcmalloc's heap profile", Processes: 1,
		Sites: tcmallocSites(profile, p.process, p.asked.symbols),
	}, os.Rename(file, filepath.Join(p.folder, p.kept()))
}

// tcmallocSites are the sites of a dump, which ends with what the process maps.
func tcmallocSites(dump []byte, p process, symbols *nativeSymbols) []memory.Site {
	lines, maps, _ := bytes.Cut(dump, []byte(mappedTitle))
	stacks := func(yield func(heldStack) bool) {
		for line := range bytes.Lines(lines) {
			objects, size, addresses, ok := heapLine(string(line))
			if !ok || objects == 0 || bytes.HasPrefix(line, []byte("heap profile")) {
				continue
			}
			if !yield(heldStack{objects, size, addresses}) {
				return
			}
		}
	}
	return nativeSites(stacks, mappedProcess{p, parseMappings(maps)}, symbols)
}

// kept is the file that has the newest profile.
func (p *tcmallocProgram) kept() string { return fmt.Sprintf("tcmalloc-%d.prof", p.PID) }

func (p *tcmallocProgram) close(context.Context) error { return nil }

func (p *tcmallocProgram) said() string {
	return fmt.Sprintf("asks for a heap profile of tcmalloc by signal %d", tcmallocSignal)
}

// keep saves the newest profile.
func (p *tcmallocProgram) keep(save Save) (ProfileFile, error) {
	profile, err := readMost(filepath.Join(p.folder, p.kept()), tcmallocMost)
	if err != nil {
		return ProfileFile{}, err
	}
	return ProfileFile{Name: p.kept(), Open: fmt.Sprintf("go tool pprof %s %s", shell.Quote(p.Exe), p.kept())},
		save(p.kept(), func(w io.Writer) error {
			_, err := w.Write(profile)
			return err
		})
}

// dump asks for a dump until there is a new one, and returns its path. Others of the process are deleted before: a child
// that was forked without exec counts its dumps as its parent does, so that names alone don't tell which is new.
func (p *tcmallocProgram) dump(ctx context.Context) (string, error) {
	old, err := p.dumps()
	if err != nil {
		return "", err
	}
	for _, file := range old {
		if err := os.Remove(file); err != nil {
			return "", err
		}
	}
	tick := time.NewTicker(tcmallocPoll)
	defer tick.Stop()
	var asked time.Time
	for {
		files, err := p.dumps()
		if err != nil {
			return "", err
		}
		if len(files) == 0 && time.Since(asked) >= tcmallocAgain {
			if err := p.ask(); err != nil {
				return "", err
			}
			asked = time.Now()
		}
		if len(files) > 0 && p.written(files[len(files)-1]) {
			return files[len(files)-1], nil
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("no heap profile of process %d: %w", p.PID, ctx.Err())
		case <-tick.C:
		}
	}
}

// dumps are the paths of the process's dumps, sorted. Only the first program that has the profiler writes without its PID:
// "tcmalloc.0001.heap" or "tcmalloc_123.0001.heap".
func (p *tcmallocProgram) dumps() ([]string, error) {
	entries, err := os.ReadDir(p.folder)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, entry := range entries {
		found := aDump.FindStringSubmatch(entry.Name())
		if found != nil && (found[1] == "" || found[1] == strconv.Itoa(p.Inside)) {
			files = append(files, filepath.Join(p.folder, entry.Name()))
		}
	}
	return files, nil
}

var aDump = regexp.MustCompile(`^` + tcmallocPrefix + `(?:_(\d+))?\.\d+\.heap$`)

// mappedTitle is before the last part of a dump.
const mappedTitle = "\nMAPPED_LIBRARIES:\n"

// written is true if the process has written the dump to its end, and closed it.
func (p *tcmallocProgram) written(file string) bool {
	content, err := readMost(file, tcmallocMost)
	return err == nil && bytes.Contains(content, []byte(mappedTitle)) && !isOpen(p.PID, file)
}

// ask sends the signal.
func (p *tcmallocProgram) ask() error {
	target, err := os.FindProcess(p.PID) // holds the process, so that the signal reaches no other
	if err != nil {
		return err
	}
	defer target.Release()
	if err := p.catches(); err != nil {
		return err
	}
	if err := target.Signal(syscall.Signal(tcmallocSignal)); err != nil {
		return fmt.Errorf("signal %d to process %d: %w", tcmallocSignal, p.PID, err)
	}
	return nil
}

// catches fails unless the process has a handler for the signal, which would end it otherwise.
func (p *tcmallocProgram) catches() error {
	if !p.handles(tcmallocSignal) {
		return errors.New("the program has no heap profiler of tcmalloc, or took its signal")
	}
	return nil
}

// readMost returns the first bytes of a file, most at most.
func readMost(file string, most int64) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most))
}

// heapTotal is the first line of a dump: objects and bytes in use, then those ever allocated. The lines that follow, one
// for each stack, stop where the profiler's buffer of 1 MiB is full; the totals do not.
var heapTotal = regexp.MustCompile(`^heap profile:\s*(\d+):\s*(\d+) \[\s*\d+:\s*\d+\] @ heapprofile\s*$`)

// parseHeapTotal returns the bytes in use that a dump tells.
func parseHeapTotal(dump []byte) (int64, error) {
	line, _, ended := bytes.Cut(dump[:min(len(dump), 1<<10)], []byte("\n"))
	found := heapTotal.FindSubmatch(line)
	if found == nil || !ended {
		return 0, fmt.Errorf("not a heap profile of tcmalloc: %.80q", line)
	}
	total, err := strconv.ParseInt(string(found[2]), 10, 64)
	if err != nil || total > 1<<50 {
		return 0, fmt.Errorf("heap profile of %.30s bytes", found[2])
	}
	return total, nil
}

// programBreak returns the part in RAM or swapped out, and the size, of the memory up to the program break, in bytes:
// "[heap]" in /proc/PID/smaps. Both are 0 if there is none.
func programBreak(pid int) (resident, size int64, err error) {
	file, err := os.Open(kernel.Path(pid, "smaps"))
	if err != nil {
		return 0, 0, err
	}
	defer file.Close()
	inside := false
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 {
			continue
		}
		if !strings.HasSuffix(fields[0], ":") { // the first line of a mapping
			if inside {
				break
			}
			inside = fields[len(fields)-1] == "[heap]"
			continue
		}
		if !inside || len(fields) != 3 {
			continue
		}
		kibibytes, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("/proc/%d/smaps: %q: %w", pid, lines.Text(), err)
		}
		switch fields[0] {
		case "Rss:", "Swap:":
			resident += kibibytes << 10
		case "Size:":
			size = kibibytes << 10
		}
	}
	return resident, size, lines.Err()
}

// isOpen is true if the process has the file open.
func isOpen(pid int, file string) bool {
	descriptors, _ := os.ReadDir(kernel.Path(pid, "fd"))
	return slices.ContainsFunc(descriptors, func(d os.DirEntry) bool {
		target, _ := os.Readlink(filepath.Join(kernel.Path(pid, "fd"), d.Name()))
		return target == file
	})
}
