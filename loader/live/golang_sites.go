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
	// goHeapNoise is by how much the bytes of the heap differ after a collection without a change of the program.
	goHeapNoise = 16 << 10
	// goSurely is how many standard errors an error of sampling is never larger than.
	goSurely = 5
	// goMemory is how much the variance of a growth counts one reading later.
	goMemory = 0.8
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

// goSampled is what a heap profile tells of a site beside its estimate: how far sampling may be off.
type goSampled struct {
	bytes float64 // in use, estimated
	// inUse is the variance of that in bytes², and made that of all that was ever allocated there.
	inUse, made float64
	// recent is the variance of its growth from reading to reading, of the last ones above all.
	recent float64
	// correction is by how much the estimate was corrected in all readings, in bytes.
	correction float64
}

// addGoHeap adds what a heap profile as text has in use, and returns what is known of the sampling of each site. The profile
// has a record for each stack and size of objects, those in use first. It is scaled as google/pprof does it: of objects of s
// bytes, a share of 1-exp(-s/rate) is sampled.
func (s *siteSum) addGoHeap(profile []byte) map[memory.SiteKey]goSampled {
	first, _, _ := bytes.Cut(profile, []byte("\n"))
	_, told, _ := strings.Cut(string(first), " @ heap/")
	double, err := strconv.ParseInt(told, 10, 64) // of MemProfileRate
	if err != nil || double < 2 {
		return nil
	}
	rate := float64(double / 2)
	sampled := make(map[memory.SiteKey]goSampled)
	for title, stack := range goRecords(profile) {
		objects, bytes, _, ok := heapLine(title)
		made, madeBytes := goMade(title)
		if !ok || made < objects || madeBytes == 0 {
			continue
		}
		share := 1.0
		if rate > 1 {
			share = 1 - math.Exp(-float64(madeBytes)/float64(made)/rate)
		}
		estimate := float64(bytes) / share
		variance := float64(madeBytes) / float64(made) / share
		variance *= variance * (1 - share) // of an object that is sampled
		at := goHeapSite(stack)
		var site *memory.Site
		if objects > 0 && bytes > 0 && estimate < mostBytes {
			site = s.add(stack, at, int64(math.Round(estimate)), int64(math.Round(float64(objects)/share)), "")
			site.Sampled = rate > 1
		} else if site = s.sites[memory.SiteKey{Function: stack[at].function, File: stack[at].file, Line: stack[at].line}]; site == nil {
			continue
		}
		of := sampled[site.Key()]
		of.inUse += variance * float64(objects)
		of.made += variance * float64(made)
		of.bytes = float64(site.Bytes)
		sampled[site.Key()] = of
	}
	return sampled
}

// goMade reads the objects and bytes ever allocated of a record "1: 64 [7: 448] @ 0x1", as far as they were sampled.
func goMade(title string) (objects, bytes int64) {
	_, rest, _ := strings.Cut(title, "[")
	many, rest, _ := strings.Cut(rest, ":")
	size, _, _ := strings.Cut(rest, "]")
	objects, err := strconv.ParseInt(strings.TrimSpace(many), 10, 64)
	if err != nil || objects < 0 || objects > mostBytes {
		return 0, 0
	}
	bytes, err = strconv.ParseInt(strings.TrimSpace(size), 10, 64)
	if err != nil || bytes < 0 || bytes > mostBytes {
		return 0, 0
	}
	return objects, bytes
}

// goCalibration corrects the estimates of sampled sites by what the heap has grown by, which is exact. The zero value is that
// before the first reading.
type goCalibration struct {
	heap  int64   // of the last reading, in bytes
	rest  float64 // what the heap has grown by beyond the corrected estimates, in bytes
	sites map[memory.SiteKey]goSampled
}

// correct corrects the sites of a reading of a heap of so many bytes. From one reading to the next, the growth of all estimates
// together differs from that of the heap. That difference is divided among the sites by the variance of the growth of each
// (Deville and Särndal, "Calibration estimators in survey sampling", 1992). It is an error of sampling unless it is too
// large for one: then nothing is corrected. Few samples come between two readings, so the variance is a moving average.
func (c *goCalibration) correct(sum *siteSum, sampled map[memory.SiteKey]goSampled, heap int64) {
	before, difference := c.sites, float64(heap-c.heap)
	c.sites, c.heap = sampled, heap
	if before == nil {
		return
	}
	for _, was := range before {
		difference += was.bytes
	}
	all := float64(goHeapNoise * goHeapNoise)
	for key, now := range sampled {
		difference -= now.bytes
		now.recent = now.grownFrom(before[key]) + goMemory*before[key].recent
		all += now.recent
		sampled[key] = now
	}
	c.rest += difference
	if c.rest*c.rest > goSurely*goSurely*all {
		c.rest = 0
	}
	for key, now := range sampled {
		now.correction = before[key].correction + c.rest*now.recent/all
		sampled[key] = now
		if site := sum.sites[key]; site != nil && site.Bytes > 0 {
			corrected := min(max(0, float64(site.Bytes)+now.correction), mostBytes)
			site.Objects = int64(math.Round(min(float64(site.Objects)*corrected/float64(site.Bytes), mostBytes)))
			site.Bytes = int64(math.Round(corrected))
		}
	}
	c.rest *= goHeapNoise * goHeapNoise / all
}

// grownFrom is the variance of the growth since another reading. What is in use since then has an error, and so has what was
// in use and is gone. How much of it is gone is not told: at most what was freed.
func (s goSampled) grownFrom(before goSampled) float64 {
	gained := s.inUse - before.inUse
	gone := min(max(0, s.made-before.made-gained), before.inUse)
	return max(0, gained+2*gone)
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

// read returns the sites of a heap profile and a goroutine profile, both as text; goroutines may be nil. heap is the bytes of the heap.
func (c *goCalibration) read(profile []byte, heap int64, goroutines []byte) []memory.Site {
	var sum siteSum
	c.correct(&sum, sum.addGoHeap(profile), heap)
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
