package symbol

import (
	"cmp"
	"debug/dwarf"
	"debug/elf"
	"slices"
	"syscall"
	"time"
)

const (
	mostHops      = 8       // from an inlined copy of a function to its declaration
	mostDeep      = 256     // functions that were put into each other
	mostScopes    = 1 << 12 // namespaces, types and functions in each other
	mostFunctions = 1 << 19 // of a unit
	mostRows      = 1 << 20
	checked       = 256 // entries between two looks at the clock
	nearby        = 64  // ranges of units that may begin in another
)

// debug is the DWARF of a file. Entries are walked by this package: dwarf.Reader.SkipChildren recurses, and
// dwarf.LineReader.SeekPC expects one sequence of addresses, where C++ has one for each inline function.
type debug struct {
	data  *dwarf.Data
	lines []byte // .debug_line
	order byteOrder
	runs  func(address uint64) bool
	units []unit
	spans []span // of units, by low
	of    *Files
	began time.Duration // processor time at which the current call began
	until time.Time     // when it may have used up the time
	rows  int           // of all units whose lines have been read
	// broken is true once debug/dwarf has panicked.
	broken bool
}

// unit is a compilation unit.
type unit struct {
	root      *dwarf.Entry
	functions []span                  // by low; nil if they were not read yet
	scopes    map[dwarf.Offset]string // of functions without a linkage name: "store::"
	copies    map[dwarf.Offset][]span // of other functions, by the function that they were put into
	read      bool
	table     *table // of lines; nil if it was not read yet
}

// span is a range of addresses, and what it belongs to: the number of a unit, or the offset of a function.
type span struct {
	low, high uint64
	of        uint64
}

// readDWARF reads the sections; nil if the file has none, or they are too large.
func (f *Files) readDWARF(e *elf.File, runs func(uint64) bool) *debug {
	budget := &f.bytes
	info := section(e, ".debug_info", mostBytes, budget)
	abbreviations := section(e, ".debug_abbrev", mostAbbreviations, budget)
	roots, sane := unitRoots(info, abbreviations, e.ByteOrder)
	if !sane || len(roots) == 0 {
		return nil
	}
	d := &debug{lines: section(e, ".debug_line", mostBytes, budget), order: e.ByteOrder, runs: runs, of: f}
	defer d.limit()()
	ranges := section(e, ".debug_ranges", mostRanges, budget)
	data, err := dwarf.New(abbreviations, nil, nil, info, d.lines, nil, ranges, section(e, ".debug_str", mostBytes, budget))
	if err != nil {
		return nil
	}
	d.data = data
	for _, name := range []string{".debug_addr", ".debug_line_str", ".debug_str_offsets", ".debug_rnglists"} {
		most := uint64(mostBytes)
		if name == ".debug_rnglists" {
			most = mostRanges
		}
		if content := section(e, name, most, budget); content != nil && data.AddSection(name, content) != nil {
			return nil
		}
	}
	d.readUnits(roots)
	return d
}

// limit begins a call that ends when the time for all files is used up. The function that it returns ends the call.
func (d *debug) limit() func() {
	d.began = processorTime()
	d.until = time.Now().Add(d.of.left)
	return func() { d.of.left -= processorTime() - d.began }
}

// late is true when the time is used up. The clock tells when it may be: a busy machine makes it run faster.
func (d *debug) late() bool {
	now := time.Now()
	if now.Before(d.until) {
		return false
	}
	left := d.of.left - (processorTime() - d.began)
	d.until = now.Add(left)
	return left <= 0
}

// processorTime is what this program has used.
func processorTime() time.Duration {
	var used syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &used) // fails for a wrong argument alone
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// readUnits finds the units and the addresses that they have.
func (d *debug) readUnits(roots []dwarf.Offset) {
	entries := d.data.Reader()
	for _, at := range roots {
		if d.late() {
			break
		}
		entries.Seek(at)
		root, err := entries.Next()
		if err != nil || root == nil {
			continue
		}
		for _, r := range d.ranges(root) {
			d.spans = append(d.spans, span{r[0], r[1], uint64(len(d.units))})
		}
		d.units = append(d.units, unit{root: root})
	}
	sortSpans(d.spans)
}

