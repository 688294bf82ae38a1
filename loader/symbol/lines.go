package symbol

import (
	"bytes"
	"cmp"
	"debug/dwarf"
	"encoding/binary"
	"path"
	"slices"
)

const (
	mostHeader  = 1 << 20  // bytes of the head of a table of lines, which names files
	mostProgram = 16 << 20 // bytes of a table of lines
	mostFiles   = 1 << 18
)

type byteOrder = binary.ByteOrder

// table has the lines of a unit, by address.
type table struct {
	folder string // in which the unit was compiled
	rows   []row
	files  []*dwarf.LineFile
}

// row begins a range of addresses that belong to a line.
type row struct {
	address uint64
	file    *dwarf.LineFile
	line    int
	end     bool // the addresses that follow belong to no line
}

// tableOf returns the lines of a unit. It forgets those of others if all would have more than mostRows.
func (d *debug) tableOf(u *unit) *table {
	if u.table == nil {
		u.table = d.readTable(u)
		d.rows += len(u.table.rows)
	}
	if d.rows > mostRows && len(u.table.rows) < d.rows {
		for n := range d.units {
			if other := &d.units[n]; other != u {
				other.table = nil
			}
		}
		d.rows = len(u.table.rows)
	}
	return u.table
}

// readTable reads the lines of a unit, up to mostRows.
func (d *debug) readTable(u *unit) *table {
	t := &table{}
	t.folder, _ = u.root.Val(dwarf.AttrCompDir).(string)
	at, ok := u.root.Val(dwarf.AttrStmtList).(int64)
	if !ok || at < 0 || at > int64(len(d.lines)) || !saneHeader(d.lines[at:], d.order) {
		return t
	}
	lines, err := d.data.LineReader(u.root)
	if err != nil || lines == nil {
		return t
	}
	var one dwarf.LineEntry
	sequence := 0 // where the current one begins in rows
	for n := 0; len(t.rows) < mostRows && lines.Next(&one) == nil; n++ {
		if n%checked == 0 && d.late() {
			break
		}
		t.rows = append(t.rows, row{one.Address, one.File, one.Line, one.EndSequence})
		if one.EndSequence {
			if !d.runs(t.rows[sequence].address) {
				t.rows = t.rows[:sequence] // the linker has left it out
			}
			sequence = len(t.rows)
		}
	}
	slices.SortStableFunc(t.rows, func(a, b row) int {
		if a.address == b.address && a.end != b.end { // a sequence ends where the next begins
			if a.end {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.address, b.address)
	})
	t.files = lines.Files()
	return t
}

// at returns the file and line of an address; empty and 0 if it has none.
func (t *table) at(address uint64) (file string, line int) {
	after, _ := slices.BinarySearchFunc(t.rows, address, func(r row, address uint64) int {
		if r.address > address {
			return 1
		}
		return -1
	})
	if after == 0 || t.rows[after-1].end || t.rows[after-1].file == nil {
		return "", 0
	}
	return t.path(t.rows[after-1].file.Name), t.rows[after-1].line
}

// file is the name of a file by its number in DWARF; empty if there is none.
func (t *table) file(number int64) string {
	if number < 0 || number >= int64(len(t.files)) || t.files[number] == nil {
		return ""
	}
	return t.path(t.files[number].Name)
}

// path is the name of a file, which may be relative to where the unit was compiled.
func (t *table) path(name string) string {
	if path.IsAbs(name) || name == "" {
		return name
	}
	return path.Join(t.folder, name)
}

// saneHeader is true if a table of lines tells sizes and counts that are possible: dwarf.LineReader makes room for as many
// files as it is told. See "The Line Number Program Header" of DWARF 5, 6.2.4.
func saneHeader(lines []byte, order byteOrder) bool {
	r := reader{rest: lines, order: order}
	length, offset := r.length()
	if length > mostProgram {
		return false
	}
	version := r.uint(2)
	if version >= 5 {
		r.take(2) // sizes of addresses and of segments
	}
	size := r.uint(offset)
	if size > mostHeader || r.cut {
		return false
	}
	head := reader{rest: r.take(size), order: order}
	if r.cut || version < 5 {
		return !r.cut // it names each file in place
	}
	head.take(5)
	opcodes := head.uint(1)
	head.take(max(opcodes, 1) - 1)
	for range 2 { // folders, then files
		var forms []uint64
		for range head.uint(1) {
			head.uleb() // what it tells of a file
			forms = append(forms, head.uleb())
		}
		count := head.uleb()
		if head.cut || count > mostFiles || len(forms) == 0 && count > 0 {
			return false
		}
		for range count {
			for _, form := range forms {
				head.skip(form, offset)
			}
			if head.cut {
				return false
			}
		}
	}
	return true
}

// skip passes a value of a form that DWARF 5 allows for the name, folder, time, size or checksum of a file.
func (r *reader) skip(form, offset uint64) {
	const (
		data2, data4, data8, text, block, data1, strp = 0x05, 0x06, 0x07, 0x08, 0x09, 0x0b, 0x0e
		udata, data16, lineStrp                       = 0x0f, 0x1e, 0x1f
	)
	switch form {
	case text:
		end := bytes.IndexByte(r.rest, 0)
		r.take(uint64(end + 1))
		r.cut = r.cut || end < 0
	case block:
		r.take(r.uleb())
	case udata:
		r.uleb()
	case strp, lineStrp:
		r.take(offset)
	case data1:
		r.take(1)
	case data2:
		r.take(2)
	case data4:
		r.take(4)
	case data8:
		r.take(8)
	case data16:
		r.take(16)
	default:
		r.rest, r.cut = nil, true
	}
}
