package live

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// buildNative compiles testdata/sites/native/leak.cc or leak.rs.
func buildNative(t *testing.T, compiler string, arguments ...string) string {
	t.Helper()
	needs(t, compiler)
	program := filepath.Join(t.TempDir(), "server")
	output, err := exec.Command(compiler, append(arguments, "-o", program)...).CombinedOutput()
	require.NoError(t, err, "%s", output)
	return program
}

// planted is where a planted leak is.
type planted struct {
	function, source string
	objects          int // for each request
}

// profiler is how a planted server is started and asked. within is the part by which what it tells may be off, and clean
// the bytes per request by which a site of the clean twin may differ.
type profiler struct {
	runtime       runtime
	environment   func(t *testing.T, folder string) []string
	within, clean float64
}

func withTCMalloc() profiler { return profiler{tcmalloc(), tcmallocIn, 0.05, 1} }

// findPlanted runs a planted server with a heap profiler for each of its leaks, and expects each at its place, and none in
// its clean twin.
func findPlanted(t *testing.T, program string, size int, by profiler, leaks map[string]planted) {
	for leak, want := range leaks {
		t.Run(leak, func(t *testing.T) {
			folder := t.TempDir()
			environment := append(by.environment(t, folder), "LEAK="+leak, fmt.Sprint("LEAK_BYTES=", size))
			p, address := startPlanted(t, program, environment...)
			p = processOf(t, p.PID)
			o, err := by.runtime.open(t.Context(), p, Options{Kind: by.runtime.kind, Folder: folder})
			require.NoError(t, err)
			t.Cleanup(func() { assert.NoError(t, o.close(context.Background())) })
			sites := growth(t, o, address, 3, 200)
			if want.function == "" {
				for _, site := range sites {
					assert.LessOrEqual(t, site.bytes, by.clean, "%+v", site)
				}
				return
			}
			require.NotEmpty(t, sites)
			first := sites[0]
			assert.Equal(t, want.function, first.Function, "%+v", first)
			assert.InEpsilon(t, size, first.bytes, by.within)
			if exact := by.within < 0.1; exact || want.objects == 1 { // samples see few of the small objects beside a large one
				assert.InEpsilon(t, want.objects, first.objects, by.within)
			}
			assert.Contains(t, sourceLine(t, first.Site), want.source)
			assert.Contains(t, strings.Join(first.Callers, "\n"), "serve ", "%q", first.Callers)
		})
	}
}

var plantedInCpp = map[string]planted{
	"vector":  {"store::line_of", "// static collection", 1},
	"closure": {"store::subscribe", "// closure", 2},
	"cache":   {"store::Cache::put", "std::make_unique", 2},
	"buffer":  {"store::native_buffer", "// native buffer", 1},
	"none":    {},
}

func TestCppSitesArePlanted(t *testing.T) {
	findPlanted(t, buildNative(t, "g++", "-std=c++17", "-O2", "-g", "-pthread", "testdata/sites/native/leak.cc"), 4096, withTCMalloc(), plantedInCpp)
}

func TestRustSitesArePlanted(t *testing.T) {
	findPlanted(t, buildNative(t, "rustc", "-O", "-g", "testdata/sites/native/leak.rs"), 4096, withTCMalloc(), plantedInRust)
}

var plantedInRust = map[string]planted{
	"vec":          {"leak::remember", "// static collection", 1},
	"leak":         {"leak::Session::new", "// forgotten", 1},
	"thread_local": {"leak::cache", "// thread-local", 1},
	"none":         {},
}

// Without DWARF, functions are named by the symbol table, and without that by their offset in the file.
func TestSitesOfAProgramWithoutDWARF(t *testing.T) {
	needs(t, "strip")
	program := buildNative(t, "g++", "-std=c++17", "-O2", "-g", "-pthread", "testdata/sites/native/leak.cc")
	for option, want := range map[string]string{"--strip-debug": `^store::native_buffer$`, "--strip-all": `^server\+0x[0-9a-f]+$`} {
		t.Run(option, func(t *testing.T) {
			stripped := filepath.Join(t.TempDir(), "server")
			output, err := exec.Command("strip", option, "-o", stripped, program).CombinedOutput()
			require.NoError(t, err, "%s", output)
			folder := t.TempDir()
			p, address := startPlanted(t, stripped, append(tcmallocIn(t, folder), "LEAK=buffer", "LEAK_BYTES=4096")...)
			o, err := tcmalloc().open(t.Context(), processOf(t, p.PID), Options{Kind: TCMalloc, Folder: folder})
			require.NoError(t, err)
			sites := growth(t, o, address, 1, 100)
			assert.Regexp(t, want, sites[0].Function)
			assert.InEpsilon(t, 4096, sites[0].bytes, 0.01)
			assert.Empty(t, sites[0].File)
		})
	}
}