// ranges are the addresses of an entry that are code; none when it is late. Functions that the linker has left out are at 0.
func (d *debug) ranges(e *dwarf.Entry) [][2]uint64 {
	if d.late() {
		return nil
	}
	all, err := d.data.Ranges(e)
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(all, func(r [2]uint64) bool { return r[0] >= r[1] || !d.runs(r[0]) })
}

func sortSpans(all []span) {
	slices.SortFunc(all, func(a, b span) int { return cmp.Or(cmp.Compare(a.low, b.low), cmp.Compare(b.high, a.high)) })
}

// find returns what an address belongs to: of several spans, that which begins last.
func find(all []span, address uint64) (uint64, bool) {
	after, _ := slices.BinarySearchFunc(all, address, func(s span, address uint64) int {
		if s.low > address {
			return 1
		}
		return -1
	})
	for _, s := range slices.Backward(all[max(0, after-nearby):after]) {
		if address < s.high {
			return s.of, true
		}
	}
	return 0, false
}

// frames are the functions at an address, the innermost first; the name of the last is empty where DWARF has none.
func (d *debug) frames(address uint64) (frames []Frame) {
	if d.of.left <= 0 || d.broken {
		return nil
	}
	defer d.limit()()
	defer func() {
		if recover() != nil { // debug/dwarf trusts what it reads
			d.broken, frames = true, nil
		}
	}()
	number, found := find(d.spans, address)
	if !found {
		return nil
	}
	u := &d.units[number]
	d.readFunctions(u)
	at, found := find(u.functions, address)
	if !found {
		return nil
	}
	chain := d.chain(u, dwarf.Offset(at), address)
	file, line := d.tableOf(u).at(address)
	for n, e := range slices.Backward(chain) {
		frames = append(frames, Frame{Function: d.name(u, e), File: file, Line: line})
		if n > 0 {
			call, _ := e.Val(dwarf.AttrCallFile).(int64)
			at, _ := e.Val(dwarf.AttrCallLine).(int64)
			file, line = d.tableOf(u).file(call), int(at)
		}
	}
	return frames
}

// readFunctions finds the functions of a unit, in namespaces and types as well.
func (d *debug) readFunctions(u *unit) {
	if u.read {
		return
	}
	u.read = true
	u.scopes, u.copies = make(map[dwarf.Offset]string), make(map[dwarf.Offset][]span)
	entries := d.data.Reader()
	entries.Seek(u.root.Offset)
	var scopes []string // of the entries that the walk is in
	for n := 0; ; n++ {
		e, err := entries.Next()
		if err != nil || e == nil || n%checked == 0 && d.late() {
			break
		}
		switch e.Tag {
		case 0:
			scopes = scopes[:max(0, len(scopes)-1)]
		case dwarf.TagSubprogram: // a lambda is inside the function that it is in
			for _, r := range d.ranges(e) {
				u.functions = append(u.functions, span{r[0], r[1], uint64(e.Offset)})
			}
			if scope := scopes[max(0, len(scopes)-1):]; len(scope) > 0 && scope[0] != "" && e.Val(dwarf.AttrLinkageName) == nil {
				u.scopes[e.Offset] = scope[0]
			}
			if e.Children {
				scopes = append(scopes, scopeOf(scopes, e))
			}
		case dwarf.TagCompileUnit, dwarf.TagPartialUnit, dwarf.TagNamespace, dwarf.TagModule, dwarf.TagStructType, dwarf.TagClassType,
			dwarf.TagUnionType, dwarf.TagLexDwarfBlock:
			if e.Children {
				scopes = append(scopes, scopeOf(scopes, e))
			}
		default:
			d.skip(entries, e)
		}
		if len(scopes) == 0 || len(scopes) > mostScopes || len(u.functions)+len(u.scopes) > mostFunctions {
			break
		}
	}
	sortSpans(u.functions)
}

