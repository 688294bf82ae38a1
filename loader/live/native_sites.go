package live

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"leaklab/loader/kernel"
	"leaklab/loader/memory"
	"leaklab/loader/symbol"
)

const (
	mostModules = 1 << 10 // files whose symbols are kept
	mostPlaces  = 1 << 15 // addresses whose frames are kept
	mostParts   = 1 << 16 // parts of files that a process maps
)

// mappedPart is a part of a file that a process maps, as a line of /proc/PID/maps tells it.
type mappedPart struct {
	low, high, offset uint64
	file              mappedFile
}

// mappedFile tells a mapped file from one of the same name that has replaced it.
type mappedFile struct{ path, inode string }

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
	return mappedPart{low, high, offset, mappedFile{line[slash:], fields[4]}}, true
}

// nativeSymbols names the code of processes. It is not safe for concurrent use.
type nativeSymbols struct {
	files   *symbol.Files
	modules map[mappedFile]*symbol.Binary // nil for one that cannot be read
	places  map[place][]frame
}

// place is an offset in a mapped file.
type place struct {
	file   mappedFile
	offset uint64
}

func newNativeSymbols() *nativeSymbols {
	return &nativeSymbols{files: symbol.NewFiles(), modules: make(map[mappedFile]*symbol.Binary), places: make(map[place][]frame)}
}

// frames are the functions at an offset of a file that a process maps, the innermost first: "server+0x12e9" if it has no
// symbols.
func (n *nativeSymbols) frames(p process, at place) []frame {
	found, known := n.places[at]
	if known {
		return found
	}
	if binary := n.module(p, at.file); binary != nil {
		for _, f := range binary.Frames(at.offset) {
			found = append(found, frame{function: name(f.Function), file: name(f.File), line: f.Line})
		}
	}
	if len(found) == 0 {
		found = []frame{{function: name(fmt.Sprintf("%s+%#x", filepath.Base(at.file.path), at.offset))}}
	}
	if len(n.places) >= mostPlaces {
		clear(n.places)
	}
	n.places[at] = found
	return found
}

// module reads the symbols of a file once.
func (n *nativeSymbols) module(p process, file mappedFile) *symbol.Binary {
	binary, known := n.modules[file]
	if known || len(n.modules) >= mostModules {
		return binary
	}
	lines := !standardModule.MatchString(filepath.Base(file.path))
	binary, _ = n.files.Open(strings.TrimSuffix(file.path, " (deleted)"), lines, p.openMapped)
	n.modules[file] = binary
	return binary
}

// openMapped opens a regular file by its path as the process sees it, with no way out of its root; its program also if the
// file was removed.
func (p process) openMapped(path string) (*os.File, error) {
	if path == p.Exe {
		return os.Open(kernel.Path(p.PID, "exe"))
	}
	root, err := os.OpenRoot(p.Root)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	file, err := root.OpenFile(strings.TrimPrefix(path, "/"), os.O_RDONLY|syscall.O_NONBLOCK, 0) // never waits for a pipe
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: expected a regular file", path)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// The frames that memory is not booked on, for they allocate for whoever calls them: those of libraries of the language,
// and of allocators that are linked into the program. Rust's library is told by its files, where they are known, because
// C++ has namespaces of the same names.
var (
	standardModule = regexp.MustCompile(`^(libc|libstdc\+\+|libc\+\+|libc\+\+abi|libgcc_s|libm|libpthread|ld)(-\d|\.|$)|^(libtcmalloc|ld-linux|ld-musl)`)
	standardFile   = regexp.MustCompile(`/include/c\+\+/|/rustc/[0-9a-f]+/library/|/rustlib/src/rust/library/|^/rust/deps/`)
	standardName   = regexp.MustCompile(`^(std::|__gnu_cxx::|operator new|__rust_|__rdl_|__rustc::)`)
	standardCrate  = regexp.MustCompile(`^(<[&*\[]*(const |mut )?)?(alloc|core|std|hashbrown)::`)
	allocates      = regexp.MustCompile(`^(__|x|g_|tc_|je_)?(malloc|calloc|realloc|reallocarray|memalign|aligned_alloc|posix_memalign|valloc|strdup|strndup)(0|_n|0_n)?$`)
)

// isStandard is true for frames that memory is not booked on; module is the base name of their file.
func (f frame) isStandard(module string) bool {
	return standardModule.MatchString(module) || f.file != "" && standardFile.MatchString(f.file) ||
		standardName.MatchString(f.function) || f.file == "" && standardCrate.MatchString(f.function) ||
		allocates.MatchString(f.function)
}

// nativeProfile tells what the addresses of a process's heap profile belong to.
type nativeProfile struct {
	process
	symbols *nativeSymbols
	parts   []mappedPart // by low
}

// nativeSites are the sites of a heap profile of gperftools, which ends with what the process maps. What a stack has in use
// is booked on the innermost frame that is not of the language's library, else on the innermost.
func nativeSites(profile []byte, p process, symbols *nativeSymbols) []memory.Site {
	stacks, mapped, _ := bytes.Cut(profile, []byte(mappedTitle))
	n := nativeProfile{process: p, symbols: symbols}
	for line := range bytes.Lines(mapped) {
		if part, ok := parseMapping(strings.TrimSuffix(string(line), "\n")); ok && len(n.parts) < mostParts {
			n.parts = append(n.parts, part)
		}
	}
	slices.SortFunc(n.parts, func(a, b mappedPart) int { return cmp.Compare(a.low, b.low) })
	var sum siteSum
	for line := range bytes.Lines(stacks) {
		objects, size, addresses, ok := heapLine(string(line))
		if !ok || objects == 0 || bytes.HasPrefix(line, []byte("heap profile")) {
			continue
		}
		if stack, at := n.stack(addresses); len(stack) > 0 {
			sum.add(stack, at, size, objects, "")
		}
	}
	return sum.largest()
}

// stack returns the frames of return addresses such as "0x46b1e5 0x46c0a1", and that on which memory is booked.
func (n nativeProfile) stack(addresses string) (stack []frame, at int) {
	own := -1
	for told := range strings.FieldsSeq(addresses) {
		address, err := strconv.ParseUint(strings.TrimPrefix(told, "0x"), 16, 64)
		if err != nil || address == 0 || len(stack) >= mostFrames || own >= 0 && len(stack) > own+mostCallers {
			break
		}
		here, found := n.place(address - 1) // in the instruction that calls
		if !found {
			stack = append(stack, frame{function: fmt.Sprintf("%#x", address)})
			continue
		}
		module := filepath.Base(here.file.path)
		for _, f := range n.symbols.frames(n.process, here) {
			if own < 0 && !f.isStandard(module) {
				own = len(stack)
			}
			stack = append(stack, f)
		}
	}
	return stack, max(0, own)
}

// place tells which file an address is of.
func (n nativeProfile) place(address uint64) (place, bool) {
	after, _ := slices.BinarySearchFunc(n.parts, address, func(part mappedPart, address uint64) int {
		if part.low > address {
			return 1
		}
		return -1
	})
	if after == 0 || address >= n.parts[after-1].high {
		return place{}, false
	}
	part := n.parts[after-1]
	return place{part.file, address - part.low + part.offset}, true
}