// A release build of Rust has DWARF of its library alone.
func TestSitesOfARustProgramWithoutDWARF(t *testing.T) {
	program := buildNative(t, "rustc", "-O", "testdata/sites/native/leak.rs")
	for leak, want := range map[string]string{"vec": "leak::remember", "leak": "leak::forget", "thread_local": "leak::cache"} {
		t.Run(leak, func(t *testing.T) {
			folder := t.TempDir()
			p, address := startPlanted(t, program, append(tcmallocIn(t, folder), "LEAK="+leak, "LEAK_BYTES=4096")...)
			o, err := tcmalloc().open(t.Context(), processOf(t, p.PID), Options{Kind: TCMalloc, Folder: folder})
			require.NoError(t, err)
			first := growth(t, o, address, 1, 100)[0]
			assert.Equal(t, want, first.Function, "%+v", first)
			assert.InEpsilon(t, 4096, first.bytes, 0.05)
		})
	}
}

func TestFramesOfLibrariesAreStandard(t *testing.T) {
	for _, f := range []struct{ function, file, module string }{
		{"std::vector::push_back", "", "server"}, {"__gnu_cxx::new_allocator::allocate", "", "server"},
		{"main", "", "libc.so.6"}, {"tc_new", "", "libtcmalloc.so.4.5.10"}, {"sample", "", "libjemalloc.so.2"},
		{"operator()", "/usr/include/c++/12/bits/std_function.h", "server"}, {"start", "", "ld-linux-x86-64.so.2"}, {"main", "", "libc-2.31.so"}, {"main", "", "libc.musl-x86_64.so.1"},
		{"alloc::vec::Vec::push", "", "server"}, {"<alloc::vec::Vec<> as core::clone::Clone>::clone", "", "server"},
		{"<&mut core::slice::Iter>::next", "", "server"}, {"hashbrown::raw::RawTable::insert", "", "server"},
		{"hashbrown::map::make_hash", "/root/.cargo/registry/src/index-1949cf8c/hashbrown-0.15.2/src/map.rs", "server"},
		{"<T as alloc::slice::hack::ConvertVec>::to_vec", "/rustc/59807616e1fa/library/alloc/src/slice.rs", "server"},
	} {
		assert.True(t, frame{function: f.function, file: f.file}.isStandard(f.module), "%+v", f)
	}
	for _, f := range []struct{ function, file, module string }{
		{"store::put", "/srv/store.cc", "server"}, {"stdx::put", "", "server"}, {"core::Engine::run", "/srv/core.cc", "server"},
		{"<app::Session as core::clone::Clone>::clone", "/srv/main.rs", "server"}, {"malloc_table", "", "server"},
		{"event_new", "", "libevent-2.1.so.7"}, {"mail_open", "", "libc-client.so.2007e"}, {"put", "", "libcache.so"}, {"alloc::pool::take", "/srv/alloc.cc", "server"},
	} {
		assert.False(t, frame{function: f.function, file: f.file}.isStandard(f.module), "%+v", f)
	}
}

// A stack is booked on the code that allocates, whatever the allocator is made of.
func TestStacksAreBookedOnTheCodeThatAllocates(t *testing.T) {
	server := mappedFile{path: "/srv/server"}
	for stack, want := range map[string]string{
		"malloc, store::put, main":                               "store::put",
		"operator new, std::vector::push_back, store::put":       "store::put",
		"malloc, store::Pool::operator new, store::put":          "store::put",
		"store::refill, store::Pool::operator new[], store::put": "store::put",
		"malloc, xmalloc, put, main":                             "put",
		"malloc, g_malloc0, xstrdup, put":                        "put",
		"malloc, my_alloc, put":                                  "my_alloc",
		"_rjem_je_prof_backtrace, imalloc, _rjem_je_malloc_default, alloc::alloc::alloc, app::put":                                                                       "app::put",
		"prof_alloc_prep, je_malloc_default, fallback_impl, store::put":                                                                                                  "store::put",
		"prof_backtrace_impl, je_prof_tctx_create, je_malloc_default, malloc, store::put":                                                                                "store::put",
		"_rjem_je_prof_tctx_create, _rjem_malloc, <app::Counting as core::alloc::global::GlobalAlloc>::alloc, __rustc::__rust_alloc, alloc::vec::Vec<T>::push, app::put": "app::put",
		"_rjem_mallocx, app::<impl core::alloc::global::GlobalAlloc for app::Counting>::realloc, app::put":                                                               "app::put",
		"<app::GlobalAllocator>::open, app::main":                                                                                                                        "<app::GlobalAllocator>::open",
		"malloc, std::thread::_M_start_thread, std::thread::thread":                                                                                                      "std::thread::_M_start_thread",
		"std::string::assign, std::string::string":                                                                                                                       "std::string::assign",
		"malloc": "malloc",
	} {
		symbols := newNativeSymbols()
		var addresses strings.Builder
		for n, function := range strings.Split(stack, ", ") {
			f := frame{function: function}
			symbols.places[place{server, uint64(n + 1)}] = []nativeFrame{{f, allocates.MatchString(function), f.isStandard("server")}}
			fmt.Fprintf(&addresses, " %#x", n+2)
		}
		p := mappedProcess{parts: []mappedPart{{0, 1 << 10, 0, server}}}
		frames, at := p.stack(addresses.String(), symbols)
		assert.Equal(t, want, frames[at].function, stack)
	}
}

