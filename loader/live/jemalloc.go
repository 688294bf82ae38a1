package live

import (
	"bytes"
	"fmt"
	"iter"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"leaklab/loader/memory"
)

// jemalloc reads the live memory of a program that has jemalloc: what that has handed out and not got back. It has gdb call
// mallctl in the process. Where the program was started with jemalloc's heap profiler, a profile of the same moment has the
// sites.
func jemalloc() runtime {
	return runtime{
		kind:  Jemalloc,
		runs:  usesJemalloc,
		open:  opensJemalloc(),
		tells: "what jemalloc has handed out and not got back (needs gdb, and may end a system call with EINTR)",
		// As for native.
		stopAtLeast: 20 * time.Millisecond, stopPerGiB: 10 * time.Millisecond,
	}
}

// jemallocLibrary is in the names of its libraries.
const jemallocLibrary = "jemalloc"

// usesJemalloc is true if the process has jemalloc, as a library or linked into its program, and no runtime that collects
// garbage.
func usesJemalloc(p process) bool {
	if libcOf(p) == "" || hasRuntime(p) {
		return false
	}
	return make(linked).usesMalloc(jemallocLibrary)(p)
}

// mallctlNames are those of mallctl: by default, with jemalloc's own prefix, and with that of Rust's crates.
var mallctlNames = []string{"mallctl", "je_mallctl", "_rjem_mallctl"}

// jemallocLibraryOf is the file of the process that has jemalloc: a library, or its program.
func jemallocLibraryOf(p process) string {
	index := slices.IndexFunc(p.Mapped, func(file string) bool { return strings.Contains(path.Base(file), jemallocLibrary) })
	if index < 0 {
		return p.Exe
	}
	return strings.TrimSuffix(p.Mapped[index], " (deleted)")
}

// heapV2 is what the first line of jemalloc's heap profile begins with. Bytes between two samples follow, on average.
const heapV2 = "heap_v2/"

// parseHeapV2 returns how many bytes lie between two samples of a heap profile of jemalloc, and its stacks with what was
// sampled of them.
//
//	heap_v2/524288
//	  t*: 280: 9910480 [0: 0]
//	@ 0x7f8be78a2630 0x7f8be78a2d21
//	  t*: 198: 1033819 [0: 0]
//	  t3: 198: 1033819 [0: 0]
//
// t* has the objects and bytes of all threads.
func parseHeapV2(profile []byte) (every int64, stacks iter.Seq[heldStack], err error) {
	line, rest, _ := bytes.Cut(profile, []byte("\n"))
	told, isV2 := bytes.CutPrefix(line, []byte(heapV2))
	every, err = strconv.ParseInt(string(told[:min(len(told), 20)]), 10, 64)
	if !isV2 || err != nil || every < 1 || every > mostBytes {
		return 0, nil, fmt.Errorf("not a heap profile of jemalloc: %.80q", line)
	}
	return every, func(yield func(heldStack) bool) {
		var addresses string
		for line := range bytes.Lines(rest) {
			if told, found := bytes.CutPrefix(line, []byte("@")); found {
				addresses = string(told)
				continue
			}
			total, found := bytes.CutPrefix(bytes.TrimSpace(line), []byte("t*:"))
			if !found || addresses == "" {
				continue
			}
			// The rest of the line is that of other heap profiles.
			if objects, size, _, ok := heapLine(string(total) + "@"); ok && objects > 0 && size > 0 {
				if !yield(heldStack{objects, size, addresses}) {
					return
				}
			}
			addresses = ""
		}
	}, nil
}

// unsampled estimates what a stack has in use from what was sampled of it. An object of s bytes is sampled with a
// probability of 1 - exp(-s/every): AdjustSamples of jemalloc's jeprof. Objects of several sizes are taken for those of
// their mean, for which jemalloc 5.3 makes up in the profile (opt.prof_unbias).
func unsampled(held heldStack, every int64) heldStack {
	mean := float64(held.bytes) / float64(held.objects)
	scale := -1 / math.Expm1(-mean/float64(every))
	limited := func(value int64) int64 { return int64(math.Min(math.Round(float64(value)*scale), mostBytes)) }
	return heldStack{limited(held.objects), limited(held.bytes), held.addresses}
}

// promoted is how many bytes the objects that were sampled take beyond their size: jemalloc gives each as much as a large
// one has at least (arena_prof_promote).
func promoted(stacks iter.Seq[heldStack], large int64) int64 {
	var beyond int64
	for held := range stacks {
		if held.objects < mostBytes/large {
			beyond = min(beyond+max(0, held.objects*large-held.bytes), mostBytes)
		}
	}
	return beyond
}

// jemallocSites are the sites of stacks with what was sampled of them.
func jemallocSites(every int64, stacks iter.Seq[heldStack], p mappedProcess, symbols *nativeSymbols) []memory.Site {
	all := func(yield func(heldStack) bool) {
		for held := range stacks {
			if !yield(unsampled(held, every)) {
				return
			}
		}
	}
	sites := nativeSites(all, p, symbols)
	for n := range sites {
		sites[n].Sampled = every > 1
	}
	return sites
}
