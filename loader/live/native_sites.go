package live

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"leaklab/loader/kernel"
	"leaklab/loader/memory"
	"leaklab/loader/symbol"
)

const (
	mostModules = 1 << 10 // files whose symbols are kept
	mostPlaces  = 1 << 15 // addresses whose frames are kept
	mostNamed   = 1 << 16 // addresses that are named in a reading; the stacks that follow are left out
	mostParts   = 1 << 16 // parts of files that a process maps
)

// mappedPart is a part of a file that a process maps, as a line of /proc/PID/maps tells it.
type mappedPart struct {
	low, high, offset uint64
	file              mappedFile
}

// mappedFile tells a mapped file from one of the same name that has replaced it.
type mappedFile struct{ path, device, inode string }

// parseMapping reads "7f5dcb844000-7f5dcb99a000 r-xp 00026000 00:00 326269      /usr/lib/libc.so.6".
func parseMapping(line string) (mappedPart, bool) {
	fields := strings.Fields(line)
	slash := strings.IndexByte(line, '/')
	if len(fields) < 6 || slash < 0 {
		return mappedPart{}, false
	}
	from, to, _ := strings.Cut(fields[0], "-")
	low, err1 := strconv.ParseUint(from, 16, 64)
	high, err2 := strconv.ParseUint(to, 16, 64)
	offset, err3 := strconv.ParseUint(fields[2], 16, 64)
	if err := errors.Join(err1, err2, err3); err != nil {
		return mappedPart{}, false
	}
	return mappedPart{low, high, offset, mappedFile{line[slash:], fields[3], fields[4]}}, true
}

// parseMappings reads what a process maps, by address; at most mostParts.
func parseMappings(maps []byte) []mappedPart {
	var parts []mappedPart
	for line := range bytes.Lines(maps) {
		if part, ok := parseMapping(strings.TrimSuffix(string(line), "\n")); ok && len(parts) < mostParts {
			parts = append(parts, part)
		}
	}
	slices.SortFunc(parts, func(a, b mappedPart) int { return cmp.Compare(a.low, b.low) })
	return parts
}

// nativeSymbols names the code of processes, for one at a time.
type nativeSymbols struct {
	mu      sync.Mutex // held while sites are named
	files   *symbol.Files
	modules map[mappedFile]*symbol.Binary // nil for one that cannot be read
	places  map[place][]nativeFrame
	named   int // places in this reading that were not kept
}

// nativeFrame is a frame, and what it means for where memory is booked.
type nativeFrame struct {
	frame
	allocates, standard bool
}

// place is an offset in a mapped file.
type place struct {
	file   mappedFile
	offset uint64
}

func newNativeSymbols() *nativeSymbols {
	return &nativeSymbols{files: symbol.NewFiles(), modules: make(map[mappedFile]*symbol.Binary), places: make(map[place][]nativeFrame)}
}

// frames are the functions at an offset of a file that a process maps, the innermost first: "server+0x12e9" if it has no
// symbols.
func (n *nativeSymbols) frames(p mappedProcess, at place) []nativeFrame {
	found, known := n.places[at]
	if known {
		return found
	}
	if binary := n.module(p, at.file); binary != nil {
		for _, f := range binary.Frames(at.offset) {
			found = append(found, nativeFrame{frame: frame{function: name(f.Function), file: name(f.File), line: f.Line}})
		}
	}
	n.named++
	module := filepath.Base(at.file.path)
	if len(found) == 0 {
		found = []nativeFrame{{frame: frame{function: name(fmt.Sprintf("%s+%#x", module, at.offset))}}}
	}
	for i, f := range found {
		found[i].allocates, found[i].standard = allocates.MatchString(f.function), f.isStandard(module)
	}
	if len(n.places) >= mostPlaces {
		clear(n.places)
	}
	n.places[at] = found
	return found
}

