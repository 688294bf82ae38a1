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

// others are parts of names of programs and libraries that take memory elsewhere than from glibc's malloc.
var others = []string{
	"jemalloc", "tcmalloc", "mimalloc", "snmalloc", "libjvm", "libpython", "libruby", "libphp", "libcoreclr", "libnode", "libasan",
}

// otherPrograms are the beginnings of the names of such programs.
var otherPrograms = []string{"python", "ruby", "php", "node", "java", "beam", "dotnet"}

// usesGlibcMalloc is true if the process maps glibc and nothing that brings another heap.
func usesGlibcMalloc(p process) bool {
	if libcOf(p) == "" || golang().runs(p) {
		return false
	}
	program := path.Base(p.Exe)
	if slices.ContainsFunc(otherPrograms, func(name string) bool { return strings.HasPrefix(program, name) }) {
		return false
	}
	return !slices.ContainsFunc(p.Mapped, func(file string) bool {
		return slices.ContainsFunc(others, func(part string) bool { return strings.Contains(path.Base(file), part) })
	})
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
