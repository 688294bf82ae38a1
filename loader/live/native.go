package live

import (
	"path"
	"slices"
	"strings"
	"time"
)

// native reads the live memory of a program that uses glibc's malloc. It has gdb call malloc_info in the process, which
// writes what each arena holds. Chunks in the caches of threads (tcache) count as live: they are bounded.
func native() runtime {
	return runtime{
		kind:  Native,
		runs:  usesGlibcMalloc,
		open:  opensNative(),
		tells: "what malloc has handed out and not got back (needs gdb, and may end a system call with EINTR)",
		// gdb stops all threads to find one that waits; the text is written while the others run.
		stopAtLeast: 20 * time.Millisecond, stopPerGiB: 10 * time.Millisecond,
	}
}

// otherMallocs are parts of the names of libraries that replace glibc's malloc.
var otherMallocs = []string{"jemalloc", "tcmalloc", "mimalloc", "snmalloc", "libasan"}

// runtimeLibraries are parts of the names of libraries of runtimes that have a heap beside malloc's, and runtimePrograms
// the beginnings of the names of such programs.
var (
	runtimeLibraries = []string{"libjvm", "libpython", "libruby", "libphp", "libcoreclr", "libnode"}
	runtimePrograms  = []string{"python", "ruby", "php", "node", "java", "beam", "dotnet"}
)

// usesGlibcMalloc is true if the process maps glibc and nothing that brings another heap.
func usesGlibcMalloc(p process) bool {
	return libcOf(p) != "" && !hasRuntime(p) && !slices.ContainsFunc(otherMallocs, func(part string) bool { return mapsPart(part)(p) })
}

// hasRuntime is true of a process that has another heap beside malloc's.
func hasRuntime(p process) bool {
	return golang().runs(p) || slices.ContainsFunc(runtimePrograms, func(name string) bool { return isProgram(name)(p) }) ||
		slices.ContainsFunc(runtimeLibraries, func(part string) bool { return mapsPart(part)(p) })
}

// libcOf is the path of glibc as the process sees it; empty if it maps none. Its name was libc-2.31.so before 2.34.
func libcOf(p process) string {
	index := slices.IndexFunc(p.Mapped, func(file string) bool {
		name := path.Base(file)
		return name == "libc.so.6" || strings.HasPrefix(name, "libc-2.") && strings.HasSuffix(name, ".so")
	})
	if index < 0 {
		return ""
	}
	return p.Mapped[index]
}

// mallocEnd is what the text of malloc_info ends with.
const mallocEnd = "</malloc>"

// parseMallocInfo reads the text of malloc_info: the chunks of all arenas that are in use, and what the arenas took from
// the system. It fails unless the sums are there and sane.
func parseMallocInfo(text []byte) (pythonHeap, error) {
	var heap pythonHeap // CPython's, without a part that is its own
	err := heap.readMalloc(text)
	return heap, err
}