// module reads the symbols of a file once.
func (n *nativeSymbols) module(p mappedProcess, file mappedFile) *symbol.Binary {
	binary, known := n.modules[file]
	if known || len(n.modules) >= mostModules {
		return binary
	}
	lines := !standardModule.MatchString(filepath.Base(file.path))
	binary, _ = n.files.Open(file.inRoot(), lines, p.opener(file))
	n.modules[file] = binary
	return binary
}

// inRoot is the path of the file, which may have been removed.
func (f mappedFile) inRoot() string { return strings.TrimSuffix(f.path, " (deleted)") }

// mappedProcess is a process, and the parts of files that it maps, by address.
type mappedProcess struct {
	process
	parts []mappedPart
}

// mappingsOf reads what a process maps now.
func mappingsOf(p process) (mappedProcess, error) {
	maps, err := os.ReadFile(kernel.Path(p.PID, "maps"))
	return mappedProcess{p, parseMappings(maps)}, err
}

// opener opens a file that the process maps, also if it was removed or replaced since, and debug files by their paths.
func (p mappedProcess) opener(file mappedFile) symbol.Opener {
	return func(path string) (*os.File, error) {
		if path == file.inRoot() {
			return p.openLoaded(file)
		}
		return p.openBelow(path)
	}
}

// openLoaded opens a file that the process maps: its program, what /proc shows to root, or what has the path now. It fails
// if that has another first page than the process has in memory.
func (p mappedProcess) openLoaded(file mappedFile) (*os.File, error) {
	if file.inRoot() == p.Exe {
		return os.Open(kernel.Path(p.PID, "exe"))
	}
	first := slices.IndexFunc(p.parts, func(part mappedPart) bool { return part.file == file && part.offset == 0 })
	if first < 0 {
		return nil, fmt.Errorf("%s is not mapped from its start", file.path)
	}
	part := p.parts[first]
	shown := kernel.Path(p.PID, fmt.Sprintf("map_files/%x-%x", part.low, part.high))
	if loaded, err := os.OpenFile(shown, openFlags, 0); err == nil {
		return regular(loaded)
	}
	return p.openNamed(part)
}

// openNamed opens what has the path of a mapped file now, if it is the same.
func (p mappedProcess) openNamed(part mappedPart) (*os.File, error) {
	file, err := p.openBelow(part.file.inRoot())
	if err != nil {
		return nil, err
	}
	if err := isLoaded(p.PID, part.low, file); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", part.file.path, err), file.Close())
	}
	return file, nil
}

// openBelow opens a regular file by its path as the process sees it, with no way out of its root.
func (p process) openBelow(path string) (*os.File, error) {
	root, err := os.OpenRoot(p.Root)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	file, err := root.OpenFile(strings.TrimPrefix(path, "/"), openFlags, 0)
	if err != nil {
		return nil, err
	}
	return regular(file)
}

// openFlags never wait for a pipe.
const openFlags = os.O_RDONLY | syscall.O_NONBLOCK

