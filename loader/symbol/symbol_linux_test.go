package symbol

import (
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// needs skips the test without tools, or fails it if LEAKLAB_REQUIRE_SERVERS is set.
func needs(t testing.TB, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err == nil {
			continue
		}
		if os.Getenv("LEAKLAB_REQUIRE_SERVERS") != "" {
			t.Fatalf("needs %s", tool)
		}
		t.Skipf("needs %s", tool)
	}
}

func run(t testing.TB, name string, arguments ...string) {
	t.Helper()
	output, err := exec.Command(name, arguments...).CombinedOutput()
	require.NoError(t, err, "%s", output)
}

// compile builds testdata/inline.cc.
func compile(t testing.TB, flags ...string) string {
	t.Helper()
	needs(t, "g++")
	program := filepath.Join(t.TempDir(), "inline")
	run(t, "g++", append(flags, "-std=c++17", "-o", program, "testdata/inline.cc")...)
	return program
}

func open(path string) (*os.File, error) { return os.Open(path) }

// below opens files below a folder, as if it were the root.
func below(root string) Opener {
	return func(path string) (*os.File, error) { return os.Open(filepath.Join(root, path)) }
}

// function is a function of a program.
type function struct {
	name            string
	address, offset uint64
	size            uint64
}

// functions lists those of a program with symbols, in its own code.
func functions(t testing.TB, program string) []function {
	t.Helper()
	file, err := elf.Open(program)
	require.NoError(t, err)
	defer file.Close()
	listed, err := file.Symbols()
	require.NoError(t, err)
	text := file.Section(".text")
	var all []function
	for _, s := range listed {
		if elf.ST_TYPE(s.Info) == elf.STT_FUNC && s.Size > 8 && s.Value >= text.Addr && s.Value < text.Addr+text.Size {
			all = append(all, function{s.Name, s.Value, s.Value - text.Addr + text.Offset, s.Size})
		}
	}
	require.NotEmpty(t, all)
	return all
}

// find returns the function of that name.
func (all functionList) find(t testing.TB, name string) function {
	t.Helper()
	for _, f := range all {
		if f.name == name {
			return f
		}
	}
	t.Fatalf("no function %s", name)
	return function{}
}

type functionList []function

// addr2line asks GNU addr2line for the files and lines at addresses.
func addr2line(t *testing.T, program string, addresses []uint64) [][]string {
	t.Helper()
	needs(t, "addr2line")
	var input strings.Builder
	for _, address := range addresses {
		fmt.Fprintf(&input, "%x\n", address)
	}
	command := exec.Command("addr2line", "-a", "-i", "-e", program)
	command.Stdin = strings.NewReader(input.String())
	output, err := command.Output()
	require.NoError(t, err)
	var all [][]string
	for line := range strings.SplitSeq(strings.TrimSpace(string(output)), "\n") {
		if strings.HasPrefix(line, "0x") {
			all = append(all, nil)
			continue
		}
		line, _, _ = strings.Cut(line, " (discriminator ")
		all[len(all)-1] = append(all[len(all)-1], strings.ReplaceAll(line, ":?", ":0"))
	}
	require.Len(t, all, len(addresses))
	return all
}

// The lines and the depth of inlining are those of GNU addr2line, at every fourth byte of all functions, with the formats of
// DWARF that compilers write.
func TestFramesAreThoseOfAddr2line(t *testing.T) {
	for _, flags := range [][]string{{"-O2", "-g"}, {"-O0", "-g"}, {"-O2", "-gdwarf-4"}, {"-O2", "-g", "-gz"}, {"-O2", "-g", "-no-pie", "-static"}, {"-O2", "-g", "-flto", "-ffunction-sections"}} {
		t.Run(strings.Join(flags, " "), func(t *testing.T) {
			program := compile(t, flags...)
			b, err := NewFiles().Open(program, true, open)
			require.NoError(t, err)
			var addresses, offsets []uint64
			for _, f := range functions(t, program) {
				for n := uint64(0); n < f.size && len(addresses) < 3000; n += 4 {
					addresses, offsets = append(addresses, f.address+n), append(offsets, f.offset+n)
				}
			}
			compared, alike := 0, 0
			for n, want := range addr2line(t, program, addresses) {
				if strings.HasPrefix(want[0], "??:") || strings.Contains(want[0], ".o:0") || strings.Contains(want[0], ".c:0") {
					continue // DWARF has nothing of it
				}
				var got []string
				for _, f := range b.Frames(offsets[n]) {
					got = append(got, fmt.Sprintf("%s:%d", f.File, f.Line))
				}
				require.Equal(t, numbers(want), numbers(got), "%#x: %q", addresses[n], want)
				compared++
				if slices.Equal(want, got) {
					alike++
				}
			}
			// Of functions of headers, binutils 2.40 often tells the file of the unit in place of the header.
			assert.Greater(t, compared, 100)
			assert.Greater(t, alike, compared*9/10)
		})
	}
}

