package symbol

import (
	"bytes"
	"cmp"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"io"
	"path"
	"slices"
	"strings"
)

// section returns what a section holds, decompressed, and takes its size from the budget; nil if it is absent, has more
// than most bytes, or is cut.
func section(e *elf.File, name string, most uint64, budget *uint64) []byte {
	s := e.Section(name)
	if s == nil {
		if s = e.Section(".z" + strings.TrimPrefix(name, ".")); s != nil { // GNU's older format: ".zdebug_info"
			s.Open() // sets Size to that of what it holds
		}
	}
	if s == nil || s.Type == elf.SHT_NOBITS || s.Size > most || s.Size > *budget {
		return nil
	}
	content, err := s.Data()
	if err != nil {
		return nil
	}
	*budget -= s.Size
	return content
}

// symbols are the functions of a symbol table, or its variables, by address.
type symbols struct {
	all   []symbol
	names []byte
}

type symbol struct {
	address, size uint64
	name          uint32 // where it begins in names
}

// readSymbols reads .symtab, or .dynsym if the program has been stripped.
func readSymbols(e *elf.File, budget *uint64) symbols {
	if all := readTable(e, ".symtab", ".strtab", budget, elf.STT_FUNC, elf.STT_GNU_IFUNC); len(all.all) > 0 {
		return all
	}
	return readTable(e, ".dynsym", ".dynstr", budget, elf.STT_FUNC, elf.STT_GNU_IFUNC)
}

// readTable reads records of 24 bytes: Elf64_Sym of elf(5). It keeps those of the kinds.
func readTable(e *elf.File, table, names string, budget *uint64, kinds ...elf.SymType) symbols {
	const record = 24
	content := section(e, table, mostBytes, budget)
	found := symbols{names: section(e, names, mostBytes, budget)}
	for ; len(content) >= record; content = content[record:] {
		one := symbol{
			name:    e.ByteOrder.Uint32(content),
			address: e.ByteOrder.Uint64(content[8:]), size: e.ByteOrder.Uint64(content[16:]),
		}
		defined := elf.SectionIndex(e.ByteOrder.Uint16(content[6:])) != elf.SHN_UNDEF
		if defined && slices.Contains(kinds, elf.ST_TYPE(content[4])) && int(one.name) < len(found.names) {
			found.all = append(found.all, one)
		}
	}
	slices.SortFunc(found.all, func(a, b symbol) int {
		return cmp.Or(cmp.Compare(a.address, b.address), cmp.Compare(a.size, b.size), cmp.Compare(b.name, a.name))
	})
	return found
}

// at returns the name of the function at an address, as it is in the table; empty if there is none.
func (s symbols) at(address uint64) string {
	after, _ := slices.BinarySearchFunc(s.all, address, func(one symbol, address uint64) int {
		if one.address > address {
			return 1
		}
		return -1
	})
	if after == 0 {
		return ""
	}
	one := s.all[after-1]
	if one.size > 0 && address-one.address >= one.size {
		return ""
	}
	return s.nameOf(one)
}

func (s symbols) nameOf(one symbol) string {
	rest := s.names[one.name:]
	name, _, _ := bytes.Cut(rest[:min(len(rest), mostName+1)], []byte{0})
	return string(name)
}

// buildID is what the linker has put into the file to tell it from others; nil if there is none.
func buildID(e *elf.File) []byte {
	const most, head = 1 << 10, 16 // "GNU\0" follows three figures: sizes of the name and of the rest, and the type
	budget := uint64(most)
	note := section(e, ".note.gnu.build-id", most, &budget)
	if len(note) <= head || !bytes.Equal(note[12:head], []byte("GNU\x00")) {
		return nil
	}
	size := e.ByteOrder.Uint32(note[4:])
	if uint64(size) > uint64(len(note)-head) {
		return nil
	}
	return note[head : head+size]
}

// debugLink is the name of the debug file and its CRC-32; empty if the program names none.
func debugLink(e *elf.File) (string, uint32) {
	const most = 4 << 10
	budget := uint64(most)
	content := section(e, ".gnu_debuglink", most, &budget)
	name, _, found := bytes.Cut(content, []byte{0})
	if !found || len(content) < len(name)+5 {
		return "", 0
	}
	return path.Base(string(name)), e.ByteOrder.Uint32(content[len(content)-4:])
}

// debugFiles are the paths at which the debug file of a program may be.
func debugFiles(program string, e *elf.File) []string {
	var all []string
	if id := hex.EncodeToString(buildID(e)); len(id) > 2 {
		all = append(all, debugRoot+"/.build-id/"+id[:2]+"/"+id[2:]+".debug")
	}
	if name, _ := debugLink(e); name != "" && name != "/" && name != "." {
		folder := path.Dir(program)
		all = append(all, path.Join(folder, name), path.Join(folder, ".debug", name), path.Join(debugRoot, folder, name))
	}
	return all
}

// belongs is true if a debug file has the build ID of the program, or the checksum that the program tells if it has none.
func belongs(program, separate *elf.File, content io.ReaderAt) bool {
	if id := buildID(program); id != nil {
		return bytes.Equal(id, buildID(separate))
	}
	_, want := debugLink(program)
	sum := crc32.NewIEEE()
	size, err := io.Copy(sum, io.NewSectionReader(content, 0, mostSum))
	return err == nil && size < mostSum && sum.Sum32() == want
}

// reader takes figures off the front of a section. Once bytes are missing it is cut, and all figures are 0.
type reader struct {
	rest  []byte
	order binary.ByteOrder
	cut   bool
}

func (r *reader) take(size uint64) []byte {
	if size > uint64(len(r.rest)) {
		r.rest, r.cut = nil, true
		return nil
	}
	taken := r.rest[:size]
	r.rest = r.rest[size:]
	return taken
}

// uint returns an unsigned figure of 1, 2, 4 or 8 bytes.
func (r *reader) uint(size uint64) uint64 {
	taken := r.take(size)
	switch {
	case taken == nil:
		return 0
	case size == 1:
		return uint64(taken[0])
	case size == 2:
		return uint64(r.order.Uint16(taken))
	case size == 4:
		return uint64(r.order.Uint32(taken))
	default:
		return r.order.Uint64(taken)
	}
}

// uleb returns a figure in LEB128.
func (r *reader) uleb() uint64 {
	value, size := binary.Uvarint(r.rest)
	if size <= 0 {
		r.rest, r.cut = nil, true
		return 0
	}
	r.rest = r.rest[size:]
	return value
}

// length returns the length of a unit, and the size of offsets in it: 4, or 8 in DWARF of 64 bits.
func (r *reader) length() (length, offset uint64) {
	const wide = 0xffffffff
	if length = r.uint(4); length != wide {
		return length, 4
	}
	return r.uint(8), 8
}