// regular returns the file, or closes it and fails if it is no regular one.
func regular(file *os.File) (*os.File, error) {
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: expected a regular file", file.Name())
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// isLoaded fails unless the process has the file at that address: the path may lead to another one, since an update or
// chroot. Its first page has the build ID, and is never written to.
func isLoaded(pid int, base uint64, file io.ReaderAt) error {
	mem, err := os.Open(kernel.Path(pid, "mem"))
	if err != nil {
		return err
	}
	defer mem.Close()
	inFile, inMemory := make([]byte, os.Getpagesize()), make([]byte, os.Getpagesize())
	if _, err := file.ReadAt(inFile, 0); err != nil {
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

// The frames that memory is not booked on, for they allocate for whoever calls them: those of libraries of the language.
// Rust's library is told by its files, where they are known, because C++ has namespaces of the same names.
var (
	standardModule = regexp.MustCompile(`^(libc|libstdc\+\+|libc\+\+|libc\+\+abi|libgcc_s|libm|libpthread|ld)(-\d|\.|$)|^(libtcmalloc|libjemalloc|ld-linux|ld-musl)`)
	standardFile   = regexp.MustCompile(`/include/c\+\+/|/rustc/[0-9a-f]+/library/|/rustlib/src/rust/library/|^/rust/deps/|/hashbrown-\d[^/]*/src/`)
	standardName   = regexp.MustCompile(`^(std::|__gnu_cxx::|__rdl_|__rustc::)`)
	standardCrate  = regexp.MustCompile(`^(<[&*\[]*(const |mut )?)?(alloc|core|std|hashbrown)::`)
)

// The functions that a program allocates by: malloc and its kin with their wrappers, C++'s operator new, and what Rust calls
// its allocator by. Which functions they call is the allocator's matter.
var allocates = regexp.MustCompile(`^(__|x|g_|tc_|je_|_rjem_|_rjem_je_)?(malloc|malloc_default|calloc|realloc|mallocx|rallocx|reallocarray|memalign|aligned_alloc|posix_memalign|valloc|strdup|strndup)(0|_n|0_n)?$|` +
	`^(.*::)?operator new(\[\])?$|^fallback_impl$|^(__rustc::)?__rust_(alloc|alloc_zeroed|realloc)$|\bGlobalAlloc\b.*::(alloc|alloc_zeroed|realloc)$`)

// isStandard is true for frames that memory is not booked on; module is the base name of their file.
func (f frame) isStandard(module string) bool {
	return standardModule.MatchString(module) || f.file != "" && standardFile.MatchString(f.file) ||
		standardName.MatchString(f.function) || f.file == "" && standardCrate.MatchString(f.function)
}

// heldStack is what a stack of a heap profile has in use: return addresses such as "0x46b1e5 0x46c0a1", innermost first.
type heldStack struct {
	objects, bytes int64
	addresses      string
}

// nativeSites are the sites of stacks. What a stack has in use is booked on the innermost frame that is not of the
// language's library, outside of the function by which it allocates; else on the innermost outside of that.
func nativeSites(stacks iter.Seq[heldStack], p mappedProcess, symbols *nativeSymbols) []memory.Site {
	symbols.mu.Lock()
	defer symbols.mu.Unlock()
	symbols.named = 0
	var sum siteSum
	for held := range stacks {
		if symbols.named >= mostNamed {
			break
		}
		if stack, at := p.stack(held.addresses, symbols); len(stack) > 0 {
			sum.add(stack, at, held.bytes, held.objects, "")
		}
	}
	return sum.largest()
}

// stack returns the frames of return addresses, and that on which memory is booked.
func (p mappedProcess) stack(addresses string, symbols *nativeSymbols) (stack []frame, at int) {
	own, outside := -1, 0 // outside of the function by which it allocates
	for told := range strings.FieldsSeq(addresses) {
		address, err := strconv.ParseUint(strings.TrimPrefix(told, "0x"), 16, 64)
		if err != nil || address == 0 || len(stack) >= mostFrames || own >= 0 && len(stack) > own+mostCallers {
			break
		}
		here, found := p.place(address - 1) // in the instruction that calls
		if !found {
			stack = append(stack, frame{function: fmt.Sprintf("%#x", address)})
			continue
		}
		for _, f := range symbols.frames(p, here) {
			stack = append(stack, f.frame)
			switch {
			case f.allocates:
				own, outside = -1, len(stack)
			case own < 0 && !f.standard:
				own = len(stack) - 1
			}
		}
	}
	if own < 0 {
		own = min(outside, len(stack)-1)
	}
	return stack, max(0, own)
}

// place tells which file an address is of.
func (p mappedProcess) place(address uint64) (place, bool) {
	after, _ := slices.BinarySearchFunc(p.parts, address, func(part mappedPart, address uint64) int {
		if part.low > address {
			return 1
		}
		return -1
	})
	if after == 0 || address >= p.parts[after-1].high {
		return place{}, false
	}
	part := p.parts[after-1]
	return place{part.file, address - part.low + part.offset}, true
}
