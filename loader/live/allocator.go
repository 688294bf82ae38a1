package live

import (
	"bytes"
	"cmp"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"leaklab/loader/kernel"
	"leaklab/loader/memory"
)

// Allocator is what an allocator or a runtime does with memory that its program has freed, while the program rests. The
// figures are those of docs/allocators.md.
type Allocator struct {
	Name   string // "glibc's malloc"
	AtRest string // what it does then, as the rest of a sentence that begins with Name
	// Rest is how long a rest shows what is given back, about; 0 if it shows nothing of use within a minute.
	Rest time.Duration
	// Settle is how long it keeps what differs from one load to the next, about; 0 if no rest helps.
	Settle time.Duration
}

// lateRest covers the timers of ten seconds that Erlang and jemalloc have.
const lateRest = 15 * time.Second

// jemallocThread is the name of the threads of jemalloc's option background_thread.
const jemallocThread = "jemalloc_bg_thd"

// allocator is how one is found. The first that a process runs is told: runtimes come before the libraries below them.
type allocator struct {
	Allocator
	runs func(p process) bool
}

// allocators are all that are known.
func allocators() []allocator {
	programs := make(linked)
	const (
		onFree  = "gives memory back when the program frees it, and nothing at rest"
		onCalls = "gives memory back during calls of the program, and nothing at rest"
		collect = "collects no garbage in the first minute of rest"
	)
	return []allocator{
		{Allocator{Name: "a JVM", AtRest: collect}, runsHotSpot},
		{Allocator{Name: "Node", AtRest: collect}, runsNode},
		{Allocator{Name: "Go", AtRest: collect}, golang().runs},
		{Allocator{Name: "Erlang", AtRest: "gives free memory back within 15 s of rest", Rest: lateRest, Settle: lateRest}, isProgram("beam")},
		{Allocator{Name: "PHP", AtRest: "keeps memory for the next request, and gives nothing back at rest"}, runsPHP},
		{Allocator{Name: "jemalloc", AtRest: "gives free memory back within 15 s of rest, by its background thread", Rest: lateRest}, hasThread(jemallocThread)},
		{Allocator{Name: "CPython", AtRest: onFree}, runsPython},
		{Allocator{Name: "Ruby", AtRest: "collects no garbage at rest"}, runsRuby},
		{Allocator{Name: "jemalloc", AtRest: onCalls}, programs.usesMalloc("jemalloc")},
		{Allocator{Name: "mimalloc", AtRest: onCalls}, programs.usesMalloc("mimalloc")},
		{Allocator{Name: "tcmalloc", AtRest: onCalls}, programs.usesMalloc("tcmalloc")},
		{Allocator{Name: "glibc's malloc", AtRest: "gives back large blocks and the end of its heap when the program frees them, and nothing at rest"}, usesGlibcMalloc},
		{Allocator{Name: "musl's malloc", AtRest: onFree}, mapsPart("ld-musl-")},
	}
}

// Allocators returns those of the processes of a server, once each: that of the process with the most anonymous memory
// first. An empty one stands for what is not known.
func Allocators(processes func() ([]int, error)) []Allocator {
	pids, err := processes()
	if err != nil {
		return nil
	}
	type holder struct {
		of    Allocator
		bytes int64
	}
	known := allocators()
	var holders []holder
	for _, pid := range pids {
		held, _ := memory.AnonymousOf(pid) // 0 if it has ended, or may not be looked at
		h := holder{bytes: held}
		if p, err := look(pid); err == nil {
			h.of = allocatorOf(p, known)
		}
		holders = append(holders, h)
	}
	slices.SortStableFunc(holders, func(a, b holder) int { return cmp.Compare(b.bytes, a.bytes) })
	var all []Allocator
	for _, h := range holders {
		if !slices.Contains(all, h.of) {
			all = append(all, h.of)
		}
	}
	return all
}

// allocatorOf is that of a process; empty if it is none of those known.
func allocatorOf(p process, known []allocator) Allocator {
	for _, a := range known {
		if a.runs(p) {
			return a.Allocator
		}
	}
	return Allocator{}
}

// isProgram is true of a process whose program has a name that begins so.
func isProgram(name string) func(p process) bool {
	return func(p process) bool { return strings.HasPrefix(path.Base(p.Exe), name) }
}

// mapsPart is true of a process that maps a file whose name has that part.
func mapsPart(part string) func(p process) bool {
	return func(p process) bool {
		return slices.ContainsFunc(p.Mapped, func(file string) bool { return strings.Contains(path.Base(file), part) })
	}
}

func runsPHP(p process) bool { return isProgram("php")(p) || mapsPart("libphp")(p) }

func runsRuby(p process) bool { return isProgram("ruby")(p) || mapsPart("libruby")(p) }

// hasThread is true of a process that has a thread of that name.
func hasThread(name string) func(p process) bool {
	return func(p process) bool {
		threads, _ := filepath.Glob(kernel.Path(p.PID, "task/*/comm"))
		return slices.ContainsFunc(threads, func(comm string) bool {
			content, err := os.ReadFile(comm)
			return err == nil && strings.TrimSpace(string(content)) == name
		})
	}
}

// usesMalloc is true of a process that maps a library whose name has that part, or has the library linked into its program.
func (l linked) usesMalloc(part string) func(p process) bool {
	return func(p process) bool { return mapsPart(part)(p) || l.of(p) == part }
}

// linked are the allocators that programs have linked into them, by the paths of the programs, each of which is read once.
// It is empty for a program that has none.
type linked map[string]string

func (l linked) of(p process) string {
	name, known := l[p.Exe]
	if !known {
		name = linkedInto(kernel.Path(p.PID, "exe"))
		l[p.Exe] = name
	}
	return name
}

// mostProgram is how much of a program is searched, in bytes.
const mostProgram = 512 << 20

// linkedInto is the allocator with whose name a message in a program begins; empty if there is none, or it cannot be read.
func linkedInto(program string) string {
	const longest = len("<jemalloc>: ")
	messages := []struct{ begin, of string }{{"<jemalloc>: ", "jemalloc"}, {"mimalloc: ", "mimalloc"}, {"tcmalloc: ", "tcmalloc"}}
	file, err := os.Open(program)
	if err != nil {
		return ""
	}
	defer file.Close()
	content := io.LimitReader(file, mostProgram)
	buffer, kept := make([]byte, 256<<10), 0
	for {
		n, err := io.ReadFull(content, buffer[kept:])
		for _, m := range messages {
			if bytes.Contains(buffer[:kept+n], []byte(m.begin)) {
				return m.of
			}
		}
		if err != nil { // the end, mostly
			return ""
		}
		kept = copy(buffer, buffer[len(buffer)-longest+1:])
	}
}
