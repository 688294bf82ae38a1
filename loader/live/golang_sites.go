package live

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"math"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"leaklab/loader/memory"
)

const (
	// goLeakProfile is the profile of goroutines that can never go on, and goLeakHolder what keeps them.
	goLeakProfile, goLeakHolder = "goroutineleak", "a wait for what no other goroutine can reach"
	// goLeastStack is what the stack of a goroutine takes at least, in bytes.
	goLeastStack = 2048
	// mostFrames is how many frames of a stack are read; a stack of a heap profile has at most 128.
	mostFrames = 256
)

// goStandard are the first elements of the import paths of Go's standard library.
var goStandard = strings.Fields(`archive bufio bytes cmp compress container context crypto database debug embed encoding
	errors expvar flag fmt go hash html image index internal io iter log maps math mime net os path plugin reflect regexp
	runtime slices sort strconv strings structs sync syscall testing text time unicode unique unsafe vendor weak`)

// isGoStandard is true for functions of the standard library, the runtime included: "net/http.(*conn).serve".
func isGoStandard(function string) bool {
	element, _, found := strings.Cut(function, "/")
	if !found {
		element, _, _ = strings.Cut(function, ".")
	}
	return slices.Contains(goStandard, element)
}

// goOwn is the innermost frame outside the standard library; negative if there is none.
func goOwn(stack []frame) int {
	return slices.IndexFunc(stack, func(f frame) bool { return !isGoStandard(f.function) })
}

// goRecords yields the records of a profile as text that net/http/pprof writes with debug=1: the first line of each, and
// its stack, innermost first. Frames of the runtime are not at its beginning, as printStackRecord of runtime/pprof leaves
// them out.
func goRecords(profile []byte) iter.Seq2[string, []frame] {
	return func(yield func(string, []frame) bool) {
		var title string
		var stack []frame
		for line := range bytes.Lines(profile) {
			told := strings.TrimSuffix(string(line), "\n")
			if rest, found := strings.CutPrefix(told, "#\t"); found {
				if f, ok := goFrame(rest); ok && len(stack) < mostFrames {
					stack = append(stack, f)
				}
				continue
			}
			if strings.HasPrefix(told, "# labels: ") {
				continue
			}
			if len(stack) > 0 && !yield(title, stack) {
				return
			}
			title, stack = told, stack[:0]
			if strings.HasPrefix(told, "# runtime.MemStats") {
				return
			}
		}
		if len(stack) > 0 {
			yield(title, stack)
		}
	}
}

// goFrame reads what follows "#" in a line of a stack: "0x46b1e5	main.keep+0x65	/srv/main.go:30", with one or more tabs.
func goFrame(line string) (frame, bool) {
	fields := strings.FieldsFunc(line, func(r rune) bool { return r == '\t' })
	if len(fields) != 3 {
		return frame{}, false
	}
	plus := strings.LastIndexByte(fields[1], '+')
	colon := strings.LastIndexByte(fields[2], ':')
	if plus < 0 || colon < 0 {
		return frame{}, false
	}
	number, err := strconv.ParseUint(fields[2][colon+1:], 10, 31)
	if err != nil {
		return frame{}, false
	}
	return frame{function: name(fields[1][:plus]), file: name(fields[2][:colon]), line: int(number)}, true
}

// goAllocates are functions of the runtime that allocate for others.
var goAllocates = regexp.MustCompile(`^runtime\.(mallocgc|newobject|newarray|makeslice|growslice|persistentalloc)`)

// goHeapSite is the frame that memory is booked on: the innermost outside the standard library, else the innermost that
// does not allocate for another.
func goHeapSite(stack []frame) int {
	at := goOwn(stack)
	if at < 0 {
		at = slices.IndexFunc(stack, func(f frame) bool { return !goAllocates.MatchString(f.function) })
	}
	return max(0, at)
}

