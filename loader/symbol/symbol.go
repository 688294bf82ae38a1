// Package symbol names the functions and lines that addresses of an ELF file belong to, from DWARF or the symbol table,
// with functions that the compiler has put into others. It takes any file: what it reads of one is limited in size and
// time. It knows nothing of processes.
package symbol

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ianlancetaylor/demangle"
)

const (
	mostBytes  = 64 << 20         // of the sections that are read of a file and of its debug file
	mostRanges = 8 << 20          // of the sections with ranges of addresses
	mostTime   = 2 * time.Second  // spent on the DWARF of a file
	mostName   = 16 << 10         // bytes of a name that is demangled
	mostSum    = 256 << 20        // bytes of a debug file whose checksum is computed
	mostHeads  = 1 << 16          // program headers and sections
	demangled  = 12               // the most characters of a demangled name, as a power of 2
	debugRoot  = "/usr/lib/debug" // where systems keep debug files
)

// Frame is a place in a program: a function, and a line in it. File is empty where only the function is known.
type Frame struct {
	Function, File string
	Line           int
}

// Binary tells what addresses of an ELF file belong to. It is not safe for concurrent use.
type Binary struct {
	loads   []load
	symbols symbols
	dwarf   *debug // nil if there is none
}

// load is a part of the file that is mapped, in bytes.
type load struct {
	offset, size, address uint64
	runs                  bool // holds code
}

// Opener opens a file by its absolute path, as the program sees it.
type Opener func(path string) (*os.File, error)

// Open reads the file at path, and its debug file where DWARF is not in it: by its build ID below /usr/lib/debug/.build-id,
// or by its .gnu_debuglink. See "Debugging Information in Separate Files" in the manual of gdb. It fails if the file is no
// ELF file of 64 bits; what else is wrong with it, or too large, is left out.
func Open(path string, open Opener) (b *Binary, err error) {
	defer func() {
		if cause := recover(); cause != nil { // debug/elf trusts what it reads
			b, err = nil, fmt.Errorf("%s: %v", path, cause)
		}
	}()
	file, err := open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return read(path, file, open)
}

func read(path string, file io.ReaderAt, open Opener) (*Binary, error) {
	e, err := newELF(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	b := &Binary{}
	for _, p := range e.Progs {
		if p.Type == elf.PT_LOAD {
			b.loads = append(b.loads, load{p.Off, p.Filesz, p.Vaddr, p.Flags&elf.PF_X != 0})
		}
	}
	budget := uint64(mostBytes)
	b.symbols = readSymbols(e, &budget)
	b.dwarf = readDWARF(e, b.runs, &budget)
	if b.dwarf != nil {
		return b, nil
	}
	for _, candidate := range debugFiles(path, e) {
		if b.readSeparate(e, candidate, open, &budget) {
			break
		}
	}
	return b, nil
}

// newELF reads the headers of an ELF file of 64 bits.
func newELF(file io.ReaderAt) (*elf.File, error) {
	e, err := elf.NewFile(file)
	if err != nil {
		return nil, err
	}
	if e.Class != elf.ELFCLASS64 || len(e.Sections) > mostHeads || len(e.Progs) > mostHeads {
		return nil, errors.New("expected an ELF file of 64 bits")
	}
	return e, nil
}

// readSeparate reads a debug file, and returns true if it belongs to the program e.
func (b *Binary) readSeparate(e *elf.File, path string, open Opener, budget *uint64) bool {
	file, err := open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	separate, err := newELF(file)
	if err != nil || !belongs(e, separate, file) {
		return false
	}
	if found := readSymbols(separate, budget); len(found.all) > len(b.symbols.all) {
		b.symbols = found
	}
	b.dwarf = readDWARF(separate, b.runs, budget)
	return b.dwarf != nil
}

// runs is true for the address of code.
func (b *Binary) runs(address uint64) bool {
	return slices.ContainsFunc(b.loads, func(l load) bool {
		return l.runs && address >= l.address && address-l.address < l.size
	})
}

// Frames tells what the instruction at an offset in the file belongs to: the innermost function first, then those that it
// was put into by the compiler. It is empty if nothing is known. An address on a stack is that after the call.
func (b *Binary) Frames(offset uint64) []Frame {
	at := slices.IndexFunc(b.loads, func(l load) bool { return offset >= l.offset && offset-l.offset < l.size })
	if at < 0 {
		return nil
	}
	address := offset - b.loads[at].offset + b.loads[at].address
	var frames []Frame
	if b.dwarf != nil {
		frames = b.dwarf.frames(address)
	}
	symbol := readable(b.symbols.at(address))
	if len(frames) == 0 && symbol != "" {
		return []Frame{{Function: symbol}}
	}
	if last := len(frames) - 1; last >= 0 && frames[last].Function == "" {
		frames[last].Function = symbol
	}
	return slices.DeleteFunc(frames, func(f Frame) bool { return f.Function == "" })
}

// clone is what compilers append to the name of a part or copy of a function.
var clone = regexp.MustCompile(`(\.(cold|part|isra|constprop|lto_priv|llvm|localalias)(\.\d+)*)+$`)

// readable is a name of C++ or Rust demangled without the types of parameters, and any other as it is.
func readable(name string) string {
	if len(name) > mostName {
		return ""
	}
	name, _, _ = strings.Cut(name, "@") // the version of a dynamic symbol
	name = clone.ReplaceAllString(name, "")
	plain, err := demangle.ToString(name, demangle.NoParams, demangle.NoEnclosingParams, demangle.NoTemplateParams,
		demangle.NoClones, demangle.MaxLength(demangled))
	if err != nil {
		return name
	}
	return plain
}