// numbers are the line numbers of frames.
func numbers(frames []string) []string {
	var all []string
	for _, f := range frames {
		all = append(all, f[strings.LastIndexByte(f, ':')+1:])
	}
	return all
}

func TestInlinedFunctionsAreNamed(t *testing.T) {
	program := compile(t, "-O2", "-g")
	b, err := NewFiles().Open(program, true, open)
	require.NoError(t, err)
	work := functionList(functions(t, program)).find(t, "_ZN5outer5inner4workEi")
	names := make(map[string]bool)
	for n := range work.size {
		frames := b.Frames(work.offset + n)
		require.NotEmpty(t, frames)
		assert.Equal(t, "outer::inner::work", frames[len(frames)-1].Function)
		for _, f := range frames[:len(frames)-1] {
			names[f.Function] = true
		}
	}
	assert.Contains(t, names, "outer::inner::twice", "it has no linkage name")
	assert.Contains(t, names, "(anonymous namespace)::Hidden::take")
	assert.Contains(t, names, "outer::inner::Box::put")
}

// What is known of plain_c without DWARF, and with a debug file.
func TestDebugFiles(t *testing.T) {
	needs(t, "objcopy", "strip")
	program := compile(t, "-O2", "-g", "-Wl,--build-id=0x0123456789abcdef")
	plain := functionList(functions(t, program)).find(t, "plain_c")
	root := t.TempDir()
	place := func(path string) string {
		require.NoError(t, os.MkdirAll(filepath.Join(root, filepath.Dir(path)), 0o755))
		return filepath.Join(root, path)
	}
	frames := func() []Frame {
		b, err := NewFiles().Open("/srv/server", true, below(root))
		require.NoError(t, err)
		return b.Frames(plain.offset + 5)
	}
	run(t, "strip", "-o", place("/srv/server"), program)
	assert.Empty(t, frames(), "stripped")
	run(t, "strip", "--strip-debug", "-o", place("/srv/server"), program)
	assert.Equal(t, []Frame{{Function: "plain_c"}}, frames(), "the symbol table alone")

	debug := filepath.Join(t.TempDir(), "server.debug")
	run(t, "objcopy", "--only-keep-debug", program, debug)
	content, err := os.ReadFile(debug)
	require.NoError(t, err)
	run(t, "strip", "-o", place("/srv/server"), program)
	byID := "/usr/lib/debug/.build-id/01/23456789abcdef.debug"
	other := compile(t, "-O2", "-g")
	run(t, "objcopy", "--only-keep-debug", other, place(byID))
	assert.Empty(t, frames(), "the debug file of another build")
	require.NoError(t, os.WriteFile(place(byID), content, 0o600))
	require.Len(t, frames(), 1)
	assert.Equal(t, "plain_c", frames()[0].Function)
	assert.Equal(t, 37, frames()[0].Line)
	require.NoError(t, os.Remove(place(byID)))
	assert.Empty(t, frames())

	// By the link. Without a build ID the checksum tells.
	run(t, "objcopy", "--remove-section=.note.gnu.build-id", "--add-gnu-debuglink="+debug, place("/srv/server"))
	for _, path := range []string{"/srv/server.debug", "/srv/.debug/server.debug", "/usr/lib/debug/srv/server.debug"} {
		assert.Empty(t, frames())
		require.NoError(t, os.WriteFile(place(path), content[:len(content)-1], 0o600))
		assert.Empty(t, frames(), "another checksum")
		require.NoError(t, os.WriteFile(place(path), content, 0o600))
		require.Len(t, frames(), 1, path)
		assert.Equal(t, "inline.cc", filepath.Base(frames()[0].File))
		require.NoError(t, os.Remove(place(path)))
	}
}

// What a function is called, and which line it has, whatever the sections of its file are compressed by.
func TestCompressedSections(t *testing.T) {
	needs(t, "objcopy")
	program := compile(t, "-O2", "-g")
	plain := functionList(functions(t, program)).find(t, "plain_c")
	for _, by := range []string{"zlib", "zlib-gnu", "zstd"} {
		compressed := filepath.Join(t.TempDir(), "server")
		run(t, "objcopy", "--compress-debug-sections="+by, program, compressed)
		b, err := NewFiles().Open(compressed, true, open)
		require.NoError(t, err)
		frames := b.Frames(plain.offset + 5)
		require.Len(t, frames, 1, by)
		assert.Equal(t, 37, frames[0].Line, by)
	}
}