// addGoHeap adds what a heap profile as text has in use. The profile has a record for each stack and size of objects, and is
// scaled as google/pprof does it.
func (s *siteSum) addGoHeap(profile []byte) {
	first, _, _ := bytes.Cut(profile, []byte("\n"))
	_, told, _ := strings.Cut(string(first), " @ heap/")
	double, err := strconv.ParseInt(told, 10, 64) // of MemProfileRate
	if err != nil || double < 2 {
		return
	}
	rate := float64(double / 2)
	for title, stack := range goRecords(profile) {
		objects, bytes, _, ok := heapLine(title)
		if !ok || objects == 0 || bytes == 0 {
			continue
		}
		scale := 1.0
		if rate > 1 {
			scale = 1 / (1 - math.Exp(-float64(bytes)/float64(objects)/rate))
		}
		if estimate := scale * float64(bytes); estimate < mostBytes {
			site := s.add(stack, goHeapSite(stack), int64(math.Round(estimate)), int64(math.Round(scale*float64(objects))), "")
			site.Sampled = rate > 1
		}
	}
}

// addGoroutines adds the goroutines of a profile as text: "12 @ 0x46b1e5 0x46c0a1". Bytes is the least that their stacks
// take. Those of the standard library alone, such as idle connections, are booked on the function that they began with.
func (s *siteSum) addGoroutines(profile []byte) {
	for title, stack := range goRecords(profile) {
		told, _, _ := strings.Cut(title, " @")
		count, err := strconv.ParseInt(told, 10, 64)
		if err != nil || count <= 0 || count > mostBytes/goLeastStack {
			continue
		}
		at := goOwn(stack)
		if at < 0 {
			at = len(stack) - 1
		}
		s.add(stack, at, count*goLeastStack, count, memory.GoroutineStack)
	}
}

// goroutineCount is the number of goroutines that the first line of a profile as text tells; 0 if there is none.
func goroutineCount(profile []byte) int64 {
	first, _, _ := bytes.Cut(profile, []byte("\n"))
	told, found := strings.CutPrefix(string(first), "goroutine profile: total ")
	count, err := strconv.ParseInt(told, 10, 64)
	if !found || err != nil || count < 0 || count > mostBytes/goLeastStack {
		return 0
	}
	return count
}

// goSites are the sites of a heap profile and a goroutine profile, both as text; goroutines may be nil.
func goSites(heap, goroutines []byte) []memory.Site {
	var sum siteSum
	sum.addGoHeap(heap)
	sum.addGoroutines(goroutines)
	return sum.largest()
}

// name tells which goroutines that can never go on the load has left behind, if the program was built with
// GOEXPERIMENT=goroutineleakprofile: the collector finds those that wait for what no other can reach.
func (g *goProgram) name(ctx context.Context, save Save) (func(context.Context) (Naming, error), error) {
	before, err := g.leaked(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: no goroutineleak profile: %w", ErrNone, err)
	}
	return func(ctx context.Context) (Naming, error) {
		after, err := g.leaked(ctx)
		if err != nil {
			return Naming{}, err
		}
		for key, site := range after.sites {
			if was := before.sites[key]; was != nil {
				site.Bytes, site.Objects = site.Bytes-was.Bytes, site.Objects-was.Objects
			}
			site.Holders = []string{goLeakHolder}
			if site.Objects <= 0 {
				delete(after.sites, key)
			}
		}
		profile, err := goGet(ctx, g.at(goLeakProfile, nil))
		if err != nil {
			return Naming{}, err
		}
		file := ProfileFile{Name: fmt.Sprintf("goroutineleak-%d.pb.gz", g.PID)}
		file.Open = "go tool pprof " + file.Name
		err = save(file.Name, func(w io.Writer) error {
			_, err := w.Write(profile)
			return err
		})
		return Naming{Sites: after.largest(), Files: []ProfileFile{file}}, err
	}, nil
}

// leaked are the goroutines that can never go on.
func (g *goProgram) leaked(ctx context.Context) (*siteSum, error) {
	ctx, cancel := context.WithTimeout(ctx, goTimeout)
	defer cancel()
	profile, err := goGet(ctx, g.at(goLeakProfile, url.Values{"debug": {"1"}}))
	if err != nil {
		return nil, err
	}
	sum := &siteSum{}
	sum.addGoroutines(profile)
	return sum, nil
}
