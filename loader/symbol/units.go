package symbol

import (
	"debug/dwarf"
	"slices"
)

const (
	mostAbbreviations = 8 << 20 // bytes of .debug_abbrev
	mostUnits         = 1 << 17
)

// unitRoots returns the offsets of the first entries of all units. It is false if debug/dwarf should not read them: it makes
// room for all units at once, and reads the abbreviations at each offset that a unit tells. See "Unit Headers" of DWARF 5,
// 7.5.1.
func unitRoots(info, abbreviations []byte, order byteOrder) ([]dwarf.Offset, bool) {
	const skeleton, split = 4, 5 // types of units whose header has an identifier
	var roots []dwarf.Offset
	var tables []uint64
	for r := (reader{rest: info, order: order}); len(r.rest) > 0; {
		length, offset := r.length()
		head := reader{rest: r.take(length), order: order}
		if r.cut || len(roots) >= mostUnits {
			return nil, false
		}
		if version := head.uint(2); version >= 5 {
			kind := head.uint(1)
			head.take(1)
			tables = append(tables, head.uint(offset))
			if kind == skeleton || kind == split {
				head.take(8)
			}
		} else {
			tables = append(tables, head.uint(offset))
			head.take(1)
		}
		if !head.cut {
			roots = append(roots, dwarf.Offset(len(info)-len(r.rest)-len(head.rest)))
		}
	}
	slices.Sort(tables)
	return roots, apart(abbreviations, slices.Compact(tables))
}

// apart is true if tables of abbreviations do not have the same bytes over and over. See "Abbreviations Tables" of DWARF 5,
// 7.5.3.
func apart(abbreviations []byte, tables []uint64) bool {
	const constant = 0x21 // DW_FORM_implicit_const, whose value follows
	left := 2 * len(abbreviations)
	for _, at := range tables {
		if at > uint64(len(abbreviations)) {
			return false
		}
		r := reader{rest: abbreviations[at:]}
		for r.uleb() != 0 && !r.cut {
			r.uleb() // the tag
			r.take(1)
			for {
				attribute, form := r.uleb(), r.uleb()
				if form == constant {
					r.uleb()
				}
				if attribute == 0 && form == 0 || r.cut {
					break
				}
			}
			if len(abbreviations)-int(at)-len(r.rest) > left {
				return false
			}
		}
		left -= len(abbreviations) - int(at) - len(r.rest)
	}
	return true
}