func TestProgramsAreOpenedInTheirRoot(t *testing.T) {
	root := t.TempDir()
	p := process{PID: os.Getpid(), Root: root}
	require.NoError(t, os.WriteFile(filepath.Join(root, "lib.so"), nil, 0o600))
	require.NoError(t, os.Symlink("/etc/passwd", filepath.Join(root, "away.so")))
	require.NoError(t, unix.Mkfifo(filepath.Join(root, "pipe.so"), 0o600))
	for path, ok := range map[string]bool{"/lib.so": true, "/away.so": false, "/pipe.so": false, "/none.so": false} {
		file, err := p.openBelow(path)
		assert.Equal(t, ok, err == nil, "%s: %v", path, err)
		if err == nil {
			require.NoError(t, file.Close())
		}
	}
}

// An update replaces a library that a program has loaded, and removes the program.
func TestFilesAreThoseThatWereLoaded(t *testing.T) {
	library := filepath.Join(t.TempDir(), "libkeep.so")
	source := filepath.Join(t.TempDir(), "keep.c")
	build := func(content string) {
		require.NoError(t, os.WriteFile(source, []byte(content), 0o600))
		output, err := exec.Command("gcc", "-shared", "-fPIC", "-o", library, source).CombinedOutput()
		require.NoError(t, err, "%s", output)
	}
	program := buildC(t)
	build("int keep(void) { return 1; }")
	first, err := os.ReadFile(library)
	require.NoError(t, err)
	c := startCommand(t, exec.Command(program), "LD_PRELOAD="+library)
	loaded := func() (mappedProcess, mappedPart) {
		mapped, err := mappingsOf(processOf(t, c.PID))
		require.NoError(t, err)
		at := slices.IndexFunc(mapped.parts, func(part mappedPart) bool { return part.file.inRoot() == library && part.offset == 0 })
		require.GreaterOrEqual(t, at, 0)
		return mapped, mapped.parts[at]
	}
	mapped, part := loaded()
	named, err := mapped.openNamed(part)
	require.NoError(t, err)
	require.NoError(t, named.Close())

	require.NoError(t, os.Remove(library))
	build("int other(void) { return 2; }")
	require.NoError(t, os.Remove(program))
	mapped, part = loaded()
	_, err = mapped.openNamed(part)
	require.ErrorContains(t, err, "not the one that the process has loaded")
	if os.Geteuid() == 0 {
		shown, err := mapped.openLoaded(part.file)
		require.NoError(t, err)
		defer shown.Close()
		content, err := io.ReadAll(shown)
		require.NoError(t, err)
		assert.Equal(t, first, content)
	}
	own := slices.IndexFunc(mapped.parts, func(part mappedPart) bool { return part.file.inRoot() == program })
	require.GreaterOrEqual(t, own, 0)
	removed, err := mapped.openLoaded(mapped.parts[own].file)
	require.NoError(t, err)
	require.NoError(t, removed.Close())
}

func FuzzTCMallocSites(f *testing.F) {
	content, err := os.ReadFile("testdata/tcmalloc/keeper.heap")
	require.NoError(f, err)
	f.Add(content)
	f.Add(content[:200])
	f.Add([]byte(" 1: 1125899906842624 [ 1: 1] @ 0x1 0xffffffffffffffff 0\n" + mappedTitle + "0-ffffffffffffffff r-xp 0 0:0 1 /a\nb"))
	f.Fuzz(func(t *testing.T, profile []byte) {
		assertSane(t, tcmallocSites(profile, process{Root: t.TempDir()}, newNativeSymbols()))
	})
}

func TestSitesOfADump(t *testing.T) {
	content, err := os.ReadFile("testdata/tcmalloc/keeper.heap")
	require.NoError(t, err)
	sites := tcmallocSites(content, process{Root: t.TempDir()}, newNativeSymbols())
	require.Len(t, sites, 2)
	assert.Equal(t, "keeper+0x12e8", sites[0].Function)
	assert.Equal(t, int64(480_000), sites[0].Bytes)
	assert.Equal(t, int64(10_000), sites[0].Objects)
	assert.Equal(t, []string{"libc.so.6+0x27249", "libc.so.6+0x27304", "keeper+0x1100"}, sites[0].Callers)
	assert.Equal(t, "keeper+0x1375", sites[1].Function, "what libc allocates belongs to its caller")
}
