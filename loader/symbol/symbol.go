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
	mostBytes  = 64 << 20         // of the sections that are read, of all files
	mostRanges = 8 << 20          // of the sections with ranges of addresses
	mostTime   = 2 * time.Second  // of a processor, spent on DWARF of all files
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

// Files are the ELF files of a server. What is read of all of them together is limited to 64 MiB and 2 s of processor time:
// files that come when that is used up have no symbols, or functions without lines. It is not safe for concurrent use.
type Files struct {
	bytes uint64
	left  time.Duration
}

// NewFiles returns Files of which nothing was read.
func NewFiles() *Files { return &Files{bytes: mostBytes, left: mostTime} }

// Binary tells what addresses of an ELF file belong to.
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
// ELF file of 64 bits; what else is wrong with it, or too large, is left out. Without lines, functions are named by the
// symbol table alone.
func (f *Files) Open(path string, lines bool, open Opener) (b *Binary, err error) {
	err = reading(path, open, func(file io.ReaderAt) error {
		b, err = f.read(path, file, lines, open)
		return err
	})
	return b, err
}

// reading calls read with a file, and fails where that panics: debug/elf trusts what it reads.
func reading(path string, open Opener, read func(io.ReaderAt) error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("%s: %v", path, cause)
		}
	}()
	file, err := open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return read(file)
}

// Variables tells where the variables of those names are in memory, in bytes after the first byte of the file. Those that
// .symtab does not have are left out. It fails as Open does, and if the first byte is not in memory.
func (f *Files) Variables(path string, open Opener, names ...string) (places map[string]uint64, err error) {
	err = reading(path, open, func(file io.ReaderAt) error {
		places, err = f.variables(path, file, names)
		return err
	})
	return places, err
}

func (f *Files) variables(path string, file io.ReaderAt, names []string) (map[string]uint64, error) {
	e, err := newELF(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	first := slices.IndexFunc(e.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_LOAD && p.Off == 0 })
	if first < 0 {
		return nil, fmt.Errorf("%s: its first byte is not loaded", path)
	}
	places := make(map[string]uint64)
	all := readTable(e, ".symtab", ".strtab", &f.bytes, elf.STT_OBJECT)
	for _, one := range all.all {
		if name := all.nameOf(one); slices.Contains(names, name) {
			places[name] = one.address - e.Progs[first].Vaddr
		}
	}
	return places, nil
}

func (f *Files) read(path string, file io.ReaderAt, lines bool, open Opener) (*Binary, error) {
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
	b.symbols = readSymbols(e, &f.bytes)
	if !lines {
		return b, nil
	}
	if b.dwarf = f.readDWARF(e, b.runs); b.dwarf != nil {
		return b, nil
	}
	for _, candidate := range debugFiles(path, e) {
		if f.readSeparate(b, e, candidate, open) {
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

// readSeparate reads the debug file of b, and returns true if it belongs to the program e.
func (f *Files) readSeparate(b *Binary, e *elf.File, path string, open Opener) bool {
	file, err := open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	separate, err := newELF(file)
	if err != nil || !belongs(e, separate, file) {
		return false
	}
	if found := readSymbols(separate, &f.bytes); len(found.all) > len(b.symbols.all) {
		b.symbols = found
	}
	b.dwarf = f.readDWARF(separate, b.runs)
	return b.dwarf != nil
}

// Offset is where the function of that name in the symbol table begins, in bytes of the file; false if there is none.
func (b *Binary) Offset(name string) (uint64, bool) {
	for _, one := range b.symbols.all {
		if b.symbols.nameOf(one) != name {
			continue
		}
		for _, l := range b.loads {
			if one.address >= l.address && one.address-l.address < l.size {
				return one.address - l.address + l.offset, true
			}
		}
	}
	return 0, false
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