// rustc mangles names in two ways.
func TestRustIsNamed(t *testing.T) {
	needs(t, "rustc")
	t.Setenv("RUSTC_BOOTSTRAP", "1") // for the older one
	source := filepath.Join(t.TempDir(), "app.rs")
	require.NoError(t, os.WriteFile(source, []byte(`
mod store {
    pub struct Cache<T>(Vec<T>);
    impl<T: Clone> Cache<T> {
        #[inline(never)]
        pub fn put(&mut self, value: &T) -> usize { self.0.push(value.clone()); self.0.len() }
    }
    pub fn new<T>() -> Cache<T> { Cache(Vec::new()) }
}
fn main() { std::process::exit(store::new::<String>().put(&std::env::args().next().unwrap()) as i32) }
`), 0o600))
	for _, mangling := range []string{"legacy", "v0"} {
		for _, debug := range []string{"-g", "-Cdebuginfo=0"} {
			program := filepath.Join(t.TempDir(), "app")
			run(t, "rustc", "-O", "-Zunstable-options", debug, "-Csymbol-mangling-version="+mangling, "-o", program, source)
			b, err := NewFiles().Open(program, true, open)
			require.NoError(t, err)
			all := functions(t, program)
			at := slices.IndexFunc(all, func(f function) bool { return strings.Contains(f.name, "Cache") && strings.Contains(f.name, "put") })
			require.GreaterOrEqual(t, at, 0)
			frames := b.Frames(all[at].offset)
			require.NotEmpty(t, frames)
			assert.Regexp(t, `^<?app::store::Cache(<T>|<>)?>?::put$`, frames[len(frames)-1].Function, "%s %s", mangling, debug)
			assert.Equal(t, debug == "-g", frames[len(frames)-1].Line > 0)
		}
	}
}

func TestNamesAreReadable(t *testing.T) {
	for name, want := range map[string]string{
		"_ZN5store5CacheIiE3putERKim":                       "store::Cache::put",
		"_ZN5store8rememberEim.cold":                        "store::remember",
		"handle.isra.0.part.3":                              "handle",
		"_ZNSt6vectorIiSaIiEE17_M_realloc_insertIJRKiEEEvv": "std::vector::_M_realloc_insert",
		"_ZNSt":                                 "_ZNSt",
		"_ZN4leak8remember17h9e9b53a40bfb5b27E": "leak::remember",
		"_RNvCs5l0EXMQXRMU_4leak8remember":      "leak::remember",
		"malloc@@GLIBC_2.2.5":                   "malloc",
		"plain.name":                            "plain.name",
		strings.Repeat("a", mostName+1):         "",
	} {
		assert.Equal(t, want, readable(name))
	}
}

// Variables are where nm says, also those that the file has no bytes of.
func TestVariables(t *testing.T) {
	needs(t, "g++", "nm")
	folder := t.TempDir()
	source := filepath.Join(folder, "variables.cc")
	require.NoError(t, os.WriteFile(source, []byte(`int set = 1, zero; int main() { return set + zero; }`), 0o600))
	for _, flag := range []string{"-no-pie", "-pie"} {
		program := filepath.Join(folder, "program"+flag)
		run(t, "g++", flag, "-o", program, source)
		listed, err := exec.Command("nm", program).Output()
		require.NoError(t, err)
		want := make(map[string]uint64)
		for line := range strings.Lines(string(listed)) {
			var address uint64
			var kind, name string
			if _, err := fmt.Sscanf(line, "%x %s %s", &address, &kind, &name); err == nil && slices.Contains([]string{"set", "zero"}, name) {
				want[name] = address
			}
		}
		file, err := elf.Open(program)
		require.NoError(t, err)
		for name := range want {
			want[name] -= file.Progs[slices.IndexFunc(file.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_LOAD })].Vaddr
		}
		require.NoError(t, file.Close())
		found, err := NewFiles().Variables(program, open, "set", "zero", "main", "none")
		require.NoError(t, err)
		assert.Len(t, found, 2)
		assert.Equal(t, want, found)

		run(t, "strip", program)
		found, err = NewFiles().Variables(program, open, "set")
		require.NoError(t, err)
		assert.Empty(t, found)
	}
	_, err := NewFiles().Variables(source, open, "set")
	assert.ErrorContains(t, err, "bad magic number")
}

func TestNoELF(t *testing.T) {
	_, err := NewFiles().Open("/nonexistent", true, open)
	assert.ErrorIs(t, err, os.ErrNotExist)
	for name, content := range map[string]string{"empty": "", "script": "#!/bin/sh\n", "cut": "\x7fELF\x02\x01\x01"} {
		path := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		_, err := NewFiles().Open(path, true, open)
		assert.Error(t, err, name)
	}
}