// scopeOf is what stands before the names in an entry: "store::" in a namespace.
func scopeOf(around []string, e *dwarf.Entry) string {
	const most = 1 << 10
	scope := ""
	if len(around) > 0 {
		scope = around[len(around)-1]
	}
	name, _ := e.Val(dwarf.AttrName).(string)
	switch {
	case e.Tag == dwarf.TagCompileUnit, e.Tag == dwarf.TagPartialUnit, e.Tag == dwarf.TagLexDwarfBlock, len(scope) > most:
		return scope
	case name == "" && e.Tag == dwarf.TagNamespace:
		name = "(anonymous namespace)"
	case name == "":
		return scope
	}
	return scope + name[:min(len(name), most)] + "::"
}

// skip passes what is below an entry.
func (d *debug) skip(entries *dwarf.Reader, e *dwarf.Entry) {
	if !e.Children {
		return
	}
	if next, ok := e.Val(dwarf.AttrSibling).(dwarf.Offset); ok && next > e.Offset {
		entries.Seek(next)
		return
	}
	for depth, n := 1, 1; depth > 0; n++ {
		below, err := entries.Next()
		switch {
		case err != nil || below == nil || n%checked == 0 && d.late():
			return
		case below.Tag == 0:
			depth--
		case below.Children:
			depth++
		}
	}
}

// chain returns the function, and the copies of others in it that have the address, the outermost first.
func (d *debug) chain(u *unit, function dwarf.Offset, address uint64) []*dwarf.Entry {
	copies, known := u.copies[function]
	if !known {
		copies = d.readCopies(function)
		u.copies[function] = copies
	}
	offsets := []dwarf.Offset{function}
	for _, c := range copies {
		if address >= c.low && address < c.high && len(offsets) < mostDeep {
			offsets = append(offsets, dwarf.Offset(c.of))
		}
	}
	var chain []*dwarf.Entry
	entries := d.data.Reader()
	for _, at := range offsets {
		entries.Seek(at)
		e, err := entries.Next()
		if err != nil || e == nil {
			break
		}
		chain = append(chain, e)
	}
	return chain
}

// readCopies finds the functions that were put into a function, the outer ones first.
func (d *debug) readCopies(function dwarf.Offset) []span {
	entries := d.data.Reader()
	entries.Seek(function)
	e, err := entries.Next()
	if err != nil || e == nil || !e.Children {
		return nil
	}
	var copies []span
	for depth := 1; depth > 0 && len(copies) < mostFunctions; {
		e, err := entries.Next()
		if err != nil || e == nil || d.late() {
			break
		}
		switch e.Tag {
		case 0:
			depth--
		case dwarf.TagInlinedSubroutine, dwarf.TagLexDwarfBlock:
			if e.Tag == dwarf.TagInlinedSubroutine {
				for _, r := range d.ranges(e) {
					copies = append(copies, span{r[0], r[1], uint64(e.Offset)})
				}
			}
			if e.Children {
				depth++
			}
		default:
			d.skip(entries, e)
		}
	}
	return copies
}

// name is the name of a function, demangled, which may be with its declaration; empty if it has none here.
func (d *debug) name(u *unit, e *dwarf.Entry) string {
	entries := d.data.Reader()
	plain := ""
	for range mostHops {
		if linked, ok := e.Val(dwarf.AttrLinkageName).(string); ok && linked != "" {
			return readable(linked)
		}
		if told, ok := e.Val(dwarf.AttrName).(string); ok && plain == "" {
			plain = u.scopes[e.Offset] + told
		}
		next, ok := e.Val(dwarf.AttrAbstractOrigin).(dwarf.Offset)
		if !ok {
			next, ok = e.Val(dwarf.AttrSpecification).(dwarf.Offset)
		}
		if !ok {
			break
		}
		entries.Seek(next)
		declared, err := entries.Next()
		if err != nil || declared == nil {
			break
		}
		e = declared
	}
	return plain
}
