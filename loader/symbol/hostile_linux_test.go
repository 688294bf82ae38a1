package symbol

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// small is a program of a few functions with DWARF, without libraries.
func small(t testing.TB, flags ...string) []byte {
	t.Helper()
	needs(t, "gcc")
	folder := t.TempDir()
	source := filepath.Join(folder, "small.c")
	require.NoError(t, os.WriteFile(source, []byte(`
static inline __attribute__((always_inline)) int twice(int n) { return n * n; }
__attribute__((noinline)) int work(int n) { return twice(n) + 1; }
void _start(void) { work(1); }
`), 0o600))
	program := filepath.Join(folder, "small")
	run(t, "gcc", append(flags, "-O1", "-g", "-static", "-nostdlib", "-Wl,-z,noseparate-code", "-o", program, source)...)
	content, err := os.ReadFile(program)
	require.NoError(t, err)
	return content
}

// readAll looks up addresses all over a file.
func readAll(t *testing.T, content []byte) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, content, 0o600))
	_, _ = NewFiles().Variables("/file", below(filepath.Dir(file)), "kept")
	b, err := NewFiles().Open("/file", true, below(filepath.Dir(file)))
	if err != nil {
		return
	}
	for offset := uint64(0); offset < uint64(len(content)); offset += 1 + uint64(len(content))/64 {
		assert.LessOrEqual(t, len(b.Frames(offset)), mostDeep)
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(small(f))
	f.Add(small(f, "-gdwarf-4"))
	f.Add(small(f, "-gz"))
	f.Add(small(f, "-gz=zlib-gnu"))
	f.Fuzz(func(t *testing.T, content []byte) { readAll(t, content) })
}

// A file may be cut anywhere, and have any byte.
func TestBadBytesDoNoHarm(t *testing.T) {
	content := small(t)
	for cut := 0; cut < len(content); cut += 97 {
		readAll(t, content[:cut])
	}
	for at := 0; at < len(content); at += 13 {
		for _, bad := range []byte{0, 0x7f, 0xff} {
			changed := bytes.Clone(content)
			changed[at] = bad
			readAll(t, changed)
		}
	}
}

// sectionHeader is where the header of a section begins in a file.
func sectionHeader(t *testing.T, content []byte, name string) int {
	t.Helper()
	const size = 64
	file, err := elf.NewFile(bytes.NewReader(content))
	require.NoError(t, err)
	table := int(binary.LittleEndian.Uint64(content[0x28:]))
	for n, s := range file.Sections {
		if s.Name == name {
			return table + n*size
		}
	}
	t.Fatalf("no section %s", name)
	return 0
}

// allocated is how many bytes a call has allocated.
func allocated(call func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	call()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestSizesAreNotBelieved(t *testing.T) {
	const size, most = 0x20, 16 << 20
	for _, name := range []string{".debug_info", ".debug_str", ".symtab", ".debug_line"} {
		content := small(t)
		at := sectionHeader(t, content, name)
		binary.LittleEndian.PutUint64(content[at+size:], 1<<40)
		assert.Less(t, allocated(func() { readAll(t, content) }), uint64(most), name)
	}
	old := small(t, "-gz=zlib-gnu")
	unpacked := bytes.Index(old, []byte("ZLIB\x00")) + 4
	require.Greater(t, unpacked, 4)
	binary.BigEndian.PutUint64(old[unpacked:], 1<<40)
	assert.Less(t, allocated(func() { readAll(t, old) }), uint64(most), "of an older format")
	compressed := small(t, "-gz")
	file, err := elf.NewFile(bytes.NewReader(compressed))
	require.NoError(t, err)
	section := file.Section(".debug_info")
	require.NotZero(t, section.Flags&elf.SHF_COMPRESSED)
	binary.LittleEndian.PutUint64(compressed[section.Offset+8:], 1<<40)
	assert.Less(t, allocated(func() { readAll(t, compressed) }), uint64(most))
}

// debug/dwarf makes room for as many files as the head of a table of lines tells.
func TestCountsOfFilesAreNotBelieved(t *testing.T) {
	content := small(t)
	file, err := elf.NewFile(bytes.NewReader(content))
	require.NoError(t, err)
	lines, err := file.Section(".debug_line").Data()
	require.NoError(t, err)
	require.True(t, saneHeader(lines, binary.LittleEndian))
	// Version 5, and the heads of the folders after 13 lengths: one form, which is an offset of 4 bytes.
	require.Equal(t, []byte{5, 0}, lines[4:6])
	folders := 8 + 4 + 6 + 12
	require.Equal(t, []byte{1, 1, 0x1f}, lines[folders:folders+3])
	huge := append(bytes.Clone(lines[:folders+3]), binary.AppendUvarint(nil, 1<<40)...)
	assert.False(t, saneHeader(append(huge, lines[folders+4:]...), binary.LittleEndian))
	for cut := range folders + 8 {
		assert.False(t, saneHeader(lines[:cut], binary.LittleEndian), cut)
	}
}

// debug/dwarf makes room for all units at once, and reads the abbreviations that each tells.
func TestUnitsAreNotBelieved(t *testing.T) {
	order := binary.LittleEndian
	unit := func(table uint32) []byte { // of version 4, with addresses of 8 bytes and no entries
		return append(order.AppendUint32([]byte{7, 0, 0, 0, 4, 0}, table), 8)
	}
	abbreviations := bytes.Repeat([]byte{1, 0x11, 0, 0, 0}, 1000) // 1,000 compilation units without attributes
	roots, sane := unitRoots(append(unit(0), unit(0)...), abbreviations, order)
	assert.True(t, sane)
	assert.Len(t, roots, 2)
	var overlapping []byte
	for n := range uint32(10) {
		overlapping = append(overlapping, unit(5*n)...)
	}
	_, sane = unitRoots(overlapping, abbreviations, order)
	assert.False(t, sane, "ten tables of the same bytes")
	_, sane = unitRoots(unit(1<<20), abbreviations, order)
	assert.False(t, sane, "a table beyond the section")
	_, sane = unitRoots(bytes.Repeat(unit(0), mostUnits+1), abbreviations, order)
	assert.False(t, sane)
	_, sane = unitRoots(unit(0)[:8], abbreviations, order)
	assert.False(t, sane, "cut")
}

// When the time is used up, functions are named by the symbol table.
func TestTimeIsLimited(t *testing.T) {
	program := compile(t, "-O2", "-g")
	plain := functionList(functions(t, program)).find(t, "plain_c")
	files := NewFiles()
	b, err := files.Open(program, true, open)
	require.NoError(t, err)
	require.Positive(t, b.Frames(plain.offset)[0].Line)
	used := mostTime - files.left
	assert.Positive(t, used)
	files.left = 0
	assert.Equal(t, []Frame{{Function: "plain_c"}}, b.Frames(plain.offset))
	files = &Files{bytes: mostBytes}
	b, err = files.Open(program, true, open)
	require.NoError(t, err)
	assert.Equal(t, []Frame{{Function: "plain_c"}}, b.Frames(plain.offset))
	files = &Files{left: mostTime}
	b, err = files.Open(program, true, open)
	require.NoError(t, err)
	assert.Empty(t, b.Frames(plain.offset), "nothing may be read")
}
